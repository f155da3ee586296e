//! A device becomes a member.

use core::ffi::c_char;
use std::sync::Mutex;

use sealmq_client::{JoinError, JoinOutput, Joining};
use sealmq_keys::member::{JoinOptions, JoinWay, MemberError};
use sealmq_keys::objects::Token;

use crate::arguments::{Place, array, optional_text, structure, text};
use crate::handle::{Handle, create, enter, free, run};
use crate::held::Held;
use crate::output::sealmq_kind::*;
use crate::output::sealmq_output;
use crate::platform::{Platform, platform, sealmq_platform};
use crate::status::sealmq_status::{self, *};
use crate::status::{Failure, put_text};
use crate::store::{Callbacks, sealmq_store};

/// One-time keys in a request when nothing is said: one is used up per group.
const USUAL_PACKAGES: u32 = 8;
/// Bytes that hold the address of every broker in a token, its zero byte included.
pub const SEALMQ_BROKER_SIZE: usize = 256;

/// How a device joins. All is copied, but for the contexts of callbacks, which have to live as long
/// as the handle.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_join_options {
    /// Where the member's state will be. Must be there.
    pub store: *const sealmq_store,
    /// Time and randomness; null: the operating system's.
    pub platform: *const sealmq_platform,
    /// The name that the device wants: 1 to 64 letters, digits, `.`, `_`, `-`.
    pub name: *const c_char,
    /// The token: the text `sealmq:join/…`. Or null: an operator decides, who compares a fingerprint.
    pub token: *const c_char,
    /// Without a token: the domain's root key, 32 bytes, that came on a way that its owner trusts.
    pub root_key: *const u8,
    /// Without a token: prefix of the reserved topics; null: the usual one of that root.
    pub prefix: *const c_char,
    /// Without a token: the serial of the root's newest delegation, if it is known. Older ones are
    /// refused.
    pub serial: u32,
    /// One-time keys in the request, at most 64; 0: 8. One is used up per group.
    pub packages: u32,
}

/// A device on its way into a domain. Made by [`sealmq_joining_begin`].
pub struct sealmq_joining(Mutex<Machine>);

pub(crate) struct Machine {
    joining: Joining,
    platform: Platform,
    store: Callbacks,
    held: Held,
    over: bool,
}

impl Handle for sealmq_joining {
    type Inner = Machine;

    fn new(inner: Mutex<Machine>) -> Self {
        Self(inner)
    }

    fn inner(&self) -> &Mutex<Machine> {
        &self.0
    }
}

impl Machine {
    fn running(&self) -> Result<(), Failure> {
        match self.over {
            true => Err(Failure::new(
                SEALMQ_ERROR_ENDED,
                "the joining has ended: free it",
            )),
            false => Ok(()),
        }
    }

    fn checked<T>(&mut self, result: Result<T, JoinError>) -> Result<T, Failure> {
        result.map_err(|error| {
            self.over = true;
            match error {
                JoinError::Member(error) => error.into(),
                error => Failure::new(SEALMQ_ERROR_JOIN, error),
            }
        })
    }

    fn poll(&mut self) -> Result<sealmq_output, Failure> {
        self.running()?;
        self.held = Held::default();
        let mut shown = sealmq_output::new(SEALMQ_NOTHING);
        while let Some(output) = self.joining.poll_output() {
            let held = &mut self.held;
            shown.kind = match output {
                JoinOutput::Commit(changes) => {
                    if let Err(error) = self.store.commit(&changes) {
                        self.over = true;
                        return Err(error.into());
                    }
                    self.joining.committed();
                    continue;
                }
                JoinOutput::Subscribe(filters) => {
                    held.filters(filters, &mut shown);
                    SEALMQ_SUBSCRIBE
                }
                JoinOutput::Publish(wire) => {
                    held.wire(wire, &mut shown);
                    SEALMQ_PUBLISH
                }
                JoinOutput::Waiting(device) => {
                    shown.text = held.text(&device.to_string());
                    SEALMQ_WAITING
                }
                // The answer to an earlier request of this device is still at the broker.
                JoinOutput::Ignored {
                    error: MemberError::OtherDevice,
                    ..
                } => continue,
                JoinOutput::Ignored { topic, error } => {
                    shown.status = SEALMQ_ERROR_REJECTED;
                    shown.topic = held.text(&topic);
                    shown.text = held.text(&error.to_string());
                    SEALMQ_REJECTED
                }
                JoinOutput::Joined(joined) => {
                    self.over = true;
                    shown.id = joined.enrolled.number.0.into();
                    shown.text = held.text(&joined.enrolled.name);
                    SEALMQ_JOINED
                }
            };
            break;
        }
        Ok(shown)
    }
}

