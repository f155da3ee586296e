//! Members on hosts.

use sealmq_core::object::Access;
use sealmq_keys::member::{Action, Delivery, Member, MemberOptions, OutgoingMessage};
use sealmq_keys::objects::decode_request;
use sealmq_keys::{Publication, Store as _};
use sealmq_store::MemoryStore;

use super::{Net, YEAR, grant, matches};
use crate::stand_ins::TestRng;

pub struct Host {
    pub member: Member,
    store: MemoryStore,
    rng: TestRng,
    pub inbox: Vec<Vec<u8>>,
    pub rejected: Vec<String>,
}

impl Net {
    /// A host's member, joined and connected.
    pub fn host(&mut self, name: &str, access: Access) -> usize {
        let mut store = MemoryStore::default();
        let mut rng = TestRng(500_000 + 1000 * self.hosts.len() as u64, false);
        let (changes, file) = Member::request(&store, name, 4, Some(self.now), &mut rng).unwrap();
        store.commit(&changes).unwrap();
        let request = decode_request(&file).unwrap();
        let (enrolled, plan) = self
            .authority
            .enrol(
                &request,
                &[grant(access)],
                YEAR,
                self.now / 1000,
                &mut self.rng,
            )
            .unwrap();
        self.carry_out(plan);
        let (changes, _) =
            Member::enrol(&store, &enrolled.credential_file, Some(self.now)).unwrap();
        store.commit(&changes).unwrap();
        let member = Member::load(&store, MemberOptions::default()).unwrap();
        self.hosts.push(Host {
            member,
            store,
            rng,
            inbox: Vec::new(),
            rejected: Vec::new(),
        });
        self.tick_authority();
        let host = self.hosts.len() - 1;
        let kept: Vec<_> = self.retained.clone().into_iter().collect();
        // Keys before messages.
        for reserved in [true, false] {
            for (topic, payload) in &kept {
                if self.hosts[host].member.is_reserved(topic) == reserved {
                    self.deliver_host(host, topic, payload, true);
                }
            }
        }
        host
    }

    pub fn tick_host(&mut self, host: usize) {
        let this = &mut self.hosts[host];
        let mut actions = this.member.tick(Some(self.now));
        actions.extend(this.member.maintain(Some(self.now), &mut this.rng));
        self.act(host, actions);
    }

    pub fn deliver_host(&mut self, host: usize, topic: &str, payload: &[u8], retained: bool) {
        let now = Some(self.now);
        let this = &mut self.hosts[host];
        if this.member.is_reserved(topic) {
            let actions = this.member.handle_reserved(topic, payload, now);
            self.act(host, actions);
        } else {
            let (opened, actions) = this.member.open(topic, payload, retained, now);
            self.act(host, actions);
            match opened {
                Delivery::Message(message) => {
                    self.hosts[host].inbox.push(message.payload().to_vec())
                }
                Delivery::Rejected(rejection) => {
                    self.hosts[host].rejected.push(rejection.name().into())
                }
                Delivery::Waiting(_) => {}
            }
        }
    }

    fn act(&mut self, host: usize, actions: Vec<Action>) {
        for action in actions {
            let this = &mut self.hosts[host];
            match action {
                Action::Commit(changes) => this.store.commit(&changes).unwrap(),
                Action::Subscribe(filter) => {
                    let kept: Vec<_> = self.retained.clone().into_iter().collect();
                    for (topic, payload) in kept {
                        if matches(&filter, &topic) {
                            self.deliver_host(host, &topic, &payload, true);
                        }
                    }
                }
                Action::Publish(publication) => self.publish(&publication),
                Action::Message(_, message) => this.inbox.push(message.payload().to_vec()),
                Action::Rejected(_, _, rejection) => this.rejected.push(rejection.name().into()),
                _ => {}
            }
        }
    }

    /// The record that is due before a message of the short form; the broker has it from then on.
    pub fn record_of_host(
        &mut self,
        host: usize,
        message: &OutgoingMessage<'_>,
    ) -> Option<Publication> {
        let this = &mut self.hosts[host];
        let due = this
            .member
            .record_due(message, Some(self.now), &mut this.rng)
            .unwrap()?;
        this.store.commit(&due.changes).unwrap();
        let record = due.publication;
        this.member
            .record_published(&record.topic, &record.payload)
            .unwrap();
        Some(record)
    }

    pub fn seal_host(&mut self, host: usize, message: &OutgoingMessage<'_>) -> Vec<u8> {
        let this = &mut self.hosts[host];
        let sealed = this
            .member
            .seal(message, Some(self.now), &mut this.rng)
            .unwrap();
        this.store.commit(&sealed.changes).unwrap();
        sealed.payload
    }
}
