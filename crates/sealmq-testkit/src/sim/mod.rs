//! A simulation in virtual time: one authority, several members, and a broker that drops, delays,
//! duplicates, reorders, replays, withholds, clears and forks; processes die before and after
//! commits, stores are put back, and in every fourth seed a thief has the authority's keys. He
//! announces epochs that end in twenty years, and the highest numbers that there are; the broker
//! shows his victims the successor of a delegation and nothing that follows from it, withholds
//! welcomes for longer than the window, and puts wills and retained values back.
//!
//! Devices are played by `sealmq_client::{Client, Joining}`, the authority by
//! `sealmq_authority::office::Office`, on a store on which commands of people act, too: what is
//! here is only what drivers do. In a quarter of the seeds some devices are sensors: played by
//! `sealmq_embedded::{Device, Joining}` over its flash store, whose power goes within a write where
//! a host's process dies before a commit. What they store is read as a host's store
//! (`sensor_records`), so that the same checks see both. The same happens at every run of a seed. A
//! broken invariant is a panic:
//!
//! * what is sealed after a removal and the stated latency is opened by nobody removed, and what a
//!   removed publisher sends is accepted by nobody after it;
//! * no epoch, session, package, member number, serial or replay floor goes back, and no epoch has
//!   two announcements of the authority;
//! * nobody is told that two devices use one identity unless a store was put back, whatever dies,
//!   is delayed, repeated or shown again;
//! * no message is accepted twice, from a member that may only read, or by a member that holds
//!   another announcement of its epoch; a member that sees both announcements raises an alarm;
//! * two heartbeats after the broker began to behave, all members have the newest epoch in every
//!   step that follows, and in the end all of them talk;
//! * what all removed members have stored opens nothing later;
//! * who has taken a delegation seals and reads nothing under keys that it replaced, nor under an
//!   older one that has ended;
//! * whatever numbers a thief invents, the authority can be resumed and start epochs, and its own
//!   numbers jump at most by what is left out on purpose;
//! * a log that is too short or goes on with inventions is refused at a restore: nobody who was
//!   removed is a member again, and nobody else is out;
//! * a copy of a member's store opens no welcome that is older than the window;
//! * of the short form nothing goes out before the record of its session, no nonce serves a record
//!   and a message, and a record that is forged or comes again changes nothing of the above;
//! * what a reader shows of a sender's state on a topic never goes back, whether it comes live or
//!   retained, and no will comes live after a newer one, or after its age;
//! * state counts only with kept keys and a credential of delegations that the one which the reader
//!   has taken continues;
//! * in the end readers that start anew, and one that joins then, read exactly the values that open;
//!   what a publisher still has is sealed again; who joins has no event of before, and who was
//!   removed or only publishes no key of state.
//!
//! Of sensors also: of a transaction all is there or nothing, wherever the power went; and they start
//! with what they stored last.
//!
//! What sensors cannot do by design, and is not asked of them: read state under other kept keys than
//! the newest (`has_kept`), seal a value again that they had published under older ones, and tell
//! that their whole flash was written back. They leave no wills here.
//!
//! Exceptions, as in spec/keys.md: epochs are compared under one delegation serial (§3), and a
//! device whose own store was put back is enrolled anew before it has to converge.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a panic is how a simulation reports a finding"
)]

mod absence;
mod broker;
mod checks;
mod cuts;
mod device;
mod driver;
mod end;
mod faults;
mod floors;
mod histories;
mod insider;
mod joining;
mod keeping;
mod late;
mod later;
#[path = "../../../sealmq-embedded/tests/all/nor.rs"]
#[allow(unreachable_pub, reason = "shared with the tests of sealmq-embedded")]
mod nor;
mod office;
mod process;
mod report;
mod restore;
mod sabotage;
mod sealed;
mod sending;
mod sensor;
mod sensor_joining;
mod sensor_loop;
mod sensor_records;
mod short_log;
mod state;
mod successor;
mod thief;
mod welcomes;
mod wills;
mod world;

use rand_core::TryRng as _;

use crate::fuzz::world::CountingRng;

pub use absence::absence;
pub use cuts::{History, play};
pub use report::Report;

/// Where processes die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crashes {
    /// Nowhere.
    Never,
    /// At about one of so many commits.
    OneIn(u64),
    /// At this commit (from 0, all processes together).
    At {
        /// The commit's number.
        commit: u64,
        /// How the process dies.
        dies: Dies,
        /// Whether and how it dies once more, at its first commit after the restart.
        again: Option<Dies>,
    },
}

