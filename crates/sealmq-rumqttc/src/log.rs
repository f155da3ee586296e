use core::fmt::{Debug, Display};

use sealmq_client::{Event, MemberEvent, PollError};
use tracing::{debug, error, info, trace, warn};

/// Filters name it.
const TARGET: &str = "sealmq_rumqttc";

/// Logs what the application is told: who and where, never a payload or a key. What strangers can
/// cause at will stays below `warn`.
pub(crate) fn log<Q: Debug, R: Debug, X, E: Display>(event: &Result<Event<Q, R, X>, PollError<E>>) {
    match event {
        Ok(Event::Connected { session_present }) => {
            info!(target: TARGET, session_present, "connected")
        }
        Ok(Event::Message(message)) => trace!(target: TARGET,
            topic = message.topic,
            sender = message.sender.0,
            group = message.group.as_str(),
            epoch = message.epoch,
            session = message.session,
            counter = message.counter,
            "message opened"
        ),
        Ok(Event::Rejected { topic, reason }) => {
            debug!(target: TARGET, topic, %reason, "message rejected")
        }
        Ok(Event::Unsealed { topic, .. }) => debug!(target: TARGET, topic, "message in clear"),
        Ok(Event::Cleared { topic }) => debug!(target: TARGET, topic, "retained message cleared"),
        Ok(Event::Key(event)) => key(event),
        Ok(Event::Subscribed { filter, qos }) => debug!(target: TARGET, filter, ?qos, "subscribed"),
        Ok(Event::SubscribeRefused { filter, reason }) => {
            warn!(target: TARGET, filter, ?reason, "subscription refused");
        }
        Ok(Event::Unsubscribed { filter }) => debug!(target: TARGET, filter, "unsubscribed"),
        Ok(Event::PublishRefused { topic, reason }) => {
            warn!(target: TARGET, topic, reason, "publish refused")
        }
        Ok(Event::NotPublished { topic, error }) => {
            warn!(target: TARGET, topic, %error, "not published")
        }
        Ok(Event::NoWill { error }) => warn!(target: TARGET, %error, "no Last Will"),
        Ok(Event::Overflow { lost }) => {
            warn!(target: TARGET, lost, "reports and QoS 0 messages lost: nobody polls")
        }
        Ok(Event::BrokerLimit(limit)) => error!(target: TARGET, %limit, "broker unsuitable"),
        Ok(Event::Disconnected) => info!(target: TARGET, "disconnected"),
        Ok(_) => {}
        Err(PollError::Connection(error)) => warn!(target: TARGET, %error, "connection lost"),
        Err(error) => error!(target: TARGET, %error, "ended"),
    }
}

fn key(event: &MemberEvent) {
    match event {
        MemberEvent::Joined { group, epoch } => info!(target: TARGET, %group, epoch, "joined"),
        MemberEvent::Epoch {
            group,
            name,
            epoch,
            healing,
        } => info!(target: TARGET, %group, name, epoch, healing, "epoch"),
        MemberEvent::Removed { group, epoch } => warn!(target: TARGET, %group, epoch, "removed"),
        MemberEvent::NeedsWelcome { group, epoch } => {
            warn!(target: TARGET, %group, epoch, "needs a welcome")
        }
        MemberEvent::Behind { group, epoch } => warn!(target: TARGET, %group, epoch, "behind"),
        MemberEvent::Recovered { group, epoch, .. } => {
            error!(target: TARGET, %group, epoch, "keys replaced")
        }
        MemberEvent::Rollback { topic, .. } => warn!(target: TARGET, topic, "rollback"),
        MemberEvent::NoClock { says, passed } => {
            warn!(target: TARGET, says, passed, "the clock is none: it is below a time that has passed");
        }
        MemberEvent::RandomFailed => error!(target: TARGET, "the random number generator failed"),
        MemberEvent::Fork {
            group,
            epoch,
            known,
            other,
            ..
        } => error!(target: TARGET, %group, epoch, %known, %other, "fork"),
        MemberEvent::Delegation { serial } => info!(target: TARGET, serial, "delegation"),
        MemberEvent::Credential { serial } => info!(target: TARGET, serial, "credential"),
        MemberEvent::SenderKnown { member, name } => {
            debug!(target: TARGET, member = member.0, name, "sender known")
        }
        MemberEvent::TwoDevices {
            member,
            name,
            group,
            sign,
            first,
            second,
        } => error!(
            target: TARGET,
            member = member.0,
            name,
            %group,
            ?sign,
            first = first.session,
            second = second.session,
            "two devices use one identity"
        ),
        MemberEvent::BadReserved { topic, error } => {
            warn!(target: TARGET, topic, error, "object refused")
        }
        _ => debug!(target: TARGET, "key event of a later version"),
    }
}
