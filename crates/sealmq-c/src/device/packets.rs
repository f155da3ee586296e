//! What goes out: filters and packets of key management.

use core::ffi::c_char;
use core::fmt::{self, Display, Write as _};

use sealmq_keys::ReservedTopic;

use super::cell::{enter, sealmq_device};
use super::machine::Machine;
use crate::arguments::{Place, text};
use crate::codes::sealmq_status::{self, *};

/// Bytes that hold every topic and filter of key management, the zero byte included.
pub const SEALMQ_TOPIC_SIZE: usize = 192;
/// Bytes that hold everything that key management publishes.
pub const SEALMQ_PACKET_SIZE: usize = 1536;

/// One packet of key management: PUBLISH with QoS 1.
#[repr(C)]
pub struct sealmq_packet {
    /// Its topic, zero-terminated; empty: there is nothing to send.
    pub topic: [c_char; SEALMQ_TOPIC_SIZE],
    /// The payload.
    pub payload: [u8; SEALMQ_PACKET_SIZE],
    /// Its length in bytes.
    pub payload_len: usize,
    /// The RETAIN flag.
    pub retain: bool,
    /// Messages of the short form wait until `sealmq_device_acknowledged` is called for it.
    pub is_awaited: bool,
}

/// Writes the next filter to subscribe with QoS 1, zero-terminated, to the `capacity` bytes at `filter`:
/// `SEALMQ_TOPIC_SIZE` are always enough. An empty text: none now. Call it until then after
/// [`sealmq_device_connected`](super::sealmq_device_connected), before you subscribe your own topics, and after each
/// [`sealmq_device_received`](super::sealmq_device_received) and [`sealmq_device_tick`](super::sealmq_device_tick). A filter may come
/// again: subscribe it again, so that the broker delivers what it keeps.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_BUFFER`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`,
/// `SEALMQ_ERROR_MEMBER` (neither a member nor joining).
///
/// # Safety
/// `device` is an open device; `capacity` bytes may be written at `filter`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_device_next_filter(
    device: *mut sealmq_device,
    filter: *mut c_char,
    capacity: usize,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        if filter.is_null() {
            return Err(SEALMQ_ERROR_NULL);
        }
        // Before one is taken, because none is lost.
        if capacity < SEALMQ_TOPIC_SIZE {
            return Err(SEALMQ_ERROR_BUFFER);
        }
        let mut name = Text::new();
        machine.next_filter(&mut name)?;
        // SAFETY: so many bytes may be written there, as the caller promises.
        unsafe { filter.copy_from_nonoverlapping(name.bytes.as_ptr(), SEALMQ_TOPIC_SIZE) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(device, work) }
}

/// Writes the next packet of key management to `*packet`; an empty topic: none now. What it rests on is
/// stored. Call it until then, whenever [`sealmq_device_next_filter`] has nothing more, and after each
/// [`sealmq_device_seal`](super::sealmq_device_seal) of the short form. When the broker has acknowledged
/// one that is awaited: [`sealmq_device_acknowledged`].
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_STORE` (the flash failed: open the device again),
/// `SEALMQ_ERROR_RANDOM`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`, `SEALMQ_ERROR_MEMBER`.
///
/// # Safety
/// `device` is an open device; `packet` points to a place for a packet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_device_next_packet(
    device: *mut sealmq_device,
    packet: *mut sealmq_packet,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises.
        unsafe { Place::new(packet, "packet") }?;
        // SAFETY: as the caller promises; zero is a valid packet.
        unsafe { packet.write_bytes(0, 1) };
        // SAFETY: there, aligned, and just written.
        machine.next_packet(unsafe { &mut *packet })
    };
    // SAFETY: as the caller promises.
    unsafe { enter(device, work) }
}

/// The broker has acknowledged (PUBACK) the packet of key management on this topic. Messages of the short
/// form wait for that of their session's record: until then they are sealed in the full form. Others need
/// no word.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (no UTF-8), `SEALMQ_ERROR_MEMBER`,
/// `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `device` is an open device; `topic` a zero-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_device_acknowledged(
    device: *mut sealmq_device,
    topic: *const c_char,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises.
        let topic = unsafe { text(topic, "topic") }?;
        let device = machine.member()?;
        if let Some(topic) = ReservedTopic::parse(device.prefix(), topic) {
            device.acknowledged(&topic);
        }
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(device, work) }
}

impl Machine {
    fn next_filter(&mut self, text: &mut Text) -> Result<(), sealmq_status> {
        let at = self.subscribed;
        if let Some(device) = &mut self.device {
            let filter = device.subscriptions().nth(at);
            if filter.is_some() {
                self.subscribed = at.saturating_add(1);
            }
            return match filter.or_else(|| device.poll_subscribe()) {
                Some(filter) => text.put(&filter.under(device.prefix())),
                None => Ok(()),
            };
        }
        let joining = self.joining.as_ref().ok_or(SEALMQ_ERROR_MEMBER)?;
        if let Some(filter) = joining.subscriptions().get(at) {
            self.subscribed = at.saturating_add(1);
            text.put(&filter.under(self.asking.prefix()))?;
        }
        Ok(())
    }

    fn next_packet(&mut self, packet: &mut sealmq_packet) -> Result<(), sealmq_status> {
        let mut text = Text::new();
        if let Some(device) = &mut self.device {
            let clear = self.asking.clear.take();
            if let Some(topic) = clear {
                text.put(&topic.under(device.prefix()))?;
                packet.retain = true;
            } else if let Some(sent) = device.poll_transmit(self.board.clock(), &mut packet.payload)
            {
                text.put(&sent.topic.under(device.prefix()))?;
                (packet.payload_len, packet.retain) = (sent.len, sent.retain);
                packet.is_awaited = matches!(sent.topic, ReservedTopic::SessionRecord(..));
            }
        } else if self.joining.is_none() {
            return Err(SEALMQ_ERROR_MEMBER);
        } else if self.asking.is_due {
            packet.payload_len = self.ask(&mut packet.payload)?;
            packet.retain = true;
            let topic = self.joining.as_ref().map(|joining| joining.topic());
            let topic = topic.ok_or(SEALMQ_ERROR_MEMBER)?;
            text.put(&topic.under(self.asking.prefix()))?;
        }
        packet.topic = text.bytes;
        Ok(())
    }
}

/// A text of at most so many bytes, the zero byte included.
struct Text {
    bytes: [c_char; SEALMQ_TOPIC_SIZE],
    len: usize,
}

impl Text {
    const fn new() -> Self {
        Self {
            bytes: [0; SEALMQ_TOPIC_SIZE],
            len: 0,
        }
    }

    fn put(&mut self, what: &dyn Display) -> Result<(), sealmq_status> {
        write!(self, "{what}").map_err(|_| SEALMQ_ERROR_BUFFER)
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.saturating_add(text.len());
        // One byte stays zero.
        let all = self.bytes.len().saturating_sub(1);
        let room = self
            .bytes
            .get_mut(..all)
            .and_then(|all| all.get_mut(self.len..end));
        for (to, from) in room.ok_or(fmt::Error)?.iter_mut().zip(text.bytes()) {
            *to = c_char::from_ne_bytes([from]);
        }
        self.len = end;
        Ok(())
    }
}
