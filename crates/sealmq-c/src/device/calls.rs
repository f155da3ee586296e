//! The firmware's calls.

use core::ffi::c_char;
use core::ops::Range;
use core::ptr;

use sealmq_core::MemberNumber;
use sealmq_embedded::{SealRefused, Sealing};

use super::asking::OBJECT;
use super::board::sealmq_board;
use super::cell::{create, enter, sealmq_device};
use super::machine::{Machine, of_seal};
use super::message::{SEALMQ_PROPERTIES_SIZE, sealing, sealmq_delivery, sealmq_device_message};
use crate::arguments::{Place, Wrong, array, structure, text};
use crate::codes::sealmq_status::{self, *};

/// Bytes by which an envelope is longer than its payload, at most, in a group without padding:
/// spec/envelope.md §3, and the device's credential with its length.
pub const SEALMQ_OVERHEAD: usize = 667;
const _: () = assert!(SEALMQ_OVERHEAD == 153 + 2 + OBJECT);

/// Opens the device that is in flash, or begins a new one. The board's structure is copied; its
/// callbacks and `context` have to stay. After `SEALMQ_ERROR_STORE` of any call this is the way on. There
/// is nothing to be freed.
///
/// Errors: `SEALMQ_ERROR_NULL` (`device`, `board`, a callback), `SEALMQ_ERROR_ARGUMENT` (not aligned),
/// `SEALMQ_ERROR_STORE` (flash failed, does not fit, or holds what another version or key wrote),
/// `SEALMQ_ERROR_IN_USE`.
///
/// # Safety
/// `device` points to a place that was zero when it was handed over first; `board` to a board whose
/// pointers are as documented.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_device_open(
    device: *mut sealmq_device,
    board: *const sealmq_board,
) -> sealmq_status {
    let make = |place: *mut Machine| {
        // SAFETY: as the caller promises.
        let board = unsafe { structure(board, "board") }?;
        // SAFETY: `create` hands out a place for a machine.
        unsafe { Machine::make(place, board) }
    };
    // SAFETY: as the caller promises.
    unsafe { create(device, make) }
}

/// Writes to `*is_member` whether the device is a member. If not: [`sealmq_device_join`].
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `device` is an open device; `is_member` points to a place for a `bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_device_is_member(
    device: *mut sealmq_device,
    is_member: *mut bool,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises.
        let place = unsafe { Place::new(is_member, "is_member") }?;
        place.put(machine.device.is_some());
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(device, work) }
}

/// Joins by a token, the text `sealmq:join/…`, under a name of 1 to 64 letters, digits, `.`, `_`, `-`.
/// Both are copied. Call it after each start, as long as the device is no member: the request stays the
/// same. A member stays what it is.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (no token, one of suite 2, or not for this name),
/// `SEALMQ_ERROR_RANDOM`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `device` is an open device; `token` and `name` are zero-terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_device_join(
    device: *mut sealmq_device,
    token: *const c_char,
    name: *const c_char,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises; so is the other.
        let token = unsafe { text(token, "token") }?;
        // SAFETY: as above.
        let name = unsafe { text(name, "name") }?;
        machine.join(token, name)
    };
    // SAFETY: as above.
    unsafe { enter(device, work) }
}

/// A connection began: ask for filters, subscribe them, then your own.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `device` is an open device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_device_connected(device: *mut sealmq_device) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.subscribed = 0;
        match &mut machine.device {
            Some(device) => device.connected(),
            None => machine.asking.connected(),
        }
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(device, work) }
}

/// Takes a PUBLISH: `payload_len` bytes at `payload`, which are **opened in place**, and the RETAIN flag
/// as the broker set it. Keys and messages alike come in here. A message for the application is written
/// to `*delivery`; its payload stays where it was opened. It is stored as seen before this returns, so
/// that no power cut lets it come again. Then ask for filters and packets.
///
/// Errors: `SEALMQ_ERROR_REJECTED` (not authentic, replayed, too old: throw it away; what is bad on a topic
/// of key management is no error, and changes nothing), `SEALMQ_ERROR_NO_KEYS` (a key or the sender's
/// credential is missing, and asked for; the envelope is as it was: offer it again, or let the broker
/// deliver it again), `SEALMQ_ERROR_JOIN` (the authority does not take the device), `SEALMQ_ERROR_NULL`,
/// `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8, a length), `SEALMQ_ERROR_STORE` (open the device
/// again), `SEALMQ_ERROR_MEMBER`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `device` is an open device; `topic` a zero-terminated string; `payload_len` bytes may be read and
/// written at `payload`; `delivery` points to a place for the result. None of them lies in another.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_device_received(
    device: *mut sealmq_device,
    topic: *const c_char,
    payload: *mut u8,
    payload_len: usize,
    retained: bool,
    delivery: *mut sealmq_delivery,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises; so are the others.
        let place = unsafe { Place::new(delivery, "delivery") }?;
        place.put(sealmq_delivery::NONE);
        // SAFETY: as above.
        let topic = unsafe { text(topic, "topic") }?;
        // SAFETY: as above; for its checks only.
        unsafe { array(payload.cast_const(), payload_len, "payload") }?;
        let payload: &mut [u8] = match payload_len {
            0 => &mut [],
            // SAFETY: as above, and nobody else has it.
            len => unsafe { core::slice::from_raw_parts_mut(payload, len) },
        };
        if machine.device.is_none() {
            return machine.receive_joining(topic, payload);
        }
        if let Some(opened) = machine.receive(topic, payload, retained)? {
            place.put(opened);
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(device, work) }
}

