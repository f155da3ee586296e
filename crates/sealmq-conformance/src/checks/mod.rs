//! The checks, in the order of the table.

mod delivery;
mod keys;
mod properties;
mod sessions;
mod state;

pub(crate) use sessions::name as storm_name;

use crate::failed::Failed;
use crate::mqtt::Version;
use crate::stage::Stage;

/// What is worth a word although it works.
pub(crate) type Note = Option<String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    Join,
    Qos(u8),
    Wildcard,
    Overlap,
    Retained,
    RetainedWildcard,
    RetainHandling,
    Clearing,
    Will,
    WillDelay,
    Resume,
    Shared,
    SharedTwins,
    Aliases,
    Request,
    Expiry,
    ReceiveMaximum,
    KeepAlive,
    AssignedId,
    Takeover,
    Rotation,
    Kept,
    Large,
    Huge,
    Storm,
    Removal,
    Restart,
}

/// Members that read and publish in the checks; the storm's have a number behind.
pub(crate) const CAST: [&str; 5] = ["sensor", "reader", "second", "device", "leaver"];
/// Members of the checks that mostly wait, in their lane.
pub(crate) const SLOW_CAST: [&str; 4] = ["sensor", "reader", "second", "device"];
pub(crate) const STORM: usize = 6;

/// Checks of different lanes are played at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Main,
    /// Of those that mostly wait.
    Slow,
    /// When the others are over.
    Last,
}

/// What a failed check is played as, without keys, to see whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plain {
    Same,
    Other(Check),
    /// It has no meaning without keys.
    None,
}

struct Facts {
    name: &'static str,
    about: &'static str,
    plain: Plain,
    lane: Lane,
    /// MQTT 3.1.1 has no such thing, in these words.
    missing: Option<&'static str>,
}

const fn facts(name: &'static str, about: &'static str) -> Facts {
    Facts {
        name,
        about,
        plain: Plain::Same,
        lane: Lane::Main,
        missing: None,
    }
}

impl Facts {
    const fn without_keys(self, plain: Plain) -> Self {
        Self { plain, ..self }
    }

    const fn slow(self) -> Self {
        Self {
            lane: Lane::Slow,
            ..self
        }
    }

    const fn only_five(self, missing: &'static str) -> Self {
        Self {
            missing: Some(missing),
            ..self
        }
    }
}

impl Check {
    pub(crate) const ALL: [Self; 29] = [
        Self::Join,
        Self::Qos(0),
        Self::Qos(1),
        Self::Qos(2),
        Self::Wildcard,
        Self::Overlap,
        Self::Retained,
        Self::RetainedWildcard,
        Self::RetainHandling,
        Self::Clearing,
        Self::Will,
        Self::WillDelay,
        Self::Resume,
        Self::Shared,
        Self::SharedTwins,
        Self::Aliases,
        Self::Request,
        Self::Expiry,
        Self::ReceiveMaximum,
        Self::KeepAlive,
        Self::AssignedId,
        Self::Takeover,
        Self::Rotation,
        Self::Kept,
        Self::Large,
        Self::Huge,
        Self::Storm,
        Self::Removal,
        Self::Restart,
    ];

