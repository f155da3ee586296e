//! The member alone, for programs with a loop of their own: it seals and opens, and says what to
//! subscribe and publish for its keys.

use core::ffi::c_char;
use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use sealmq_client::{Message, Wire};
use sealmq_keys::RELEASED_AT;
use sealmq_keys::Store as _;
use sealmq_keys::member::{Action, Delivery, Member, MemberOptions, OutgoingMessage};

use crate::arguments::{Place, array, structure, text};
use crate::handle::{Handle, create, enter, free, run};
use crate::held::Held;
use crate::message::{properties, sealmq_message, sealmq_outgoing};
use crate::notice::of_keys;
use crate::output::sealmq_kind::*;
use crate::output::sealmq_output;
use crate::platform::{Platform, platform, sealmq_platform};
use crate::status::Failure;
use crate::status::sealmq_status::{self, *};
use crate::store::{Callbacks, sealmq_store};

/// A member of a domain. Made by [`sealmq_member_open`].
pub struct sealmq_member(Mutex<Machine>);

pub(crate) struct Machine {
    member: Member,
    platform: Platform,
    store: Callbacks,
    actions: VecDeque<Action>,
    held: Held,
    over: bool,
}

impl Handle for sealmq_member {
    type Inner = Machine;

    fn new(inner: Mutex<Machine>) -> Self {
        Self(inner)
    }

    fn inner(&self) -> &Mutex<Machine> {
        &self.0
    }
}

impl Machine {
    fn running(&mut self) -> Result<(), Failure> {
        if self.over {
            return Err(Failure::new(
                SEALMQ_ERROR_ENDED,
                "the member has ended, because a commit failed: free it, and open it again",
            ));
        }
        self.held = Held::default();
        Ok(())
    }

    /// The member's time, without a clock its uptime.
    fn now(&mut self) -> Option<u64> {
        let time = self.platform.time();
        if self.member.clock(time.clock).is_none() {
            self.member.set_uptime(time.uptime);
        }
        time.clock
    }

    fn commit(&mut self, changes: &sealmq_keys::Changes) -> Result<(), Failure> {
        if changes.is_empty() {
            return Ok(());
        }
        self.store.commit(changes).map_err(|error| {
            // Memory is ahead of the store.
            self.over = true;
            self.actions.clear();
            error.into()
        })
    }

