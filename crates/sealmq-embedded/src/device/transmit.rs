//! What a device subscribes and publishes.

use core::fmt;

use sealmq_core::object::{List, encode};
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::{
    Confirmation, ConfirmationEntry, MAX_NONCE_LEN, NonceFields, PackageSet,
};
use sealmq_keys::package_age::MIN_SET;
use zeroize::Zeroizing;

use super::Device;
use super::group::Group;
use crate::Clock;
use crate::packages::MAX_PACKAGE;
use crate::records::MAX_GROUPS;

/// Room for the entries of all groups: one has at most 69 bytes.
const ENTRIES: usize = 72 * MAX_GROUPS;
/// Room for a set: each package and its length.
const SET: usize = MIN_SET * (MAX_PACKAGE + 2);

/// What to subscribe with QoS 1, or to unsubscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// One topic.
    Topic(ReservedTopic),
    /// Everything of this member.
    Own(MemberNumber),
    /// All announcements of a group.
    Announcements(GroupId),
    /// The records of all sessions in the short form (spec/envelope.md §12).
    Records,
}

impl Filter {
    /// The filter under `prefix`, to be written into a buffer.
    #[must_use]
    pub const fn under<'p>(&'p self, prefix: &'p str) -> impl fmt::Display + 'p {
        Under(self, prefix)
    }
}

struct Under<'p>(&'p Filter, &'p str);

impl fmt::Display for Under<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.1;
        match self.0 {
            Filter::Topic(topic) => topic.under(prefix).fmt(f),
            Filter::Own(member) => write!(f, "{prefix}/m/{member}/#"),
            Filter::Announcements(group) => write!(f, "{prefix}/g/{group}/a/+"),
            Filter::Records => write!(f, "{prefix}/g/+/s/+"),
        }
    }
}

