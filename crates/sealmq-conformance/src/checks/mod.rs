//! The checks, in the order in which they are played.

mod delivery;
mod keys;
mod sessions;

pub(crate) use sessions::name as storm_name;

use crate::failed::Failed;
use crate::stage::Stage;

/// What is worth a word although it works.
pub(crate) type Note = Option<String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    Join,
    Qos(u8),
    Wildcard,
    Retained,
    RetainedWildcard,
    Will,
    Resume,
    Shared,
    Rotation,
    Large,
    Storm,
    Removal,
}

/// Members that read and publish in the checks; the storm's have a number behind.
pub(crate) const CAST: [&str; 5] = ["sensor", "reader", "second", "device", "leaver"];
pub(crate) const STORM: usize = 6;

impl Check {
    pub(crate) const ALL: [Self; 14] = [
        Self::Join,
        Self::Qos(0),
        Self::Qos(1),
        Self::Qos(2),
        Self::Wildcard,
        Self::Retained,
        Self::RetainedWildcard,
        Self::Will,
        Self::Resume,
        Self::Shared,
        Self::Rotation,
        Self::Large,
        Self::Storm,
        Self::Removal,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Qos(0) => "qos0",
            Self::Qos(1) => "qos1",
            Self::Qos(_) => "qos2",
            Self::Wildcard => "wildcard",
            Self::Retained => "retained",
            Self::RetainedWildcard => "retained-wildcard",
            Self::Will => "will",
            Self::Resume => "resume",
            Self::Shared => "shared",
            Self::Rotation => "rotation",
            Self::Large => "large",
            Self::Storm => "storm",
            Self::Removal => "removal",
        }
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Join => "a device joins by a token (`sealmq join`), publishes, and is read",
            Self::Qos(0) => "ten messages of QoS 0 arrive, each once, in order",
            Self::Qos(1) => "ten messages of QoS 1 arrive, each once, in order",
            Self::Qos(_) => "ten messages of QoS 2 arrive, each once, in order",
            Self::Wildcard => {
                "overlapping filters with + and #; each message comes to the application once"
            }
            Self::Retained => {
                "a retained value is replaced; a member that was enrolled later reads the last one"
            }
            Self::RetainedWildcard => "the same by a filter with a wildcard",
            Self::Will => "a client dies without a goodbye; its Last Will is read",
            Self::Resume => {
                "a reader is away; what was published meanwhile at QoS 1 comes when it is back, each once"
            }
            Self::Shared => {
                "two readers share a subscription; each of twenty messages comes to one of them"
            }
            Self::Rotation => {
                "keys change twice while a reader is away; it reads what was published before, between, after"
            }
            Self::Large => "a payload of 1 MiB (--large)",
            Self::Storm => {
                "six clients die and come back at once, four times; each message that was acknowledged comes once"
            }
            Self::Removal => "a removed member reads nothing more and is told; the others read on",
        }
    }

    /// What it rests on, of those that have a meaning without keys.
    pub(crate) const fn rests_on(self) -> Option<Self> {
        match self {
            Self::Rotation => Some(Self::Resume),
            Self::Join | Self::Removal => None,
            _ => Some(self),
        }
    }

    /// Has no meaning without keys.
    pub(crate) const fn is_about_keys(self) -> bool {
        matches!(self, Self::Join | Self::Rotation | Self::Removal)
    }

    pub(crate) async fn play(self, stage: &Stage<'_>) -> Result<Note, Failed> {
        match self {
            Self::Join => keys::join(stage).await,
            Self::Qos(level) => delivery::qos(stage, level).await,
            Self::Wildcard => delivery::wildcard(stage).await,
            Self::Retained => delivery::retained(stage, "value").await,
            Self::RetainedWildcard => delivery::retained(stage, "+").await,
            Self::Will => sessions::will(stage).await,
            Self::Resume => sessions::resume(stage).await,
            Self::Shared => delivery::shared(stage).await,
            Self::Rotation => keys::rotation(stage).await,
            Self::Large => delivery::large(stage).await,
            Self::Storm => sessions::storm(stage).await,
            Self::Removal => keys::removal(stage).await,
        }
    }
}

/// For people.
pub(crate) fn list() {
    for check in Check::ALL {
        println!("{:<18} {}", check.name(), check.about());
    }
}

/// Texts that tell messages apart.
fn texts(what: &str, count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{what} {n}")).collect()
}
