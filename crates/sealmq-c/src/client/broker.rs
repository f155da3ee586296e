//! What the broker did, and what the MQTT library wrote.

use core::ffi::c_char;

use ::sealmq_client::{Acknowledged, Ending, Incoming, Limits, Properties, Qos, ReasonCode};
use bytes::Bytes;

use super::machine::{Machine, Unwritten, sealmq_client};
use crate::arguments::{Place, array, optional_text, structure, text};
use crate::handle::enter;
use crate::message::qos;
use crate::status::Failure;
use crate::status::sealmq_status::{self, *};

/// Publishes on their way when nothing is said of a broker. One of MQTT 3.1.1 cannot say how many it
/// allows, and Mosquitto acknowledges and drops what is beyond 20.
const USUAL_INFLIGHT: u16 = 20;
/// From here on reason codes are errors.
const ERRORS: u8 = 0x80;

/// What a broker takes, as its CONNACK says (MQTT 5). All zero: everything, and 20 publishes on
/// their way at a time.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct sealmq_limits {
    /// Publishes of QoS 1 and 2 on their way at a time; also what the library is able to, if that is
    /// less. 0: 20.
    pub receive_maximum: u16,
    /// Most bytes of a packet; 0: no limit.
    pub maximum_packet_size: u32,
    /// It takes no QoS 2.
    pub no_qos2: bool,
    /// It takes neither QoS 1 nor 2. Keys cannot be carried then.
    pub no_qos1: bool,
    /// It keeps no retained messages. Keys cannot be carried then.
    pub no_retain: bool,
    /// It takes no filters with wildcards. Keys cannot be carried then.
    pub no_wildcards: bool,
    /// It takes no shared subscriptions.
    pub no_shared: bool,
}

/// How a connection ended.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum sealmq_ending {
    /// Not because of a message: it could not be made, timed out, or the broker went away for a
    /// reason of its own.
    SEALMQ_ENDING_UNRELATED = 0,
    /// It broke, or the broker closed it, without a word.
    SEALMQ_ENDING_SILENT = 1,
    /// The broker complained about a packet.
    SEALMQ_ENDING_COMPLAINT = 2,
    /// The broker says that another connection with this client id took its place.
    SEALMQ_ENDING_TAKEN_OVER = 3,
}

/// Asks for a connection: the next poll says `SEALMQ_CONNECT`. Call it once at the start, and after
/// each end when the pause that [`sealmq_client_disconnected`] told is over.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `client` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_connect(client: *mut sealmq_client) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        let (time, mut random) = (machine.platform.time(), machine.platform.random());
        machine.client.connect(time, &mut random);
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(client, work) }
}

