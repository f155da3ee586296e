//! The application's calls.

use core::ffi::c_char;

use ::sealmq_client::{Client, Draft, Subscription, check_filter};
use bytes::Bytes;
use sealmq_keys::Store as _;
use sealmq_keys::member::Member;

use super::machine::{Machine, sealmq_client};
use super::options::{options, sealmq_options};
use crate::arguments::{Place, array, structure, text};
use crate::handle::{create, enter, free, run};
use crate::message::{properties, qos, sealmq_outgoing};
use crate::output::sealmq_output;
use crate::platform::platform;
use crate::status::Failure;
use crate::status::sealmq_status;
use crate::store::Callbacks;

/// Bytes that hold every name of a member, its zero byte included.
pub const SEALMQ_NAME_SIZE: usize = 65;

/// Opens a client over a store that holds a member (one that joined). Writes the handle to `*client`,
/// to be freed by [`sealmq_client_free`]; null, if it fails.
///
/// Errors: `SEALMQ_ERROR_NULL` (`options`, its `store` or callbacks, `client`), `SEALMQ_ERROR_ARGUMENT`
/// (a filter, the Will), `SEALMQ_ERROR_MEMBER` (no member in the store), `SEALMQ_ERROR_STORE`.
///
/// # Safety
/// `options` points to options whose pointers are as documented; `client` to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_open(
    options: *const sealmq_options,
    client: *mut *mut sealmq_client,
) -> sealmq_status {
    run(|| {
        // SAFETY: as the caller promises; so are the others.
        let place = unsafe { Place::new(client, "client") }?;
        place.put(core::ptr::null_mut());
        // SAFETY: as above.
        let given = unsafe { structure(options, "options") }?;
        // SAFETY: as above.
        let store = unsafe { Callbacks::new(given.store) }?;
        // SAFETY: as above.
        let platform = unsafe { platform(given.platform) }?;
        // SAFETY: as above.
        let options = unsafe { self::options(given) }?;
        let mut loaded = store.load()?;
        if let Some(changes) = Member::migration(&loaded)? {
            loaded.commit(&changes)?;
        }
        let machine = Client::open(&loaded, &options)?;
        create(&place, Machine::new(machine, platform, store));
        Ok(())
    })
}

/// Frees a client, and sets `*client` to null; null already is no error. What was not sent is lost,
/// unless the outbox is persistent: [`sealmq_client_close`] first, and poll until `SEALMQ_CLOSED`.
///
/// Errors: `SEALMQ_ERROR_IN_USE` (the client is in a call; nothing was freed).
///
/// # Safety
/// `client` is null, or holds null or a handle that [`sealmq_client_open`] gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_free(client: *mut *mut sealmq_client) -> sealmq_status {
    // SAFETY: as the caller promises.
    unsafe { free(client) }
}

/// Writes the next thing to do to `*output`; call it until it says `SEALMQ_NOTHING`, after every other
/// call. What has to be durable was committed when it returns. Pointers in `*output` are valid until
/// the next call with this client. A message counts as taken with the next poll: only then it is
/// acknowledged.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ORDER` (the packet before was not reported as written),
/// `SEALMQ_ERROR_STORE` (a commit failed: the client has ended), `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `client` is a handle; `output` points to a place for an output.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_poll(
    client: *mut sealmq_client,
    output: *mut sealmq_output,
) -> sealmq_status {
    // SAFETY: as the caller promises.
    let work = |machine: &mut Machine| {
        // SAFETY: as above.
        let place = unsafe { Place::new(output, "output") }?;
        place.put(machine.poll()?);
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// Time has passed: call it when [`sealmq_client_timeout`] says so, then poll.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `client` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_tick(client: *mut sealmq_client) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        let (time, mut random) = (machine.platform.time(), machine.platform.random());
        machine.client.handle_timeout(time, &mut random);
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(client, work) }
}