/// Time has passed: call it about once a second, then ask for filters and packets.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_RANDOM` (what needs it waits), `SEALMQ_ERROR_STORE` (open the
/// device again), `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `device` is an open device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_device_tick(device: *mut sealmq_device) -> sealmq_status {
    let work = |machine: &mut Machine| {
        let (clock, mut random) = (machine.board.clock(), machine.board.random());
        let Some(device) = &mut machine.device else {
            machine.asking.tick(clock);
            return Ok(());
        };
        let maintained = device.maintain(clock, &mut random);
        machine.save()?;
        maintained.map_err(of_seal)
    };
    // SAFETY: as the caller promises.
    unsafe { enter(device, work) }
}

/// Seals a message in the `capacity` bytes at `buffer`, and writes to `*envelope` and `*envelope_len`
/// where the envelope stands in it: publish that on the message's topic, with its RETAIN flag, and nothing
/// else. The payload's length, [`SEALMQ_OVERHEAD`] and what the properties take are enough, in a group
/// without padding. If `capacity` is too small, `*envelope_len` says what is needed, and nothing was used
/// up. What the envelope rests on is stored when this returns.
///
/// Errors: `SEALMQ_ERROR_NO_KEYS` (none yet, or expired; also until the group's topics are known),
/// `SEALMQ_ERROR_NOT_ALLOWED` (no grant, or removed), `SEALMQ_ERROR_BUFFER`, `SEALMQ_ERROR_NULL`,
/// `SEALMQ_ERROR_ARGUMENT` (the topic, properties, a length, payload and buffer overlap),
/// `SEALMQ_ERROR_RANDOM`, `SEALMQ_ERROR_STORE` (open the device again), `SEALMQ_ERROR_MEMBER`,
/// `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`. Nothing may be sent instead.
///
/// # Safety
/// `device` is an open device; `message` points to a message whose pointers are as documented; `capacity`
/// bytes may be written at `buffer`; `envelope` and `envelope_len` point to places for results. None of
/// them lies in another.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_device_seal(
    device: *mut sealmq_device,
    message: *const sealmq_device_message,
    buffer: *mut u8,
    capacity: usize,
    envelope: *mut *const u8,
    envelope_len: *mut usize,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises; so are the others.
        let place = unsafe { Place::new(envelope, "envelope") }?;
        // SAFETY: as above.
        let place_len = unsafe { Place::new(envelope_len, "envelope_len") }?;
        place.put(ptr::null());
        place_len.put(0);
        // SAFETY: as above.
        let given = unsafe { structure(message, "message") }?;
        let mut room = [0; SEALMQ_PROPERTIES_SIZE];
        // SAFETY: as above.
        let message = unsafe { sealing(given, &mut room) }?;
        // SAFETY: as above.
        let payload = unsafe { array(given.payload, given.payload_len, "payload") }?;
        // SAFETY: as above; for its checks only.
        let all = unsafe { array(buffer.cast_const(), capacity, "buffer") }?.as_ptr_range();
        let inside = payload.as_ptr_range();
        if !payload.is_empty() && inside.start < all.end && all.start < inside.end {
            return Err(Wrong::argument("buffer", "holds the payload").status);
        }
        let buffer: &mut [u8] = match capacity {
            0 => &mut [],
            // SAFETY: as above, and nobody else has it.
            len => unsafe { core::slice::from_raw_parts_mut(buffer, len) },
        };
        match machine.seal(&message, payload, buffer) {
            Ok(sealed) => {
                place.put(sealed.as_ptr());
                place_len.put(sealed.len());
                Ok(())
            }
            Err((status, needed)) => {
                place_len.put(needed);
                Err(status)
            }
        }
    };
    // SAFETY: as above.
    unsafe { enter(device, work) }
}

