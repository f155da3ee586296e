//! An authority whose store was put back, beside the broker of the net that went on.

use sealmq_authority::{Authority, AuthorityEvent, EvidenceKind, Plan, ResumeOptions, RootKey};
use sealmq_keys::objects::Roles;
use sealmq_keys::{Publication, Store};

use super::common::{MemoryStore, TestRng};
use super::net::{Net, START, YEAR};

/// An authority from an old copy of a store, and what it says about the broker's objects.
pub struct Restored {
    pub authority: Authority,
    pub store: MemoryStore,
    pub events: Vec<AuthorityEvent>,
}

impl Restored {
    pub fn from(copy: &MemoryStore) -> Self {
        Self {
            authority: Authority::load(copy).unwrap(),
            store: copy.clone(),
            events: Vec::new(),
        }
    }

    pub fn commit(&mut self, plan: Plan) -> Vec<Publication> {
        self.store.commit(&plan.changes).unwrap();
        self.events.extend(plan.events);
        plan.publications
    }

    pub fn observe(&mut self, topic: &str, payload: &[u8]) -> Vec<Publication> {
        let plan = self.authority.observe(&self.store, topic, payload, START);
        self.commit(plan.unwrap())
    }

    /// Everything at the broker whose topic contains a text.
    pub fn observe_all(&mut self, net: &Net, part: &str) {
        for (topic, payload) in net.retained.iter().filter(|(t, _)| t.contains(part)) {
            self.observe(topic, payload);
        }
    }

    pub fn evidence(&self) -> Option<EvidenceKind> {
        Some(self.authority.suspension()?.evidence?.kind)
    }
}

/// The root's answer for the keys that the authority has.
pub fn delegation(net: &Net, authority: &mut Authority, serial: u32) -> Vec<u8> {
    let root = RootKey::from_seed(&net.root.seed());
    let rng = &mut TestRng::new(1);
    let (request, _) = authority
        .request_delegation(false, false, START, rng)
        .unwrap();
    root.delegate(&request, serial, START, START + YEAR, Roles::ALL)
        .unwrap()
}

/// The same for new keys.
pub fn new_keys(net: &Net, restored: &mut Restored, serial: u32) -> Vec<u8> {
    let root = RootKey::from_seed(&net.root.seed());
    let rng = &mut TestRng::new(2);
    let request = restored
        .authority
        .request_delegation(true, false, START, rng);
    let (request, plan) = request.unwrap();
    restored.commit(plan);
    root.delegate(&request, serial, START, START + YEAR, Roles::ALL)
        .unwrap()
}

/// A copy of the log, and nothing else.
pub fn log(entries: &[Vec<u8>]) -> ResumeOptions<'_> {
    ResumeOptions {
        log: Some(entries),
        ..ResumeOptions::default()
    }
}

/// The restored authority takes the place of the net's.
pub fn put_in_place(net: &mut Net, restored: &Restored, publications: Vec<Publication>) {
    net.authority = Authority::load(&restored.store).unwrap();
    net.authority_store = restored.store.clone();
    for publication in publications {
        net.publish(publication);
    }
}
