//! What the application or the operator may want to know, in words.

use sealmq_client::MemberEvent;

/// What a notice is about.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum sealmq_notice {
    /// No notice.
    SEALMQ_NOTICE_NONE = 0,
    /// The broker accepted the connection.
    SEALMQ_NOTICE_CONNECTED = 1,
    /// Keys of a group came: what waited for them goes on by itself.
    SEALMQ_NOTICE_KEYS = 2,
    /// This member was removed from a group.
    SEALMQ_NOTICE_REMOVED = 3,
    /// Something is late, missing or damaged, and asked for again.
    SEALMQ_NOTICE_LATE = 4,
    /// An alarm: a fork, replaced keys, old objects played back, two devices with one identity.
    /// Tell the operator.
    SEALMQ_NOTICE_ALARM = 5,
    /// A setting of the broker is in the way.
    SEALMQ_NOTICE_BROKER = 6,
    /// The Will could not be sealed: this connection has none.
    SEALMQ_NOTICE_NO_WILL = 7,
    /// A publish that was promised is not sent; also told by its own output, if it has an id.
    SEALMQ_NOTICE_NOT_PUBLISHED = 8,
    /// Anything else.
    SEALMQ_NOTICE_OTHER = 9,
}

use sealmq_notice::*;

/// What key management tells.
pub(crate) fn of_keys(event: &MemberEvent) -> (sealmq_notice, String) {
    match event {
        MemberEvent::Joined { group, epoch } => (
            SEALMQ_NOTICE_KEYS,
            format!("group {group}: welcomed, from epoch {epoch} on"),
        ),
        MemberEvent::Epoch {
            name,
            epoch,
            healing,
            ..
        } => {
            let healing = if *healing {
                ", which shut somebody out"
            } else {
                ""
            };
            (
                SEALMQ_NOTICE_KEYS,
                format!("group `{name}`: keys of epoch {epoch}{healing}"),
            )
        }
        MemberEvent::Removed { group, epoch } => (
            SEALMQ_NOTICE_REMOVED,
            format!("group {group}: this member was removed in epoch {epoch}"),
        ),
        MemberEvent::NeedsWelcome { group, epoch } => (
            SEALMQ_NOTICE_LATE,
            format!("group {group}: waits for a new welcome, since epoch {epoch}"),
        ),
        MemberEvent::Behind { group, epoch } => (
            SEALMQ_NOTICE_LATE,
            format!(
                "group {group}: the announcement of epoch {epoch} has not come, it is asked for"
            ),
        ),
        MemberEvent::Recovered { group, epoch, .. } => (
            SEALMQ_NOTICE_ALARM,
            format!(
                "group {group}: keys were replaced from epoch {epoch} on: a key of the authority had been stolen"
            ),
        ),
        MemberEvent::Rollback { topic, .. } => (
            SEALMQ_NOTICE_ALARM,
            format!("{topic}: the broker shows an object that is older than the one in force"),
        ),
        MemberEvent::NoClock { says, passed } => (
            SEALMQ_NOTICE_ALARM,
            format!(
                "the clock says {says} (Unix seconds), and {passed} has passed for certain: it is taken for none"
            ),
        ),
        MemberEvent::RandomFailed => (
            SEALMQ_NOTICE_ALARM,
            "the random number generator failed: new keys have to wait".to_owned(),
        ),
        MemberEvent::Fork { group, epoch, .. } => (
            SEALMQ_NOTICE_ALARM,
            format!(
                "group {group}: two announcements of epoch {epoch}: the authority was forked, or its key is stolen"
            ),
        ),
        MemberEvent::TwoDevices { member, name, .. } => (
            SEALMQ_NOTICE_ALARM,
            format!(
                "two devices use the identity of member {} (`{name}`)",
                member.0
            ),
        ),
        MemberEvent::BadReserved { topic, error } => {
            (SEALMQ_NOTICE_LATE, format!("{topic}: refused: {error}"))
        }
        MemberEvent::SenderKnown { member, name } => (
            SEALMQ_NOTICE_OTHER,
            format!("member {} is `{name}`", member.0),
        ),
        MemberEvent::Delegation { serial } => (SEALMQ_NOTICE_OTHER, format!("delegation {serial}")),
        MemberEvent::Credential { serial } => (SEALMQ_NOTICE_OTHER, format!("credential {serial}")),
        other => (SEALMQ_NOTICE_LATE, format!("{other:?}")),
    }
}