/// Begins to join, or goes on with what the store has of an earlier attempt: the request stays the
/// same when connections break, and when the program starts again. A device that has joined with
/// these options says so at once. Writes the handle to `*joining`, to be freed by
/// [`sealmq_joining_free`]; null, if it fails.
///
/// Errors: `SEALMQ_ERROR_NULL` (`options`, its `store`, `name`, or neither `token` nor `root_key`;
/// `joining`), `SEALMQ_ERROR_ARGUMENT` (the name, a token that is none or not for this name, the root
/// key, the prefix, `packages`), `SEALMQ_ERROR_MEMBER` (the store belongs to another member or domain),
/// `SEALMQ_ERROR_STORE`, `SEALMQ_ERROR_RANDOM`.
///
/// # Safety
/// `options` points to options whose pointers are as documented; `joining` to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_joining_begin(
    options: *const sealmq_join_options,
    joining: *mut *mut sealmq_joining,
) -> sealmq_status {
    run(|| {
        // SAFETY: as the caller promises; so are the others.
        let place = unsafe { Place::new(joining, "joining") }?;
        place.put(core::ptr::null_mut());
        // SAFETY: as above.
        let given = unsafe { structure(options, "options") }?;
        // SAFETY: as above.
        let store = unsafe { Callbacks::new(given.store) }?;
        // SAFETY: as above.
        let platform = unsafe { platform(given.platform) }?;
        // SAFETY: as above.
        let name = unsafe { text(given.name, "name") }?;
        let options = JoinOptions {
            name: name.to_owned(),
            // SAFETY: as above.
            way: unsafe { way(given) }?,
            packages: match given.packages {
                0 => USUAL_PACKAGES,
                packages => packages,
            },
            extensions: Vec::new(),
        };
        let joining = Joining::begin(&store.load()?, options, &mut platform.random())?;
        create(
            &place,
            Machine {
                joining,
                platform,
                store,
                held: Held::default(),
                over: false,
            },
        );
        Ok(())
    })
}

/// # Safety
/// The structure's pointers are as its documentation says.
unsafe fn way(given: &sealmq_join_options) -> Result<JoinWay, Failure> {
    // SAFETY: as the caller promises; so are the others.
    let token = unsafe { optional_text(given.token, "token") }?;
    if let Some(token) = token {
        let token = Token::parse(token.trim());
        let token = token.map_err(|error| Failure::argument("token", error))?;
        return Ok(JoinWay::Token(token.into()));
    }
    // SAFETY: as above.
    let prefix = unsafe { optional_text(given.prefix, "prefix") }?;
    // SAFETY: as above.
    let root_key = unsafe { structure(given.root_key.cast::<[u8; 32]>(), "root_key") }?;
    Ok(JoinWay::Root {
        root_key: *root_key,
        prefix: prefix.map(str::to_owned),
        suite: None,
        serial: given.serial,
    })
}

/// Frees a joining, and sets `*joining` to null; null already is no error.
///
/// Errors: `SEALMQ_ERROR_IN_USE` (it is in a call; nothing was freed).
///
/// # Safety
/// `joining` is null, or holds null or a handle that [`sealmq_joining_begin`] gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_joining_free(joining: *mut *mut sealmq_joining) -> sealmq_status {
    // SAFETY: as the caller promises.
    unsafe { free(joining) }
}

/// Writes the next thing to do to `*output`, as [`sealmq_client_poll`](crate::sealmq_client_poll):
/// `SEALMQ_SUBSCRIBE` and `SEALMQ_PUBLISH`, which need no `written` here, `SEALMQ_WAITING`,
/// `SEALMQ_REJECTED` (what came there was refused; it goes on), `SEALMQ_JOINED`, `SEALMQ_NOTHING`.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_STORE` (a commit failed: free it), `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `joining` is a handle; `output` points to a place for an output.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_joining_poll(
    joining: *mut sealmq_joining,
    output: *mut sealmq_output,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises.
        let place = unsafe { Place::new(output, "output") }?;
        place.put(machine.poll()?);
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(joining, work) }
}