/// CONNACK: the broker accepted. `session_present` as it says; **false** if the MQTT library cannot
/// send packets again under identifiers that you choose (`SEALMQ_RESUME_…`): what was on its way is
/// then sent as new, and with QoS 2 the session has to be a clean one. `limits` may be null.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `client` is a handle; `limits` is null or points to limits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_connack(
    client: *mut sealmq_client,
    session_present: bool,
    limits: *const sealmq_limits,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        let said = match limits.is_null() {
            true => sealmq_limits::default(),
            // SAFETY: as the caller promises.
            false => *unsafe { structure(limits, "limits") }?,
        };
        let limits = Limits {
            receive_maximum: match said.receive_maximum {
                0 => USUAL_INFLIGHT,
                most => most,
            },
            maximum_packet_size: match said.maximum_packet_size {
                0 => None,
                most => usize::try_from(most).ok(),
            },
            maximum_qos: match (said.no_qos1, said.no_qos2) {
                (true, _) => Qos::AtMostOnce,
                (_, true) => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            },
            retain_available: !said.no_retain,
            wildcards_available: !said.no_wildcards,
            shared_available: !said.no_shared,
            topic_alias_maximum: 0,
        };
        let time = machine.platform.time();
        machine
            .client
            .handle_connected(session_present, limits, time);
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// The connection ended, or could not be made: `ending` is one of [`sealmq_ending`], `reason` the
/// library's words, for people, or null. Writes to `*pause_ms` how long to wait before
/// [`sealmq_client_connect`]; 0: at once. `pause_ms` may be null. After `sealmq_client_close` polls
/// say `SEALMQ_CLOSED` instead.
///
/// Errors: `SEALMQ_ERROR_NULL` (`client`), `SEALMQ_ERROR_ARGUMENT` (`ending`, `reason`),
/// `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `client` is a handle; `reason` is null or a zero-terminated string; `pause_ms` is null or points
/// to a place for the number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_disconnected(
    client: *mut sealmq_client,
    ending: i32,
    reason: *const c_char,
    pause_ms: *mut u64,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        // SAFETY: as the caller promises; so are the others.
        let place = unsafe { Place::optional(pause_ms, "pause_ms") }?;
        // SAFETY: as above.
        let reason = unsafe { optional_text(reason, "reason") }?;
        let words = || reason.unwrap_or("no reason was told").to_owned();
        machine.running()?;
        let ending = match ending {
            0 => Ending::Unrelated,
            1 => Ending::Silent(words()),
            2 => Ending::Complaint(words()),
            3 => Ending::TakenOver,
            other => {
                let why = format_args!("{other} is none of the four");
                return Err(Failure::argument("ending", why));
            }
        };
        machine.unwritten = None;
        let (time, mut random) = (machine.platform.time(), machine.platform.random());
        let pause = machine
            .client
            .handle_disconnected(ending, time, &mut random);
        if let Some(place) = place {
            let pause = pause.unwrap_or_default().as_millis();
            place.put(u64::try_from(pause).unwrap_or(u64::MAX));
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// The packet that the last poll handed over (`SEALMQ_PUBLISH`, `SEALMQ_SUBSCRIBE`,
/// `SEALMQ_UNSUBSCRIBE`, `SEALMQ_DISCONNECT`) was given to the network, under this packet identifier.
/// 0 for a publish of QoS 0 and for DISCONNECT.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ORDER` (none was handed over), `SEALMQ_ERROR_ARGUMENT`
/// (a packet that needs an identifier got 0), `SEALMQ_ERROR_ENDED`.
///
/// # Safety
/// `client` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_written(
    client: *mut sealmq_client,
    packet: u16,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        let Some(unwritten) = machine.unwritten else {
            return Err(Failure::new(
                SEALMQ_ERROR_ORDER,
                "no packet was handed over by the last poll",
            ));
        };
        let needs_identifier = match unwritten {
            Unwritten::Publish { needs_identifier } => needs_identifier,
            Unwritten::Subscribe | Unwritten::Unsubscribe => true,
            Unwritten::Disconnect => false,
        };
        if needs_identifier && packet == 0 {
            let why = "0, and this packet has an identifier";
            return Err(Failure::argument("packet", why));
        }
        machine.unwritten = None;
        let client = &mut machine.client;
        match unwritten {
            Unwritten::Publish { needs_identifier } => {
                client.handle_publish_written(if needs_identifier { packet } else { 0 });
            }
            Unwritten::Subscribe => client.handle_subscribe_written(packet),
            Unwritten::Unsubscribe => client.handle_unsubscribe_written(packet),
            Unwritten::Disconnect => client.handle_disconnect_written(),
        }
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(client, work) }
}

