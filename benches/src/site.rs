//! A domain with many groups, and members as applications have them: with a store, a member's whole
//! state, and everything that the authority published.

use std::collections::BTreeMap;

use rand_core::TryCryptoRng;
use sealmq_authority::{Authority, GrantSpec, NewGroup, Plan};
use sealmq_core::MemberNumber;
use sealmq_core::object::Access;
use sealmq_keys::member::{Action, Delivery, Member, MemberOptions, OutgoingMessage};
use sealmq_keys::objects::decode_request;
use sealmq_keys::{ReservedTopic, Store as _};
use sealmq_store::MemoryStore;

use crate::domain::{CountingRng, NOW, YEAR};

/// Unix milliseconds.
const NOW_MS: u64 = NOW * 1000;

/// An authority, and what the broker keeps of its publications.
pub struct Site {
    authority: Authority,
    rng: CountingRng,
    /// What all members see: the groups' objects and the delegation.
    shared: BTreeMap<String, Vec<u8>>,
    /// What is on topics of one member.
    own: BTreeMap<MemberNumber, BTreeMap<String, Vec<u8>>>,
    groups: Vec<String>,
    filters: usize,
}

/// A member with its store.
pub struct Device {
    /// The member's machine.
    pub member: Member,
    store: MemoryStore,
}

impl Site {
    /// A domain with so many groups of so many filters each, none of which overlap.
    #[must_use]
    pub fn new(groups: usize, filters: usize, depth: u8) -> Self {
        let mut rng = CountingRng::new(7);
        let new = Authority::create(None, YEAR, NOW, &mut rng).unwrap();
        let mut site = Self {
            authority: new.authority,
            rng,
            shared: BTreeMap::new(),
            own: BTreeMap::new(),
            groups: (0..groups).map(|group| format!("group{group}")).collect(),
            filters,
        };
        for (group, name) in site.groups.clone().iter().enumerate() {
            let new = NewGroup {
                depth,
                ..NewGroup::new(name, (0..filters).map(|n| format!("site/{group}/{n}/+")))
            };
            let plan = site.authority.add_group(&new, NOW, &mut site.rng).unwrap();
            site.publish(plan);
        }
        site
    }

    /// A topic of the last filter of the last group.
    #[must_use]
    pub fn topic(&self, name: &str) -> String {
        let (group, filter) = (self.groups.len() - 1, self.filters - 1);
        format!("site/{group}/{filter}/{name}")
    }

    /// Enrols a device that may do this in every group. It has no keys until [`Site::tick`] and
    /// [`Site::catch_up`].
    #[must_use]
    pub fn enrol(&mut self, name: &str, access: Access) -> Device {
        let mut store = MemoryStore::default();
        let now = Some(NOW_MS);
        let packages = u32::try_from(self.groups.len()).unwrap() + 1;
        let (changes, file) = Member::request(&store, name, packages, now, &mut self.rng).unwrap();
        store.commit(&changes).unwrap();
        let grants: Vec<GrantSpec> = self
            .groups
            .iter()
            .map(|group| GrantSpec {
                group: group.clone(),
                access,
                publish_filter: String::new(),
            })
            .collect();
        let request = decode_request(&file).unwrap();
        let (enrolled, plan) = self
            .authority
            .enrol(&request, &grants, YEAR, NOW, &mut self.rng)
            .unwrap();
        self.publish(plan);
        let (changes, _) = Member::enrol(&store, &enrolled.credential_file, now).unwrap();
        store.commit(&changes).unwrap();
        let member = Member::load(&store, MemberOptions::default()).unwrap();
        Device { member, store }
    }

    /// What the authority does by itself: the first announcements, for example.
    pub fn tick(&mut self) {
        let plan = self.authority.tick(NOW, &mut self.rng).unwrap();
        self.publish(plan);
    }

    /// Shows a device what the broker keeps of its groups and of itself.
    pub fn catch_up(&self, device: &mut Device) {
        let own = self.own.get(&device.member.number());
        for (topic, payload) in self.shared.iter().chain(own.into_iter().flatten()) {
            device.handle(topic, payload);
        }
    }

    /// A first message: who the sender is, and its session.
    pub fn introduce(&self, topic: &str, sender: &mut Device, reader: &mut Device) {
        let mut message = OutgoingMessage::new(topic, &[0x5a; 256]);
        message.announce_credential = true;
        let envelope = sender.seal(&message, &mut CountingRng::new(3));
        reader.open(topic, &envelope);
    }

    fn publish(&mut self, plan: Plan) {
        let prefix = self.authority.prefix();
        for publication in plan.publications {
            let topic = ReservedTopic::parse(prefix, &publication.topic);
            let kept = match topic {
                Some(ReservedTopic::Credential(number) | ReservedTopic::Welcome(number, _)) => {
                    self.own.entry(number).or_default()
                }
                _ => &mut self.shared,
            };
            if publication.payload.is_empty() {
                kept.remove(&publication.topic);
            } else {
                kept.insert(publication.topic, publication.payload);
            }
        }
    }
}

impl Device {
    /// Hands over what came on a reserved topic.
    pub fn handle(&mut self, topic: &str, payload: &[u8]) {
        let actions = self.member.handle_reserved(topic, payload, Some(NOW_MS));
        self.obey(actions);
    }

    fn obey(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Action::Commit(changes) = action {
                self.store.commit(&changes).unwrap();
            }
        }
    }

    /// Seals one message, which says who its sender is if readers may not know it.
    #[must_use]
    pub fn seal(&mut self, message: &OutgoingMessage<'_>, rng: &mut impl TryCryptoRng) -> Vec<u8> {
        let sealed = self.member.seal(message, Some(NOW_MS), rng).unwrap();
        if !sealed.changes.is_empty() {
            self.store.commit(&sealed.changes).unwrap();
        }
        sealed.payload
    }

    /// Opens one message, which has to be authentic; commits included.
    pub fn open(&mut self, topic: &str, envelope: &[u8]) -> usize {
        let (delivery, actions) = self.member.open(topic, envelope, false, Some(NOW_MS));
        self.obey(actions);
        match delivery {
            Delivery::Message(received) => received.payload().len(),
            other => panic!("{other:?}"),
        }
    }

    /// What its member stored.
    pub(crate) fn into_store(self) -> MemoryStore {
        self.store
    }

    /// The member as a program that starts again has it.
    #[must_use]
    pub fn reload(&self) -> Member {
        Member::load(&self.store, MemberOptions::default()).unwrap()
    }
}