impl Machine {
    fn receive(
        &mut self,
        topic: &str,
        payload: &mut [u8],
        retained: bool,
    ) -> Result<Option<sealmq_delivery>, sealmq_status> {
        let clock = self.board.clock();
        let device = self.member()?;
        if device.is_reserved(topic) {
            // What is bad changes nothing; what is missing is asked for.
            let _event = device.handle(topic, payload, clock);
            self.save()?;
            return Ok(None);
        }
        let mut opened = match device.open(topic, retained, clock, payload) {
            Ok(opened) => sealmq_delivery::of(&opened),
            Err(rejection) if rejection.may_wait() => return Err(SEALMQ_ERROR_NO_KEYS),
            Err(_) => return Err(SEALMQ_ERROR_REJECTED),
        };
        self.save()?;
        let sender = MemberNumber(opened.sender);
        opened.name_sender(self.member()?.sender_name(sender));
        Ok(Some(opened))
    }

    /// Where the envelope stands; or why there is none, and how many bytes are needed.
    fn seal<'b>(
        &mut self,
        message: &Sealing<'_>,
        payload: &[u8],
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], (sealmq_status, usize)> {
        let why = |(refused, needed)| match needed {
            0 => (of_seal(refused), 0),
            needed => (SEALMQ_ERROR_BUFFER, needed),
        };
        self.member().map_err(|status| (status, 0))?;
        self.prepare(message).map_err(|status| (status, 0))?;
        let sealed = match self.seal_once(message, payload, buffer) {
            // The session has ended with the message before: a new one begins.
            Err((SealRefused::NotPrepared, 0)) => {
                self.prepare(message).map_err(|status| (status, 0))?;
                self.seal_once(message, payload, buffer)
            }
            sealed => sealed,
        };
        Ok(buffer.get(sealed.map_err(why)?).unwrap_or_default())
    }

    /// A session, stored.
    fn prepare(&mut self, message: &Sealing<'_>) -> Result<(), sealmq_status> {
        let (clock, mut random) = (self.board.clock(), self.board.random());
        let prepared = self.member()?.prepare(message, clock, &mut random);
        self.save()?;
        prepared.map_err(of_seal)
    }

    /// With the session that there is. Why not; bytes that are needed, if the buffer is too small.
    fn seal_once(
        &mut self,
        message: &Sealing<'_>,
        payload: &[u8],
        buffer: &mut [u8],
    ) -> Result<Range<usize>, (SealRefused, usize)> {
        let clock = self.board.clock();
        let refused = |error| (error, 0);
        let device = self.device.as_mut().ok_or((SealRefused::NoGroup, 0))?;
        let room = device
            .room(message, payload.len(), clock)
            .map_err(refused)?;
        let body = room.headroom..room.headroom.saturating_add(payload.len());
        let whole = body.end.saturating_add(room.tailroom);
        let buffer = buffer.get_mut(..whole);
        let buffer = buffer.ok_or((SealRefused::NotPrepared, whole))?;
        if let Some(body) = buffer.get_mut(body.clone()) {
            body.copy_from_slice(payload);
        }
        device.seal(message, clock, buffer, body).map_err(refused)
    }
}