    /// Commits at once, in order; what is left is for polls.
    fn take(&mut self, actions: Vec<Action>) -> Result<(), Failure> {
        for action in actions {
            match action {
                Action::Commit(changes) => self.commit(&changes)?,
                action => self.actions.push_back(action),
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> sealmq_output {
        let mut shown = sealmq_output::new(SEALMQ_NOTHING);
        let Some(action) = self.actions.pop_front() else {
            return shown;
        };
        let held = &mut self.held;
        shown.kind = match action {
            Action::Subscribe(filter) => {
                let qos = sealmq_client::Qos::AtLeastOnce;
                let wanted = sealmq_client::Subscription::new(filter, qos);
                held.filters(vec![wanted], &mut shown);
                SEALMQ_SUBSCRIBE
            }
            Action::Unsubscribe(filter) => {
                shown.topic = held.text(&filter);
                SEALMQ_UNSUBSCRIBE
            }
            Action::Publish(publication) => {
                held.wire(Wire::from(publication), &mut shown);
                SEALMQ_PUBLISH
            }
            Action::Message(ticket, received) => {
                held.message(Message::from(*received));
                (shown.id, shown.message) = (ticket, held.shown());
                SEALMQ_MESSAGE
            }
            Action::Rejected(ticket, topic, reason) => {
                (shown.id, shown.status) = (ticket, SEALMQ_ERROR_REJECTED);
                shown.topic = held.text(&topic);
                shown.text = held.text(&reason.to_string());
                SEALMQ_REJECTED
            }
            Action::Event(event) => {
                let (notice, text) = of_keys(&event);
                (shown.notice, shown.text) = (notice, held.text(&text));
                SEALMQ_NOTICE
            }
            _ => SEALMQ_NOTHING, // commits were carried out
        };
        shown
    }
}

/// Opens the member in a store, without a client around it. `platform` may be null. Writes the handle
/// to `*member`, to be freed by [`sealmq_member_free`]; null, if it fails.
///
/// What a client does besides is yours then: to subscribe again after each connect
/// ([`sealmq_member_connected`] says what), to wait for keys before sending, to send again, to seal
/// retained values again after a removal, the Will.
///
/// Errors: `SEALMQ_ERROR_NULL` (`store` or its callbacks, `member`), `SEALMQ_ERROR_MEMBER`,
/// `SEALMQ_ERROR_STORE`.
///
/// # Safety
/// `store` points to a store, `platform` to a platform or is null, both as documented; `member` points
/// to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_member_open(
    store: *const sealmq_store,
    platform: *const sealmq_platform,
    member: *mut *mut sealmq_member,
) -> sealmq_status {
    run(|| {
        // SAFETY: as the caller promises; so are the others.
        let place = unsafe { Place::new(member, "member") }?;
        place.put(core::ptr::null_mut());
        // SAFETY: as above.
        let store = unsafe { Callbacks::new(store) }?;
        // SAFETY: as above.
        let platform = unsafe { self::platform(platform) }?;
        let mut loaded = store.load()?;
        if let Some(changes) = Member::migration(&loaded)? {
            loaded.commit(&changes)?;
        }
        let options = MemberOptions {
            clock_floor: RELEASED_AT,
            ..MemberOptions::default()
        };
        let machine = Machine {
            member: Member::load(&loaded, options)?,
            platform,
            store,
            actions: VecDeque::new(),
            held: Held::default(),
            over: false,
        };
        create(&place, machine);
        Ok(())
    })
}

/// Stores what was seen and not stored yet, frees a member, and sets `*member` to null; null already
/// is no error.
///
/// Errors: `SEALMQ_ERROR_IN_USE` (it is in a call; nothing was freed), `SEALMQ_ERROR_STORE` (freed all
/// the same: messages that were opened last could be replayed once).
///
/// # Safety
/// `member` is null, or holds null or a handle that [`sealmq_member_open`] gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_member_free(member: *mut *mut sealmq_member) -> sealmq_status {
    let flush = |machine: &mut Machine| {
        if machine.over {
            return Ok(());
        }
        let changes = machine.member.flush();
        machine.commit(&changes)
    };
    if member.is_null() {
        return SEALMQ_OK;
    }
    // SAFETY: not null, and of this type, as the caller promises.
    let handle = unsafe { *member };
    if handle.is_null() {
        return SEALMQ_OK;
    }
    // SAFETY: as the caller promises.
    let flushed = unsafe { enter(handle, flush) };
    if flushed == SEALMQ_ERROR_IN_USE {
        return flushed;
    }
    // SAFETY: as above.
    match unsafe { free(member) } {
        SEALMQ_OK if flushed == SEALMQ_ERROR_STORE => flushed,
        freed => freed,
    }
}

/// Writes the next thing to do for the keys to `*output`: `SEALMQ_SUBSCRIBE`, `SEALMQ_UNSUBSCRIBE` and
/// `SEALMQ_PUBLISH` (QoS 1), which need no `written` here; `SEALMQ_MESSAGE` and `SEALMQ_REJECTED` for
/// what had to wait, with its ticket as `id`; `SEALMQ_NOTICE`; `SEALMQ_NOTHING`. Call it until then
/// after every other call.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `member` is a handle; `output` points to a place for an output.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_member_poll(
    member: *mut sealmq_member,
    output: *mut sealmq_output,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises.
        let place = unsafe { Place::new(output, "output") }?;
        machine.running()?;
        place.put(machine.poll());
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(member, work) }
}

/// A connection began: polls say first what to subscribe, before the application's own filters, so
/// that keys come before messages.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_STORE` (a commit failed: the member has ended),
/// `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `member` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_member_connected(member: *mut sealmq_member) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        for filter in machine.member.reserved_subscriptions() {
            machine.actions.push_back(Action::Subscribe(filter));
        }
        let actions = machine.member.connected();
        machine.take(actions)
    };
    // SAFETY: as the caller promises.
    unsafe { enter(member, work) }
}

/// Time has passed. Writes to `*next_ms` in how many milliseconds to call it again; after each other
/// call, half a second at most. `next_ms` may be null. Then poll.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_STORE` (a commit failed: the member has ended),
/// `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `member` is a handle; `next_ms` is null or points to a place for the number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_member_tick(
    member: *mut sealmq_member,
    next_ms: *mut u64,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises.
        let place = unsafe { Place::optional(next_ms, "next_ms") }?;
        machine.running()?;
        let now = machine.now();
        let actions = machine.member.tick(now);
        machine.take(actions)?;
        let mut random = machine.platform.random();
        let actions = machine.member.maintain(now, &mut random);
        machine.take(actions)?;
        if let Some(place) = place {
            place.put(machine.member.next_due());
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(member, work) }
}

/// Writes to `*reserved` whether a topic belongs to key management: what comes there goes to
/// [`sealmq_member_handle_reserved`], everything else to [`sealmq_member_unseal`].
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8),
/// `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `member` is a handle; `topic` a zero-terminated string; `reserved` points to a place for a `bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_member_is_reserved(
    member: *mut sealmq_member,
    topic: *const c_char,
    reserved: *mut bool,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises; so are the others.
        let place = unsafe { Place::new(reserved, "reserved") }?;
        // SAFETY: as above.
        let topic = unsafe { text(topic, "topic") }?;
        machine.running()?;
        place.put(machine.member.is_reserved(topic));
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(member, work) }
}