/// PUBLISH from the broker: `topic`, `payload_len` bytes at `payload`, its retain flag, quality of
/// service, and packet identifier (0 at QoS 0). All is copied. Keys and messages alike come in here;
/// polls say what became of it.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8, the quality of
/// service), `SEALMQ_ERROR_ENDED`. A message that is not authentic is no error of this call: polls say
/// `SEALMQ_REJECTED`.
///
/// # Safety
/// `client` is a handle; `topic` is a zero-terminated string; `payload_len` bytes stand at `payload`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_received(
    client: *mut sealmq_client,
    topic: *const c_char,
    payload: *const u8,
    payload_len: usize,
    retain: bool,
    qos: u8,
    packet: u16,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        // SAFETY: as the caller promises; so are the others.
        let topic = unsafe { text(topic, "topic") }?;
        // SAFETY: as above.
        let payload = unsafe { array(payload, payload_len, "payload") }?;
        let message = Incoming {
            topic: topic.to_owned(),
            payload: Bytes::copy_from_slice(payload),
            retain,
            qos: self::qos(qos)?,
            packet,
            properties: Properties::default(),
        };
        let time = machine.platform.time();
        machine.client.handle_publish(message, time);
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// PUBACK, with its reason code (0 in MQTT 3.1.1). A library that only tells that a publish is done,
/// of QoS 1 or 2, says this of both.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`. An identifier that is not in use is ignored.
///
/// # Safety
/// `client` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_puback(
    client: *mut sealmq_client,
    packet: u16,
    code: u8,
) -> sealmq_status {
    // SAFETY: as the caller promises.
    unsafe { acknowledged(client, packet, code, Acknowledged::Complete) }
}

/// PUBREC, with its reason code. The library answers with PUBREL by itself.
///
/// Errors: those of [`sealmq_client_puback`].
///
/// # Safety
/// `client` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_pubrec(
    client: *mut sealmq_client,
    packet: u16,
    code: u8,
) -> sealmq_status {
    // SAFETY: as the caller promises.
    unsafe { acknowledged(client, packet, code, Acknowledged::Received) }
}

/// PUBCOMP, with its reason code.
///
/// Errors: those of [`sealmq_client_puback`].
///
/// # Safety
/// `client` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_pubcomp(
    client: *mut sealmq_client,
    packet: u16,
    code: u8,
) -> sealmq_status {
    let complete = |code| Acknowledged::Complete(ReasonCode(code));
    let work = |machine: &mut Machine| {
        machine.running()?;
        machine.client.handle_acknowledged(packet, complete(code));
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(client, work) }
}

/// PUBREL: the broker will not send this message of its own again. The library answers with PUBCOMP.
///
/// Errors: those of [`sealmq_client_puback`].
///
/// # Safety
/// `client` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_pubrel(
    client: *mut sealmq_client,
    packet: u16,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        machine.client.handle_released(packet);
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(client, work) }
}

/// SUBACK: for each filter of the SUBSCRIBE, in its order, one of `count` bytes at `codes`: the
/// granted quality of service, or from 0x80 on a refusal.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`. An identifier that is not in use is ignored.
///
/// # Safety
/// `client` is a handle; `count` bytes stand at `codes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_suback(
    client: *mut sealmq_client,
    packet: u16,
    codes: *const u8,
    count: usize,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        // SAFETY: as the caller promises.
        let codes = unsafe { array(codes, count, "codes") }?;
        let answers = codes.iter().map(|code| qos(*code).map_err(|_| *code));
        let answers: Vec<_> = answers.collect();
        let time = machine.platform.time();
        machine.client.handle_subscribed(packet, &answers, time);
        Ok(())
    };
    // SAFETY: as above.
    unsafe { enter(client, work) }
}

/// UNSUBACK.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`. An identifier that is not in use is ignored.
///
/// # Safety
/// `client` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_client_unsuback(
    client: *mut sealmq_client,
    packet: u16,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        machine.client.handle_unsubscribed(packet);
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(client, work) }
}

/// # Safety
/// `client` is a handle.
unsafe fn acknowledged(
    client: *mut sealmq_client,
    packet: u16,
    code: u8,
    good: fn(ReasonCode) -> Acknowledged,
) -> sealmq_status {
    let work = |machine: &mut Machine| {
        machine.running()?;
        let said = ReasonCode(code);
        let how = match code {
            ERRORS.. => Acknowledged::Refused(said),
            _ => good(said),
        };
        machine.client.handle_acknowledged(packet, how);
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { enter(client, work) }
}