/// The broker accepted a connection; poll.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `joining` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_joining_connack(joining: *mut sealmq_joining) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        machine.joining.handle_connected();
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(joining, work) }
}

/// The connection broke. Connect again, after a pause of a second or more.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `joining` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_joining_disconnected(
    joining: *mut sealmq_joining,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        machine.joining.handle_disconnected();
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(joining, work) }
}

/// SUBACK: one of `count` bytes at `codes` for each filter, from 0x80 on a refusal.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_JOIN` (the broker does not let this client have what the
/// authority answers on: it has ended), `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `joining` is a handle; `count` bytes stand at `codes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_joining_suback(
    joining: *mut sealmq_joining,
    codes: *const u8,
    count: usize,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        // SAFETY: as the caller promises.
        let codes = unsafe { array(codes, count, "codes") }?;
        let granted = codes.iter().all(|code| *code < 0x80);
        let result = machine.joining.handle_subscribed(granted);
        machine.checked(result)
    };
    // SAFETY: as above.
    unsafe { enter(joining, work) }
}

/// PUBLISH from the broker: `topic`, and `payload_len` bytes at `payload`, which are copied as far as
/// they are needed. Then poll.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8), `SEALMQ_ERROR_JOIN`
/// (the authority does not take the device; it has ended), `SEALMQ_ERROR_MEMBER`,
/// `SEALMQ_ERROR_RANDOM`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `joining` is a handle; `topic` is a zero-terminated string; `payload_len` bytes stand at `payload`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_joining_received(
    joining: *mut sealmq_joining,
    topic: *const c_char,
    payload: *const u8,
    payload_len: usize,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        // SAFETY: as the caller promises; so are the others.
        let topic = unsafe { text(topic, "topic") }?;
        // SAFETY: as above.
        let payload = unsafe { array(payload, payload_len, "payload") }?;
        let (time, mut random) = (machine.platform.time(), machine.platform.random());
        let joining = &mut machine.joining;
        let result = joining.handle_publish(topic, payload, time, &mut random);
        machine.checked(result)
    };
    // SAFETY: as above.
    unsafe { enter(joining, work) }
}

/// Time has passed: call it when [`sealmq_joining_timeout`] says so, then poll.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `joining` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_joining_tick(joining: *mut sealmq_joining) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        let time = machine.platform.time();
        machine.joining.handle_timeout(time);
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(joining, work) }
}

/// Writes to `*milliseconds` how long to wait for packets until the next [`sealmq_joining_tick`];
/// `UINT64_MAX`: as long as it takes.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `joining` is a handle; `milliseconds` points to a place for the number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_joining_timeout(
    joining: *mut sealmq_joining,
    milliseconds: *mut u64,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises.
        let place = unsafe { Place::new(milliseconds, "milliseconds") }?;
        machine.running()?;
        let now = machine.platform.time().uptime;
        let at = machine.joining.poll_timeout();
        place.put(at.map_or(u64::MAX, |at| at.saturating_sub(now)));
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(joining, work) }
}

/// Writes where a token says that the broker is, `mqtt://host:port`, `mqtts://host:port`, or an empty
/// text, zero-terminated, to the `capacity` bytes at `broker`; [`SEALMQ_BROKER_SIZE`] bytes are always
/// enough.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (no token), `SEALMQ_ERROR_BUFFER`.
///
/// # Safety
/// `token` is a zero-terminated string; `capacity` bytes may be written at `broker`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_token_broker(
    token: *const c_char,
    broker: *mut c_char,
    capacity: usize,
) -> sealmq_status {
    run(|| {
        // SAFETY: as the caller promises; so are the others.
        let token = unsafe { text(token, "token") }?;
        if broker.is_null() {
            return Err(Failure::null("broker"));
        }
        let token = Token::parse(token.trim());
        let token = token.map_err(|error| Failure::argument("token", error))?;
        // SAFETY: as above.
        unsafe { put_text(broker, capacity, &token.broker) }
    })
}