    const fn facts(self) -> Facts {
        match self {
            Self::Join => facts(
                "join",
                "a device joins by a token (`sealmq join`), publishes, and is read",
            )
            .without_keys(Plain::None),
            Self::Qos(0) => facts("qos0", "ten messages of QoS 0 arrive, each once, in order"),
            Self::Qos(1) => facts("qos1", "ten messages of QoS 1 arrive, each once, in order"),
            Self::Qos(_) => facts("qos2", "ten messages of QoS 2 arrive, each once, in order"),
            Self::Wildcard => facts(
                "wildcard",
                "filters with + and #, one within the other",
            ),
            Self::Overlap => facts(
                "overlap",
                "three filters match; each message comes to the application once",
            ),
            Self::Retained => facts(
                "retained",
                "a retained value is replaced; a member that was enrolled later reads the last one",
            ),
            Self::RetainedWildcard => facts(
                "retained-wildcard",
                "the same by a filter with a wildcard",
            ),
            Self::RetainHandling => facts(
                "retain-handling",
                "subscriptions bring the retained value always, if they are new, or never",
            )
            .only_five("Retain Handling is an option of MQTT 5"),
            Self::Clearing => facts(
                "clearing",
                "a retained value is cleared; who reads is told, who comes later gets none",
            ),
            Self::Will => facts(
                "will",
                "a client dies without a goodbye; its Last Will is read",
            ),
            Self::WillDelay => facts(
                "will-delay",
                "the broker waits with a Last Will, and forgets it when the session goes on in time",
            )
            .slow()
            .only_five("the Will Delay Interval is a property of MQTT 5"),
            Self::Resume => facts(
                "resume",
                "a reader is away; what was published meanwhile at QoS 1 comes when it is back, each once",
            ),
            Self::Shared => facts(
                "shared",
                "two members share a subscription; each of twenty messages comes to one of them",
            ),
            Self::SharedTwins => facts(
                "shared-twins",
                "the same by two processes of one member",
            ),
            Self::Aliases => facts(
                "aliases",
                "the publisher has a topic alias; the reader lets the broker have some",
            )
            .only_five("topic aliases are of MQTT 5"),
            Self::Request => facts(
                "request",
                "a question with a response topic and correlation data is answered",
            ),
            Self::Expiry => facts(
                "expiry",
                "a message that expires while its reader is away is not read, another one is",
            )
            .slow(),
            Self::ReceiveMaximum => facts(
                "receive-maximum",
                "a reader takes one message at a time, also of a sender whose credential comes behind it",
            )
            .only_five("Receive Maximum is a property of MQTT 5"),
            Self::KeepAlive => facts(
                "keep-alive",
                "who has nothing to say stays connected, by the broker's keep-alive if it has one",
            )
            .slow(),
            Self::AssignedId => facts(
                "assigned-id",
                "the broker chooses the client id, and the session is found again after the connection broke",
            )
            .without_keys(Plain::None)
            .only_five("MQTT 3.1.1 gives ids to clients without a session only"),
            Self::Takeover => facts(
                "takeover",
                "two members have one client id: it is said, and they do not throw each other out for ever",
            )
            .without_keys(Plain::None)
            .slow(),
            Self::Rotation => facts(
                "rotation",
                "keys change twice while a reader is away; it reads what was published before, between, after",
            )
            .without_keys(Plain::Other(Self::Resume)),
            Self::Kept => facts(
                "kept",
                "after a removal, who joins reads what was retained before, of who is there and who is not",
            )
            .without_keys(Plain::None),
            Self::Large => facts("large", "a payload of 1 MiB (--large)"),
            Self::Huge => facts("huge", "a payload of 16 MiB (--huge)"),
            Self::Storm => facts(
                "storm",
                "six clients die and come back at once, four times; each message that was acknowledged comes once",
            ),
            Self::Removal => facts(
                "removal",
                "a removed member reads nothing more and is told; the others read on",
            )
            .without_keys(Plain::None),
            Self::Restart => Facts {
                lane: Lane::Last,
                ..facts(
                    "restart",
                    "the broker is killed and started (--restart); what was accepted meanwhile comes, each once",
                )
            }
            .without_keys(Plain::None),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        self.facts().name
    }

    /// What shows whether the broker can do it without keys.
    pub(crate) fn plain(self, version: Version) -> Option<Self> {
        match (self.facts().plain, self) {
            (Plain::None, _) => None,
            (Plain::Other(other), _) => Some(other),
            // Properties of messages came with MQTT 5; what expires waits in a session all the same.
            (Plain::Same, Self::Request) if version == Version::V4 => None,
            (Plain::Same, Self::Expiry) if version == Version::V4 => Some(Self::Resume),
            (Plain::Same, _) => Some(self),
        }
    }

    pub(crate) const fn lane(self) -> Lane {
        self.facts().lane
    }

    /// Why it has no meaning here, if it has none; `restart`: whether there is a command for that,
    /// `here`: whether the broker is on this machine.
    pub(crate) fn missing(
        self,
        version: Version,
        restart: bool,
        here: bool,
    ) -> Option<&'static str> {
        let of_version = self.facts().missing;
        match self {
            Self::Restart if !restart => Some("no command that restarts the broker was given"),
            _ if version == Version::V4 && of_version.is_some() => of_version,
            Self::AssignedId if !here => Some("played with a broker on this machine only"),
            _ => None,
        }
    }

    pub(crate) async fn play(self, stage: &Stage<'_>) -> Result<Note, Failed> {
        match self {
            Self::Join => keys::join(stage).await,
            Self::Qos(level) => delivery::qos(stage, level).await,
            Self::Wildcard => delivery::wildcard(stage).await,
            Self::Overlap => delivery::overlap(stage).await,
            Self::Retained => state::retained(stage, "value").await,
            Self::RetainedWildcard => state::retained(stage, "+").await,
            Self::RetainHandling => state::handling(stage).await,
            Self::Clearing => state::clearing(stage).await,
            Self::Will => sessions::will(stage).await,
            Self::WillDelay => sessions::will_delay(stage).await,
            Self::Resume => sessions::resume(stage).await,
            Self::Shared => delivery::shared(stage).await,
            Self::SharedTwins => delivery::twins(stage).await,
            Self::Aliases => properties::aliases(stage).await,
            Self::Request => properties::request(stage).await,
            Self::Expiry => properties::expiry(stage).await,
            Self::ReceiveMaximum => properties::receive_maximum(stage).await,
            Self::KeepAlive => properties::keep_alive(stage).await,
            Self::AssignedId => sessions::assigned_id(stage).await,
            Self::Takeover => sessions::takeover(stage).await,
            Self::Rotation => keys::rotation(stage).await,
            Self::Kept => state::kept(stage).await,
            Self::Large => delivery::large(stage, stage.large).await,
            Self::Huge => delivery::large(stage, stage.huge).await,
            Self::Storm => sessions::storm(stage).await,
            Self::Removal => keys::removal(stage).await,
            Self::Restart => sessions::restart(stage).await,
        }
    }
}

/// For people.
pub(crate) fn list() {
    for check in Check::ALL {
        println!("{:<18} {}", check.name(), check.facts().about);
    }
}

/// Texts that tell messages apart.
fn texts(what: &str, count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{what} {n}")).collect()
}
