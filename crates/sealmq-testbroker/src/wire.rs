//! Bytes and packets. What rumqttc's codec refuses although it is legal is read, or written, here.

use bytes::{BufMut as _, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5::{Disconnect, DisconnectReasonCode, Packet};

/// Of MQTT 5, in CONNECT.
const LEVEL: u8 = 5;
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

/// Takes the next packet off a stream. `None`: more bytes are needed.
pub fn read(stream: &mut BytesMut, most: Option<usize>) -> Option<Frame> {
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

/// Whether a stream begins with a CONNECT of MQTT 5, whatever it holds. `None`: too few bytes.
#[must_use]
pub fn is_mqtt5(stream: &BytesMut) -> Option<bool> {
    let Ok((header, _)) = lengths(stream)? else {
        return Some(false);
    };
    // Two bytes of length, "MQTT", the level.
    let level = *stream.get(header.saturating_add(6))?;
    let kind = stream.first().map_or(0, |first| first >> 4);
    Some(kind == CONNECT && level == LEVEL)
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