/// Writes to `*milliseconds` how long the program may wait for packets until the next
/// [`sealmq_client_tick`]; 0: tick now. Ask after each round of polls.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `client` is a handle; `milliseconds` points to a place for the number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_timeout(
    client: *mut sealmq_client,
    milliseconds: *mut u64,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises.
        let place = unsafe { Place::new(milliseconds, "milliseconds") }?;
        machine.running()?;
        let at = machine.client.poll_timeout().unwrap_or(u64::MAX);
        place.put(at.saturating_sub(machine.platform.time().uptime));
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// Hands a message over, to be sealed and sent. Its topic, payload and properties are copied. Polls
/// say `SEALMQ_ACCEPTED` or `SEALMQ_REFUSED`, and of an accepted one later `SEALMQ_DONE` or
/// `SEALMQ_GIVEN_UP`, with the number that is written to `*id`. `id` may be null. It may be called
/// without a connection: the message then waits.
///
/// Errors: `SEALMQ_ERROR_NULL` (`message`, its `topic`, its `payload` with a length),
/// `SEALMQ_ERROR_ARGUMENT` (a topic with wildcards, no UTF-8, the quality of service),
/// `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `client` is a handle; `message` points to a message whose pointers are as documented.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_publish(
    client: *mut sealmq_client,
    message: *const sealmq_outgoing,
    id: *mut u64,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises; so are the others.
        let place = unsafe { Place::optional(id, "id") }?;
        machine.running()?;
        // SAFETY: as above.
        let draft = unsafe { draft(message) }?;
        let id = machine.client.publish(draft, machine.platform.time());
        if let Some(place) = place {
            place.put(id.number());
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// Whether a message could be sealed with the keys that are there now. Nothing is sent or used up.
///
/// Errors: those of [`sealmq_client_publish`]; `SEALMQ_ERROR_NO_KEYS`, `SEALMQ_ERROR_NOT_ALLOWED`.
///
/// # Safety
/// As [`sealmq_client_publish`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_check(
    client: *mut sealmq_client,
    message: *const sealmq_outgoing,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        // SAFETY: as the caller promises.
        let draft = unsafe { draft(message) }?;
        let checked = machine.client.check(&draft, machine.platform.time());
        checked.map_err(|error| Failure::new((&error).into(), &error))
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// Subscribes to a filter with at most this quality of service, now and on each connection to come.
/// Polls say what the broker answered. Topics of key management are subscribed by themselves.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (the filter, the quality of service),
/// `SEALMQ_ERROR_NOT_ALLOWED` (a filter of key management), `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `client` is a handle; `filter` a zero-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_subscribe(
    client: *mut sealmq_client,
    filter: *const c_char,
    qos: u8,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        // SAFETY: as the caller promises.
        let filter = unsafe { checked_filter(machine, filter) }?;
        let wanted = Subscription::new(filter, self::qos(qos)?);
        machine.client.subscribe(vec![wanted]);
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// Ends a subscription.
///
/// Errors: those of [`sealmq_client_subscribe`].
///
/// # Safety
/// As [`sealmq_client_subscribe`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_unsubscribe(
    client: *mut sealmq_client,
    filter: *const c_char,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        // SAFETY: as the caller promises.
        let filter = unsafe { checked_filter(machine, filter) }?;
        machine.client.unsubscribe(filter);
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// Polls say `SEALMQ_FLUSHED`, with the number that is written to `*id`, when everything that was
/// published so far is done or given up. `id` may be null.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `client` is a handle; `id` is null or points to a place for the number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_flush(
    client: *mut sealmq_client,
    id: *mut u64,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises.
        let place = unsafe { Place::optional(id, "id") }?;
        machine.running()?;
        let flush = machine.client.flush();
        if let Some(place) = place {
            place.put(flush.number());
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// The application has enough, and the last message. Poll on until `SEALMQ_CLOSED`. What is not acknowledged then is
/// dropped: [`sealmq_client_flush`] first.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `client` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_close(client: *mut sealmq_client) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        machine.take();
        machine.client.disconnect(machine.platform.time());
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(client, work) }
}

/// Writes to `*outstanding` how many messages are neither done nor given up.
///
/// Errors: `SEALMQ_ERROR_NULL`.
///
/// # Safety
/// `client` is a handle; `outstanding` points to a place for the number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_outstanding(
    client: *mut sealmq_client,
    outstanding: *mut usize,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises.
        let place = unsafe { Place::new(outstanding, "outstanding") }?;
        place.put(machine.client.outstanding());
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// Writes this member's number to `*number`, and its name, zero-terminated, to the `capacity` bytes
/// at `name`; [`SEALMQ_NAME_SIZE`] bytes are always enough. Both may be null.
///
/// Errors: `SEALMQ_ERROR_NULL` (`client`), `SEALMQ_ERROR_BUFFER` (nothing was written).
///
/// # Safety
/// `client` is a handle; `number` is null or points to a place for it; `capacity` bytes may be
/// written at `name`, or it is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_identity(
    client: *mut sealmq_client,
    number: *mut u32,
    name: *mut c_char,
    capacity: usize,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises; so are the others.
        let place = unsafe { Place::optional(number, "number") }?;
        let member = machine.client.member();
        // SAFETY: as above.
        unsafe { crate::status::put_text(name, capacity, member.name()) }?;
        if let Some(place) = place {
            place.put(member.number().0);
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// # Safety
/// `filter` is null or a zero-terminated string.
unsafe fn checked_filter(machine: &Machine, filter: *const c_char) -> Result<String, Failure> {
    // SAFETY: as the caller promises.
    let filter = unsafe { text(filter, "filter") }?;
    let checked = check_filter(machine.client.member().prefix(), filter);
    checked.map_err(|error| Failure::new((&error).into(), format_args!("`filter`: {error}")))?;
    Ok(filter.to_owned())
}

/// # Safety
/// `message` is null, or its pointers are as documented.
unsafe fn draft(message: *const sealmq_outgoing) -> Result<Draft, Failure> {
    // SAFETY: as the caller promises; so are the others.
    let message = unsafe { structure(message, "message") }?;
    // SAFETY: as above.
    let topic = unsafe { text(message.topic, "topic") }?;
    // SAFETY: as above.
    let payload = unsafe { array(message.payload, message.payload_len, "payload") }?;
    let draft = Draft::new(topic.to_owned(), Bytes::copy_from_slice(payload));
    let mut draft = draft.map_err(|error| Failure::argument("topic", error))?;
    draft.qos = qos(message.qos)?;
    draft.retain = message.retain;
    // SAFETY: as above.
    draft.properties = unsafe { properties(message.properties) }?;
    Ok(draft)
}
