//! Ten strangers and ten hostile members: everything that one of them can do to others, at the
//! rates at which it stopped them before.

use std::sync::Arc;

use sealmq_keys::{Fingerprint, ReservedTopic};

use super::broker::Packet;
use super::forge::{self, fill};
use super::members::Resident;
use super::play::{HOSTILE, Street};
use super::town::{START, Town};
use sealmq_testkit::stand_ins::CountingRng;

/// Bytes of a garbage join request.
const GARBAGE: usize = 862;
/// Bytes of a planted object.
const PLANTED: usize = 60_000;
/// Behind an envelope's version and key id: its encapsulated key.
const ENCAPSULATED: std::ops::Range<usize> = 9..41;

/// Something that is done again and again.
struct Deed {
    what: &'static str,
    /// How often in a second, all of them together.
    rate: u64,
    /// From which second until which.
    during: (u64, u64),
    act: fn(&mut Mob, &Scene<'_>, &mut Street, u64),
}

/// What they can look at.
pub(super) struct Scene<'a> {
    pub(super) town: &'a Town,
    pub(super) residents: &'a [Resident],
}

const ALWAYS: (u64, u64) = (0, u64::MAX);

/// Slices are short where a device's processor would be the only thing that is tested.
const TABLE: &[Deed] = &[
    deed(
        "A1: a crowd with tokens that were made up",
        500,
        (118, 120),
        Mob::made_up,
    ),
    deed("A2: random bytes on join topics", 4, ALWAYS, Mob::random),
    deed("A2: what looks like a request", 4, ALWAYS, Mob::formed),
    deed(
        "A2, A3, A4: requests without a token",
        4,
        ALWAYS,
        Mob::tokenless,
    ),
    deed("A2, A3: tokens that were made up", 4, ALWAYS, Mob::made_up),
    deed("A2: copies of what others ask for", 4, ALWAYS, Mob::copied),
    deed("A2: the same, 100 a second", 20, (200, 260), Mob::random),
    deed("A2: the same, 100 a second", 20, (200, 260), Mob::formed),
    deed("A2: the same, 100 a second", 20, (200, 260), Mob::tokenless),
    deed("A2: the same, 100 a second", 20, (200, 260), Mob::made_up),
    deed("A2: the same, 100 a second", 20, (200, 260), Mob::copied),
    deed(
        "A4: the operators' queue at once",
        75,
        (26, 30),
        Mob::tokenless,
    ),
    // Two a second for each device without a clock.
    deed("A6: nonces of others", 20, ALWAYS, Mob::nonce),
    deed(
        "A6: nonces of one, 100 a second",
        100,
        (300, 360),
        Mob::nonce_of_one,
    ),
    deed("A6: nonces of one's own", 10, ALWAYS, Mob::own_nonce),
    // One a second for each of them.
    deed("A7: key packages", HOSTILE as u64, ALWAYS, Mob::packages),
    deed(
        "A7: confirmations and packages of others",
        4,
        ALWAYS,
        Mob::replayed,
    ),
    deed("A8: forged envelopes", 3000, (400, 405), Mob::forged),
    deed(
        "A9: announcements, newest first",
        10,
        ALWAYS,
        Mob::backwards,
    ),
    deed(
        "A10: numbers of senders that nobody is",
        20,
        (420, 450),
        Mob::unknown_sender,
    ),
    deed(
        "A11: the group's objects cleared",
        4,
        ALWAYS,
        Mob::clear_group,
    ),
    deed(
        "A11: the members' objects cleared",
        4,
        ALWAYS,
        Mob::clear_members,
    ),
    deed("A11: all objects cleared", 8, ALWAYS, Mob::clear_all),
    deed("A12: planted objects", 5000, (4, 5), Mob::plant),
];