/// Takes what came on a topic of key management: `payload_len` bytes at `payload`. What it changes is
/// stored when this returns; what is bad changes nothing, and polls tell of it. Acknowledge it in any
/// case.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8),
/// `SEALMQ_ERROR_STORE` (a commit failed: the member has ended), `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `member` is a handle; `topic` a zero-terminated string; `payload_len` bytes stand at `payload`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_member_handle_reserved(
    member: *mut sealmq_member,
    topic: *const c_char,
    payload: *const u8,
    payload_len: usize,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises; so are the others.
        let topic = unsafe { text(topic, "topic") }?;
        // SAFETY: as above.
        let payload = unsafe { array(payload, payload_len, "payload") }?;
        machine.running()?;
        let now = machine.now();
        let actions = machine.member.handle_reserved(topic, payload, now);
        machine.take(actions)
    };
    // SAFETY: as above.
    unsafe { enter(member, work) }
}

/// Seals a message: publish `*envelope_len` bytes at `*envelope`, valid until the next call with this
/// member, on the message's topic, with its retain flag, and nothing else. What has to be durable is
/// stored when this returns. `is_will`: a Last Will, to be sealed for each CONNECT.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (the topic, properties, the payload's length),
/// `SEALMQ_ERROR_NO_KEYS`, `SEALMQ_ERROR_NOT_ALLOWED`, `SEALMQ_ERROR_RANDOM`: nothing was sealed, and
/// nothing may be sent instead. `SEALMQ_ERROR_STORE` (a commit failed: the member has ended),
/// `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `member` is a handle; `message` points to a message whose pointers are as documented; `envelope`
/// and `envelope_len` to places for the results.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_member_seal(
    member: *mut sealmq_member,
    message: *const sealmq_outgoing,
    is_will: bool,
    envelope: *mut *const u8,
    envelope_len: *mut usize,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises; so are the others.
        let place = unsafe { Place::new(envelope, "envelope") }?;
        // SAFETY: as above.
        let place_len = unsafe { Place::new(envelope_len, "envelope_len") }?;
        // SAFETY: as above.
        let given = unsafe { structure(message, "message") }?;
        // SAFETY: as above.
        let topic = unsafe { text(given.topic, "topic") }?;
        // SAFETY: as above.
        let payload = unsafe { array(given.payload, given.payload_len, "payload") }?;
        let mut outgoing = OutgoingMessage::new(topic, payload);
        (outgoing.retain, outgoing.will) = (given.retain, is_will);
        // SAFETY: as above.
        outgoing.properties = unsafe { properties(given.properties) }?;
        machine.running()?;
        let (now, mut random) = (machine.now(), machine.platform.random());
        let sealed = machine.member.seal(&outgoing, now, &mut random);
        let sealed = sealed.map_err(|error| Failure::new((&error).into(), &error))?;
        machine.commit(&sealed.changes)?;
        let (pointer, len) = machine.held.bytes(Bytes::from(sealed.payload));
        place.put(pointer);
        place_len.put(len);
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(member, work) }
}

/// Opens what came on one of the application's topics: `envelope_len` bytes at `envelope`, `retain` as
/// the broker delivered it. Writes the message to `*message`, whose pointers are valid until the next
/// call with this member. If the message waits for a key or its sender's credential, `*ticket` is not
/// 0, and a later poll brings the message with this number as `id`, or its rejection; `*message` is
/// all zero then, as it is after an error. Acknowledge it in any case.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8),
/// `SEALMQ_ERROR_REJECTED` (not authentic, replayed, …: throw it away), `SEALMQ_ERROR_STORE` (a commit
/// failed: the member has ended), `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `member` is a handle; `topic` a zero-terminated string; `envelope_len` bytes stand at `envelope`;
/// `message` and `ticket` point to places for the results.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_member_unseal(
    member: *mut sealmq_member,
    topic: *const c_char,
    envelope: *const u8,
    envelope_len: usize,
    retain: bool,
    message: *mut sealmq_message,
    ticket: *mut u64,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises; so are the others.
        let place = unsafe { Place::new(message, "message") }?;
        // SAFETY: as above.
        let place_ticket = unsafe { Place::new(ticket, "ticket") }?;
        place.put(sealmq_message::NONE);
        place_ticket.put(0);
        // SAFETY: as above.
        let topic = unsafe { text(topic, "topic") }?;
        // SAFETY: as above.
        let envelope = unsafe { array(envelope, envelope_len, "envelope") }?;
        machine.running()?;
        let now = machine.now();
        let (opened, actions) = machine.member.open(topic, envelope, retain, now);
        machine.take(actions)?;
        match opened {
            Delivery::Message(received) => {
                machine.held.message(Message::from(received));
                // SAFETY: `show` has just put it there.
                let shown = unsafe { structure(machine.held.shown(), "message") }?;
                place.put(*shown);
            }
            Delivery::Waiting(number) => place_ticket.put(number),
            Delivery::Rejected(reason) => {
                return Err(Failure::new(SEALMQ_ERROR_REJECTED, reason));
            }
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(member, work) }
}