/// One thing to publish with QoS 1: the payload stands at the start of the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// Where.
    pub topic: ReservedTopic,
    /// How many bytes.
    pub len: usize,
    /// MQTT's retain flag.
    pub retain: bool,
}

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    /// What to subscribe after each connection, before the application's own topics, in this order.
    pub fn subscriptions(&self) -> impl Iterator<Item = Filter> {
        let own = self.number();
        let groups = self.groups.iter().flatten();
        let of_groups = groups.flat_map(|group| {
            let id = group.id;
            [
                Filter::Topic(ReservedTopic::RefusedList(id)),
                Filter::Announcements(id),
                Filter::Topic(ReservedTopic::KeptKeys(id)),
                Filter::Topic(ReservedTopic::Heartbeat(id)),
            ]
        });
        [Filter::Topic(ReservedTopic::Delegation), Filter::Own(own)]
            .into_iter()
            .chain(of_groups)
    }

    /// A connection began, and [`Device::subscriptions`] were made: what the broker keeps of this
    /// device is published again.
    pub fn connected(&mut self) {
        self.connection.begun();
        self.confirm = self
            .groups
            .iter()
            .flatten()
            .any(|group| group.state().is_some());
        self.packages.to_send = true;
        self.peers.connected();
        for group in self.groups.iter_mut().flatten() {
            group.ask.wanted = group.wanted.is_some();
            group.ask.announcements = false;
            group.ask.list = false;
            group.ask.heartbeat = false;
            group.chunks.connected();
            group.asking.reset();
            if let Some(record) = &mut group.own_record {
                record.due.connected();
            }
        }
        self.session_records.ask_again();
        self.ask_records = self.session_records.is_on();
    }

    /// One more subscription that is due, until `None`: new ones, and such as make the broker deliver
    /// once more what it keeps.
    pub fn poll_subscribe(&mut self) -> Option<Filter> {
        if !self.own_asked && self.own_end().is_none() {
            self.own_asked = true;
            return Some(Filter::Own(self.number()));
        }
        for (place, group) in (0..).zip(&mut self.groups) {
            let Some(group) = group else { continue };
            let id = group.id;
            if core::mem::take(&mut group.ask.list) {
                return Some(Filter::Topic(ReservedTopic::RefusedList(id)));
            }
            let own = group.ask.chunk.take();
            if let Some(first) = own.or_else(|| self.peers.chunk_due(place)) {
                return Some(Filter::Topic(ReservedTopic::RefusedChunk(id, first)));
            }
            if let Some(topic) = group.poll_single() {
                return Some(Filter::Topic(topic));
            }
            if core::mem::take(&mut group.ask.announcements) {
                return Some(Filter::Announcements(id));
            }
            if core::mem::take(&mut group.ask.heartbeat) {
                return Some(Filter::Topic(ReservedTopic::Heartbeat(id)));
            }
        }
        if core::mem::take(&mut self.ask_records) {
            return Some(Filter::Records);
        }
        let mut wanted = self.peers.wanted.iter_mut().flatten();
        let (member, asked) = wanted.find(|(_, asked)| !*asked)?;
        *asked = true;
        Some(Filter::Topic(ReservedTopic::Credential(*member)))
    }

    /// One more subscription that nothing is missing from any more, until `None`. Not to end one costs
    /// nothing but a place at the broker, as long as the connection.
    pub fn poll_unsubscribe(&mut self) -> Option<Filter> {
        let mut groups = self.groups.iter_mut().flatten();
        groups.find_map(Group::poll_unused).map(Filter::Topic)
    }

    /// One more thing to publish, until `None`; nothing while records are [due](Device::due). When the
    /// broker has acknowledged it, say so: [`Device::acknowledged`]. 1.5 KiB of `out` are enough;
    /// nothing is lost if it is too short.
    pub fn poll_transmit(&mut self, at: Clock, out: &mut [u8]) -> Option<Transmit> {
        if self.due != 0 {
            return None;
        }
        let own = self.poll_own(out);
        own.or_else(|| self.poll_nonce(out))
            .or_else(|| self.poll_record(self.clock(at), out))
    }

    /// What goes on topics of this member's own.
    fn poll_own(&mut self, out: &mut [u8]) -> Option<Transmit> {
        if self.confirm {
            let len = self.write_confirmation(out)?;
            self.confirm = false;
            let topic = ReservedTopic::Confirm(self.number());
            return Some(Transmit {
                topic,
                len,
                retain: true,
            });
        }
        if self.packages.to_send && self.packages.newest_set().next().is_some() {
            let len = self.write_set(out)?;
            self.packages.to_send = false;
            let topic = ReservedTopic::Packages(self.number());
            return Some(Transmit {
                topic,
                len,
                retain: true,
            });
        }
        None
    }

    fn poll_nonce(&mut self, out: &mut [u8]) -> Option<Transmit> {
        let member = self.number();
        let (domain, identity) = (self.delegation_domain(), &self.identity);
        let mut groups = self.groups.iter_mut().flatten();
        let group = groups.find(|group| group.leases.to_send)?;
        let asked = *group.leases.newest()?;
        let fields = NonceFields {
            domain,
            member,
            number: asked.number,
            group: group.id,
            nonce: asked.nonce,
        };
        let out = out.get_mut(..MAX_NONCE_LEN)?;
        let len = fields.sign(identity, out).ok()?.0.len();
        group.leases.to_send = false;
        let topic = ReservedTopic::Nonce(group.id, member);
        Some(Transmit {
            topic,
            len,
            retain: false,
        })
    }

    fn delegation_domain(&self) -> sealmq_core::DomainId {
        self.domain()
    }

    fn write_confirmation(&self, out: &mut [u8]) -> Option<usize> {
        let mut entries: [Option<ConfirmationEntry>; MAX_GROUPS] = [None; MAX_GROUPS];
        let states = self
            .groups
            .iter()
            .flatten()
            .filter_map(|group| group.state());
        for (place, state) in entries.iter_mut().zip(states) {
            *place = Some(state.confirmation());
        }
        entries.sort_unstable_by_key(|entry| entry.map(|entry| entry.group));
        let mut list = [0; ENTRIES];
        let confirmation = Confirmation {
            domain: self.domain(),
            member: self.number(),
            entries: List::encode(entries.iter().flatten(), &mut list).ok()?,
        };
        Some(confirmation.sign(&self.identity, out).ok()?.0.len())
    }

    fn write_set(&self, out: &mut [u8]) -> Option<usize> {
        let mut list = Zeroizing::new([0; SET]);
        let mut used = 0_usize;
        for package in self.packages.newest_set() {
            let mut object = [0; MAX_PACKAGE];
            let (object, _) = package
                .sign(self.domain(), &self.identity, &mut object)
                .ok()?;
            used = used.checked_add(encode(&object, list.get_mut(used..)?).ok()?.len())?;
        }
        let list = List::from_encoded(list.get(..used)?).ok()?;
        let identity = self.identity.verifying_key();
        let set = PackageSet::encode(&list, &self.domain(), &identity, out);
        Some(set.ok()?.len())
    }
}
