//! What `pub` and `sub` have in common.

use std::fmt::Debug;
use std::time::Duration;

use sealmq_client::{DevicesSign, Qos};
use sealmq_core::MemberNumber;
use sealmq_keys::member::MemberEvent;
use sealmq_rumqttc::OpenError;
use sealmq_rumqttc::client::AsyncClient;
use sealmq_rumqttc::eventloop::PollError;
use tokio::time::timeout;

use crate::args::ConnectionArgs;
use crate::clock::iso_seconds;
use crate::connection::{self, Mqtt};
use crate::failure::{Exit, Failure};
use crate::output::note;
use crate::seldom::Seldom;

const GOODBYE: Duration = Duration::from_secs(5);

pub(crate) fn qos<V: Mqtt>(level: u8) -> V::Qos {
    V::qos_to(match level {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        _ => Qos::ExactlyOnce,
    })
}

/// The member cannot be started.
pub(crate) fn open_failure(error: OpenError) -> Failure {
    match error {
        OpenError::Member(error) => error.into(),
        other => Failure::usage(other),
    }
}

/// After an error of the event loop: a first connection that fails ends the program, later ones
/// are made again.
pub(crate) fn after<V: Mqtt>(
    error: &PollError<V>,
    was_connected: bool,
    args: &ConnectionArgs,
) -> Result<(), Failure> {
    match error {
        sealmq_client::PollError::Connection(error) => {
            if !was_connected {
                return Err(Failure::network(connection::describe_first::<V>(
                    error,
                    &args.address(),
                )));
            }
            let reason = connection::describe::<V>(error, &args.address());
            note(format_args!("sealmq: {reason}; connecting again"));
            Ok(())
        }
        sealmq_client::PollError::Store(error) => Err(Failure::new(Exit::Store, error.to_string())),
        other => Err(Failure::network(other)),
    }
}

/// Writes replay state and says goodbye, as far as the broker still listens.
pub(crate) async fn leave<V: Mqtt>(client: &AsyncClient<V>) {
    let _closed = timeout(GOODBYE, client.disconnect()).await;
}

pub(crate) fn refused_subscription(filter: &str, reason: impl Debug) -> String {
    format!("the broker refuses the subscription to {filter} ({reason:?}): check its access rules")
}

/// Events of key management: those that the user should know of, and with `debug` the usual ones.
pub(crate) fn tell(event: &MemberEvent, debug: bool, seldom: &mut Seldom) {
    match event {
        MemberEvent::Removed { .. } => note(
            "sealmq: this member was removed from a group: what is sent there from now on stays closed to it",
        ),
        MemberEvent::NeedsWelcome { .. } => note(
            "sealmq: a group has new keys that this member has to be welcomed to: it asked the authority, and waits",
        ),
        MemberEvent::Behind { group, epoch } => note(format_args!(
            "sealmq: epoch {epoch} of group {group} exists, and its announcement has not come: the broker is slow \
             or withholds it"
        )),
        MemberEvent::Recovered { group, epoch, .. } => note(format_args!(
            "sealmq: ALARM: the keys of group {group} were replaced from epoch {epoch} on: the domain has recovered \
             from a stolen key, or its authority was restored from a copy"
        )),
        MemberEvent::Rollback { topic, .. } => seldom.note("rollback", || {
            format!(
                "sealmq: {topic}: the broker delivered an older object than the one in force, which stays"
            )
        }),
        MemberEvent::NoClock { says, passed } => note(format_args!(
            "sealmq: this device's clock says {}, which is before {}: it counts as none until it is set. Without a \
             clock only groups with leases (`--lease`) can be used",
            iso_seconds(*says),
            iso_seconds(*passed)
        )),
        MemberEvent::RandomFailed => {
            note("sealmq: the random number generator fails: key packages and nonces have to wait");
        }
        MemberEvent::Fork { group, epoch, .. } => note(format_args!(
            "sealmq: ALARM: two different announcements for epoch {epoch} of group {group}: somebody shows \
             members different keys; ask the authority's operator"
        )),
        MemberEvent::TwoDevices {
            member,
            name,
            sign,
            first,
            second,
            ..
        } => note(format_args!(
            "sealmq: ALARM: {}",
            two_devices(*member, name, *sign, (first.session, second.session))
        )),
        MemberEvent::BadReserved { topic, error } => {
            seldom.note("reserved", || format!("sealmq: {topic}: refused: {error}"));
        }
        MemberEvent::Epoch {
            name,
            epoch,
            healing,
            ..
        } if debug => {
            let kind = if *healing { "healing epoch" } else { "epoch" };
            note(format_args!("group {name}: {kind} {epoch}"));
        }
        MemberEvent::SenderKnown { member, name } if debug => {
            note(format_args!("sender {member} is {name}"));
        }
        _ => {}
    }
}

fn two_devices(
    member: MemberNumber,
    name: &str,
    sign: DevicesSign,
    (one, other): (u64, u64),
) -> String {
    let why = match sign {
        DevicesSign::SharedNumber => format!("both began session {one}"),
        _ => format!("sessions {one} and {other} take turns"),
    };
    format!(
        "two devices use the identity of member {member} {name} ({why}): a copied card or image, or a store that \
         was put back; ask the authority's operator to remove the member, and enrol each device anew"
    )
}