const fn deed(
    what: &'static str,
    rate: u64,
    during: (u64, u64),
    act: fn(&mut Mob, &Scene<'_>, &mut Street, u64),
) -> Deed {
    Deed {
        what,
        rate,
        during,
        act,
    }
}

pub(super) struct Mob {
    rng: CountingRng,
    /// Thousandths of an act that each deed is behind.
    owed: Vec<u64>,
    done: Vec<u64>,
    planted: Arc<[u8]>,
    /// Where the walk over all objects stands.
    cleared: Arc<str>,
    /// Each is somebody else.
    numbers: u64,
    /// Objects that were cleared on that walk.
    done_clears: u64,
}

impl Mob {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: CountingRng((1 << 45) | (seed << 32)),
            owed: vec![0; TABLE.len()],
            done: vec![0; TABLE.len()],
            planted: vec![0x5a; PLANTED].into(),
            cleared: "".into(),
            numbers: 0,
            done_clears: 0,
        }
    }

    /// What they do in so many milliseconds.
    pub(super) fn act(&mut self, scene: &Scene<'_>, street: &mut Street, millis: u64) {
        let second = street.now / 1000 - START;
        for (at, deed) in TABLE.iter().enumerate() {
            if !(deed.during.0..deed.during.1).contains(&second) {
                continue;
            }
            self.owed[at] += deed.rate * millis;
            while let Some(left) = self.owed[at].checked_sub(1000) {
                self.owed[at] = left;
                (deed.act)(self, scene, street, self.done[at]);
                self.done[at] += 1;
            }
        }
    }

    /// How often each deed was done.
    pub(super) fn deeds(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = TABLE.iter().zip(&self.done);
        all.map(|(deed, done)| (deed.what, *done))
    }

    const fn next(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        fill(&mut self.rng, &mut bytes);
        bytes
    }

    fn any_join(&mut self, town: &Town) -> String {
        ReservedTopic::Join(Fingerprint(self.bytes())).name(&town.prefix)
    }

    fn random(&mut self, scene: &Scene<'_>, street: &mut Street, _: u64) {
        let garbage: [u8; GARBAGE] = self.bytes();
        let topic = self.any_join(scene.town);
        street.broker.publish(&topic, garbage.as_slice(), true);
    }

    /// Sealed to the right key, as far as anybody can see.
    fn formed(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let Some(Packet { topic, payload, .. }) = street.broker.heard("join", n).cloned() else {
            return self.random(scene, street, n);
        };
        let mut payload = payload.to_vec();
        // Behind the lengths that it states.
        let end = payload.len().saturating_sub(64);
        fill(&mut self.rng, &mut payload[end..]);
        let topic = if n.is_multiple_of(2) {
            self.any_join(scene.town)
        } else {
            (*topic).to_owned()
        };
        street.broker.publish(&topic, payload, true);
    }

    fn tokenless(&mut self, scene: &Scene<'_>, street: &mut Street, _: u64) {
        let (topic, request) = forge::join_request(scene.town, self.next(), false);
        street.broker.publish(&topic, request, true);
    }

    fn made_up(&mut self, scene: &Scene<'_>, street: &mut Street, _: u64) {
        let (topic, request) = forge::join_request(scene.town, self.next(), true);
        street.broker.publish(&topic, request, true);
    }

    /// What somebody else asked for, there or elsewhere.
    fn copied(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let number = u64::from_le_bytes(self.bytes());
        let Some(Packet { topic, payload, .. }) = street.broker.heard("join", number).cloned()
        else {
            return;
        };
        let topic = if n.is_multiple_of(3) {
            self.any_join(scene.town).into()
        } else {
            topic
        };
        street.broker.publish(&topic, payload, true);
    }

    fn nonce_at(&mut self, resident: &Resident, town: &Town, street: &mut Street, n: u64) {
        let member = resident.engine.member().number();
        let topic = ReservedTopic::Nonce(town.group, member).name(&town.prefix);
        let heard = street.broker.heard.get("nonce");
        let own = heard.and_then(|heard| heard.iter().rev().find(|p| *p.topic == topic));
        let mut payload = own.map_or_else(|| vec![0; 16], |packet| packet.payload.to_vec());
        match n % 4 {
            // As it was.
            0 => {}
            1 => {
                let byte = n as usize / 4 % payload.len();
                payload[byte] ^= 1 << (n % 8);
            }
            2 => payload = self.bytes::<16>().to_vec(),
            _ => fill(&mut self.rng, &mut payload),
        }
        street.broker.publish(&topic, payload, false);
    }

    fn nonce(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let clockless = scene.residents.iter().filter(|r| !r.has_clock);
        let clockless: Vec<_> = clockless.collect();
        let resident = clockless[n as usize % clockless.len()];
        self.nonce_at(resident, scene.town, street, n / clockless.len() as u64);
    }

    fn nonce_of_one(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let resident = scene.residents.iter().find(|r| !r.has_clock);
        self.nonce_at(resident.unwrap(), scene.town, street, n);
    }

    fn own_nonce(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let (topic, nonce) = forge::nonce(scene.town, n as usize % HOSTILE, START + n);
        street.broker.publish(&topic, nonce, false);
    }

    fn packages(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let (member, number) = (n as usize % HOSTILE, 2 + n / HOSTILE as u64);
        let (topic, set) = forge::package_set(scene.town, member, number as u32);
        street.broker.publish(&topic, set, true);
    }

    /// What members said before, there or where another one would say it.
    fn replayed(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let kind = ["confirm", "packages"][n as usize % 2];
        let number = u64::from_le_bytes(self.bytes());
        let Some(Packet { topic, payload, .. }) = street.broker.heard(kind, number).cloned() else {
            return;
        };
        let topic = if n % 4 < 2 {
            (*topic).to_owned()
        } else {
            let other = &scene.residents[n as usize % scene.residents.len()];
            let member = other.engine.member().number();
            let topic = match kind {
                "confirm" => ReservedTopic::Confirm(member),
                _ => ReservedTopic::Packages(member),
            };
            topic.name(&scene.town.prefix)
        };
        street.broker.publish(&topic, payload, true);
    }

    /// A genuine envelope with a session that nobody began.
    fn forged(&mut self, _: &Scene<'_>, street: &mut Street, n: u64) {
        let heard = street.broker.heard.get("envelope");
        let Some(Packet { topic, payload, .. }) = heard.and_then(|h| h.back()).cloned() else {
            return;
        };
        let mut payload = payload.to_vec();
        fill(&mut self.rng, &mut payload[ENCAPSULATED]);
        let topic = if n.is_multiple_of(2) {
            "plant/flood".into()
        } else {
            topic
        };
        street.broker.publish(&topic, payload, false);
    }

    fn backwards(&mut self, _: &Scene<'_>, street: &mut Street, n: u64) {
        let Some(heard) = street.broker.heard.get("announcement") else {
            return;
        };
        let at = heard.len() - 1 - n as usize % heard.len();
        let Packet { topic, payload, .. } = heard[at].clone();
        // Only what stands there: whatever else the authority repairs.
        if street.broker.retained.get(&topic) == Some(&payload) {
            street.broker.publish(&topic, payload, true);
        }
    }

    fn unknown_sender(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let reader = &scene.residents[0];
        if let Some((topic, envelope)) = forge::envelope(scene.town, reader, n, street.now) {
            street.broker.publish(&topic, envelope, false);
        }
    }

    /// One topic after the other: nothing, or what nobody can use.
    fn clear(&mut self, topics: &[Arc<str>], street: &mut Street, n: u64) {
        if topics.is_empty() {
            return;
        }
        let topic = &topics[n as usize % topics.len()];
        let payload = if n % 5 == 4 { &b"nothing"[..] } else { b"" };
        street.broker.publish(topic, payload, true);
    }

    fn clear_group(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let under = format!("{}/g/", scene.town.prefix);
        let mut topics = retained(street, &under, usize::MAX);
        topics.push(format!("{}/delegation", scene.town.prefix).into());
        self.clear(&topics, street, n);
    }

    fn clear_members(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let resident = &scene.residents[n as usize % scene.residents.len()];
        let member = resident.engine.member().number();
        let under = format!("{}/m/{member}/", scene.town.prefix);
        let topics = retained(street, &under, usize::MAX);
        self.clear(&topics, street, n / scene.residents.len() as u64);
    }

    fn clear_all(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let after = self.cleared.clone();
        let under = format!("{}/", scene.town.prefix);
        let mut all = street.broker.retained.range(after..);
        let found = all.nth(1).map(|(topic, _)| topic.clone());
        self.cleared = found
            .filter(|topic| topic.starts_with(&under))
            .unwrap_or_else(|| under.into());
        let topic = self.cleared.clone();
        street.cleared.insert(topic.clone(), self.done_clears);
        self.done_clears += 1;
        self.clear(&[topic], street, n - n % 5);
    }

    fn plant(&mut self, scene: &Scene<'_>, street: &mut Street, n: u64) {
        let prefix = &scene.town.prefix;
        let device = Fingerprint(self.bytes());
        let member = sealmq_core::MemberNumber(2_000_000 + n as u32);
        let topic = match n % 6 {
            0 => format!("{prefix}/elsewhere/{n}"),
            1 => ReservedTopic::Join(device).name(prefix),
            2 => ReservedTopic::Answer(device).name(prefix),
            3 => ReservedTopic::Packages(member).name(prefix),
            4 => ReservedTopic::Credential(member).name(prefix),
            _ => ReservedTopic::Announcement(scene.town.group, 1 << 40 | n).name(prefix),
        };
        street.broker.publish(&topic, self.planted.clone(), true);
    }
}

fn retained(street: &Street, under: &str, most: usize) -> Vec<Arc<str>> {
    let topics = street.broker.retained.range(Arc::from(under)..);
    let topics = topics.map(|(topic, _)| topic.clone());
    let topics = topics.take_while(|topic| topic.starts_with(under));
    topics.take(most).collect()
}