/// Harm that a check has to notice: what shows that it can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The simulation as it is.
    None,
    /// The broker never begins to behave towards one member.
    Withholding,
    /// The authority is never told of removals.
    ForgottenRemoval,
    /// Removed members get the store of one that is not.
    LeakedStore,
    /// Removed members get the group's keys of one that is not.
    LeakedKeys,
    /// A device's store is put back, and nobody says so.
    PutBack,
    /// The authority's store is put back, and its office publishes before it has read the broker.
    Forking,
    /// Members do not report forks.
    Silence,
    /// Members accept everything twice.
    Echo,
    /// Members forget a delegation that replaced stolen keys.
    ForgottenSuccessor,
    /// An operator resumes with a log that ends before a removal, and says that this is meant.
    ShortLog,
    /// The authority follows a thief's numbers.
    Jump,
    /// Members keep the keys of packages that they say to have deleted.
    KeptPackages,
    /// Members forget which wills they have seen.
    ForgottenWills,
    /// Members forget which retained values they have seen.
    ForgottenValues,
    /// Readers forget the marks of state when they start anew.
    ForgottenMarks,
    /// Marks of state are durable after it was released.
    LateMarks,
    /// Who joins late gets as kept keys what events are sealed under.
    SharedDerivation,
    /// Who was removed gets the kept keys of later.
    ForwardChain,
    /// Publishers do not seal their values again.
    NotSealedAgain,
    /// Publishers forget the numbers of connections when they start anew.
    NoConnections,
    /// Devices send before what they send rests on is durable.
    SentFirst,
    /// Devices do not wait for the retained announcements after a connect.
    Unsettled,
    /// The broker acknowledges the records of sessions, and loses them.
    LostRecords,
    /// Sensors do not store the numbers of the sessions that they begin.
    ForgottenNumbers,
}

/// How a process dies at a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dies {
    /// Before the commit is durable.
    Before,
    /// After it, and before anything that depends on it goes out.
    After,
    /// After it, and after a part of what depends on it went out.
    Later,
}

/// What a simulation is like.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Determines everything that happens.
    pub seed: u64,
    /// Steps of one to three seconds each; the last 60 with a broker that behaves.
    pub steps: u64,
    /// Whether the broker misbehaves before.
    pub hostile: bool,
    /// Whether somebody uses a copy of the authority's store.
    pub thief: bool,
    /// Whether stores of the authority and of devices are put back.
    pub restores: bool,
    /// Whether readers get more sessions than they can decapsulate.
    pub floods: bool,
    /// Whether some devices are sensors: of `sealmq-embedded`, with their flash.
    pub sensors: bool,
    /// Where processes die.
    pub crashes: Crashes,
    /// What is spoilt on purpose.
    pub sabotage: Sabotage,
}

impl Settings {
    /// A hostile broker, and processes that die now and then.
    #[must_use]
    pub const fn hostile(seed: u64, steps: u64) -> Self {
        Self {
            seed,
            steps,
            hostile: true,
            thief: seed % 4 == 3,
            restores: seed % 4 == 1,
            floods: seed % 8 == 2,
            // A quarter of each kind of seed.
            sensors: seed / 4 % 4 == seed % 4,
            crashes: Crashes::OneIn(100),
            sabotage: Sabotage::None,
        }
    }
}

impl Settings {
    /// Depth of the group's tree. In a deep one a removal has a long cover: with those of two
    /// generations, or of two members, it goes in chunks.
    pub(crate) const fn depth(&self) -> u8 {
        if self.seed / 16 % 2 == 1 { 20 } else { 6 }
    }
}

/// Steps at the end in which the broker behaves.
const CALM: u64 = 60;

/// Plays one seed.
///
/// # Panics
/// An invariant is broken; the seed and its last 30 steps go to standard error.
#[must_use]
pub fn run(settings: &Settings) -> Report {
    let mut world = world::World::new(settings);
    let calm = settings.steps.saturating_sub(CALM);
    for step in 0..settings.steps {
        if step == calm {
            world.behave();
        }
        world.step(step, settings.hostile && step < calm);
    }
    world.end()
}

/// What is decided at random.
pub(crate) struct Dice(CountingRng);

impl Dice {
    const fn new(seed: u64) -> Self {
        Self(CountingRng(seed << 32))
    }

    fn below(&mut self, bound: u64) -> u64 {
        let Ok(number) = self.0.try_next_u64();
        number % bound.max(1)
    }

    fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}
