//! Bytes and packets. What rumqttc's codec refuses although it is legal is read, or written, here.

use bytes::{BufMut as _, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5::{Disconnect, DisconnectReasonCode, Packet};

/// A version of MQTT, as CONNECT names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Level {
    /// 3.1.1.
    Four,
    #[default]
    Five,
}

const CONNECT: u8 = 1;
const DISCONNECT: u8 = 14;

/// What came of a frame.
#[derive(Debug)]
pub enum Frame {
    /// A packet, and how many bytes it had.
    Packet(Box<Packet>, usize),
    /// It is larger than the limit; the rest was not read.
    TooLarge,
    /// It is none of this version of MQTT.
    Malformed,
}

/// Takes the next packet of MQTT 5 off a stream. `None`: more bytes are needed.
pub fn read(stream: &mut BytesMut, most: Option<usize>) -> Option<Frame> {
    read_as(stream, most, Level::Five)
}

/// As [`read`], of a version.
pub(crate) fn read_as(stream: &mut BytesMut, most: Option<usize>, level: Level) -> Option<Frame> {
    let (header, rest) = match lengths(stream)? {
        Ok(lengths) => lengths,
        Err(()) => return Some(Frame::Malformed),
    };
    let size = header.saturating_add(rest);
    if most.is_some_and(|most| size > most) {
        return Some(Frame::TooLarge);
    }
    if stream.len() < size {
        return None;
    }
    let mut frame = stream.split_to(size);
    let kind = frame.first().map_or(0, |first| first >> 4);
    if level == Level::Four {
        let packet = crate::old::read(&mut frame);
        return Some(packet.map_or(Frame::Malformed, |packet| {
            Frame::Packet(Box::new(packet), size)
        }));
    }
    // A goodbye without a reason is one of zero bytes, which the codec does not know.
    let packet = if kind == DISCONNECT && rest == 0 {
        Ok(goodbye())
    } else {
        Packet::read(&mut frame, None)
    };
    Some(packet.map_or(Frame::Malformed, |packet| {
        Frame::Packet(Box::new(packet), size)
    }))
}

/// The version of the CONNECT with which a stream begins, whatever it holds; `Some(None)`: of none
/// that there is. `None`: too few bytes.
pub(crate) fn level(stream: &BytesMut) -> Option<Option<Level>> {
    let Ok((header, _)) = lengths(stream)? else {
        return Some(None);
    };
    // Two bytes of length, "MQTT", the level.
    let level = *stream.get(header.saturating_add(6))?;
    let kind = stream.first().map_or(0, |first| first >> 4);
    Some(match level {
        4 if kind == CONNECT => Some(Level::Four),
        5 if kind == CONNECT => Some(Level::Five),
        _ => None,
    })
}

fn goodbye() -> Packet {
    Packet::Disconnect(Disconnect {
        reason_code: DisconnectReasonCode::NormalDisconnection,
        properties: None,
    })
}

/// Bytes of the fixed header, and those after it.
fn lengths(stream: &[u8]) -> Option<Result<(usize, usize), ()>> {
    let mut rest = 0usize;
    for (n, byte) in stream.iter().skip(1).take(4).enumerate() {
        let shift = u32::try_from(n).ok()?.saturating_mul(7);
        rest |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(Ok((n.saturating_add(2), rest)));
        }
    }
    (stream.len() > 4).then_some(Err(()))
}

/// A packet's bytes.
#[must_use]
pub fn write(packet: &Packet) -> Bytes {
    let mut bytes = BytesMut::new();
    // It fails for packets without an identifier only, which the broker does not make.
    let _written = packet.write(&mut bytes, None);
    bytes.freeze()
}

/// As [`write`], of a version.
pub(crate) fn write_as(packet: &Packet, level: Level) -> Bytes {
    match level {
        Level::Four => crate::old::write(packet),
        Level::Five => write(packet),
    }
}

/// PUBACK with any reason code: the codec knows nine.
#[must_use]
pub fn puback(packet: u16, code: u8) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_slice(&[0x40, 3]);
    bytes.put_u16(packet);
    bytes.put_u8(code);
    bytes.freeze()
}

/// CONNACK of MQTT 3.1.1: the version is not one that this broker speaks.
#[must_use]
pub const fn old_refusal() -> Bytes {
    Bytes::from_static(&[0x20, 2, 0, 1])
}
