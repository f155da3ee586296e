//! Opening in the receive buffer.

use sealmq_core::crypto::SessionPsk;
use sealmq_core::object::{Kind, Object};
use sealmq_core::open::{
    DeviceReceiver, Directory, Epochs, Opened, ReadPolicy, ReadingEpoch, Rejection, Request,
    Sender, SenderQuery,
};
use sealmq_core::topic::Topic;
use sealmq_core::{Credential, CredentialOrder, KeyId, MemberNumber, VerifiedCredential};
use sealmq_keys::objects::VerifiedDelegation;
use sealmq_keys::standing::{Holding, Issued, Standing};

use super::group::Group;
use super::lists::lowest_of;
use super::peers::Peers;
use super::{Device, holding, moment};
use crate::Clock;
use crate::bytes::Bytes;

/// What was opened: payload, properties and who sent it.
pub type Message<'b> = Opened<'b>;

/// What the receiver looks things up in.
pub(super) struct View<'a, const G: usize, const S: usize, const O: usize> {
    groups: &'a [Option<Group>; G],
    peers: &'a Peers<S, G, O>,
    own: &'a VerifiedCredential<Bytes<O>>,
    own_end: Option<u64>,
    delegation: &'a VerifiedDelegation,
    delegation_object: &'a [u8],
    at: Clock,
    /// The psk of the epoch that the envelope names, if it is one of events.
    psk: Option<SessionPsk>,
}

impl<const G: usize, const S: usize, const O: usize> Epochs for View<'_, G, S, O> {
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>> {
        self.groups.iter().flatten().find_map(|group| {
            let state = group.state()?;
            let policy = state.policy().copied().unwrap_or_default();
            let (epoch, announcement, key_pair, psk, for_state) =
                if let Some(view) = state.by_key_id(key_id) {
                    (
                        view.epoch,
                        *view.hash,
                        view.key_pair?,
                        self.psk.as_ref()?,
                        false,
                    )
                } else {
                    let kept = state
                        .kept()
                        .filter(|kept| KeyId::of(&kept.name) == *key_id)?;
                    (
                        state.current_epoch(),
                        kept.name,
                        kept.key_pair?,
                        kept.psk,
                        true,
                    )
                };
            let standing = self.standing(group, holding(self.own, &group.id, self.own_end));
            Some(ReadingEpoch {
                group: group.id,
                epoch,
                for_state,
                announcement,
                suite: self.delegation.suite().data_path(),
                key_pair,
                psk,
                not_after: standing.reads_until(moment(self.at))?,
                policy: ReadPolicy {
                    skew: policy.skew,
                    grace: policy.grace,
                    freshness: policy.freshness,
                    will_age: policy.will_age,
                },
            })
        })
    }
}

impl<const G: usize, const S: usize, const O: usize> View<'_, G, S, O> {
    fn standing<'v>(&'v self, group: &'v Group, holding: Holding<'v>) -> Standing<'v> {
        Standing {
            group: group.id,
            state: group.state(),
            keys_end: group.keys_end(self.delegation),
            removed: false,
            holding,
            covered: None,
        }
    }

    fn judge<B: AsRef<[u8]>>(
        &self,
        query: &SenderQuery<'_>,
        credential: &VerifiedCredential<B>,
        end: Option<u64>,
    ) -> Option<Sender> {
        let mut groups = self.groups.iter().enumerate();
        let (place, group) = groups.find_map(|(place, group)| {
            Some((place, group.as_ref().filter(|g| g.id == query.group)?))
        })?;
        let fields = credential.fields();
        let grant = fields.grant(&group.id);
        let standing = self.standing(
            group,
            Holding {
                member: fields.member,
                name: fields.name,
                serial: fields.credential_serial,
                key: credential.key(),
                hash: credential.hash(),
                grant: grant.map(|grant| (grant.access, grant.publish_filter)),
                end,
            },
        );
        let issued = Issued {
            delegation: fields.serial,
            issued_at: fields.issued_at,
            not_after: fields.not_after,
        };
        let lowest = lowest_of(group, self.peers.get(fields.member), place);
        Some(standing.sender(query.topic, &issued, lowest, moment(self.at)))
    }

    fn end_of<B: AsRef<[u8]>>(&self, credential: &VerifiedCredential<B>) -> Option<u64> {
        Some(
            credential
                .fields()
                .not_after
                .min(self.delegation.not_after()),
        )
    }

    fn known(&self, member: MemberNumber) -> Option<(&VerifiedCredential<Bytes<O>>, Option<u64>)> {
        if self.own.fields().member == member {
            return self.own_end.map(|end| (self.own, Some(end)));
        }
        let peer = &self.peers.get(member)?.credential;
        Some((peer, self.end_of(peer)))
    }
}

impl<const G: usize, const S: usize, const O: usize> Directory for View<'_, G, S, O> {
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        let (credential, end) = self.known(query.member)?;
        self.judge(query, credential, end)
    }

    fn admit(
        &self,
        query: &SenderQuery<'_>,
        credential: &[u8],
        known: Option<CredentialOrder>,
    ) -> Option<Sender> {
        // First what costs no signature.
        let object = Object::parse(credential, Kind::Credential).ok()?;
        let (fields, _) = object.decode::<Credential<'_>>().ok()?;
        let newer = known.is_none_or(|known| fields.order() > known);
        let now = super::seconds(self.at);
        let in_time = now.is_none_or(|now| now <= self.delegation.not_after());
        if fields.member != query.member || !newer || !in_time {
            return None;
        }
        let verified = VerifiedCredential::verify(credential, self.delegation).ok()?;
        // A number is bound to its key for life.
        let own = (self.own.fields().member == query.member).then_some(self.own);
        let known = own.or_else(|| Some(&self.peers.get(query.member)?.credential));
        if known.is_some_and(|known| known.key() != verified.key()) {
            return None;
        }
        self.judge(query, &verified, self.end_of(&verified))
    }

    fn admit_older(&self, query: &SenderQuery<'_>, credential: &[u8]) -> Option<Sender> {
        let object = Object::parse(credential, Kind::Credential).ok()?;
        let (fields, _) = object.decode::<Credential<'_>>().ok()?;
        if fields.member != query.member {
            return None;
        }
        let verified = self
            .delegation
            .verify_older(self.delegation_object, credential)?;
        self.judge(query, &verified, self.end_of(&verified))
    }
}

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    /// Opens a message in place: `buf` is the payload of a PUBLISH on `topic`, `retained` whether the
    /// broker delivered it with the retain flag. Store [`Device::next_seen`] before the payload is
    /// used, if nothing may be replayed after a power cut.
    ///
    /// # Errors
    /// Nothing was recorded. A rejection that [may wait](Rejection::may_wait) leaves the envelope in
    /// `buf`: offer it again when an [`super::Event`] says that something came, or let the broker
    /// deliver it again. What it waits for is asked for.
    pub fn open<'b>(
        &mut self,
        topic: &str,
        retained: bool,
        at: Clock,
        buf: &'b mut [u8],
    ) -> Result<Message<'b>, Rejection> {
        if !Self::READS {
            return Err(Rejection::Rejected);
        }
        let at = self.clock(at);
        let topic = Topic::new(topic).map_err(|_| Rejection::Rejected)?;
        let request = Request {
            retained,
            now: at.now,
            uptime: at.uptime,
            drop_own: Some(self.own.fields().member),
            ..Request::new(topic)
        };
        let result = self.with_view(at, buf, |view, receiver, buf| {
            receiver.open(&request, view, view, buf)
        });
        match &result {
            Ok(message) => {
                let sender = message.sender();
                self.peers.heard(sender);
                if let Some(credential) = message.credential() {
                    self.peers.take(sender, credential, &self.delegation);
                }
            }
            Err(rejection) => self.want_for(rejection, at),
        }
        result
    }

    /// What was rejected waits for something: it will be asked for.
    pub(super) fn want_for(&mut self, rejection: &Rejection, at: Clock) {
        if let Some(member) = rejection.awaited_credential() {
            self.peers.want(member);
        }
        if let Some((group, member)) = rejection.awaited_list() {
            self.want_list(&group, member, at);
        }
        if matches!(rejection, Rejection::UnknownSession { .. }) {
            self.want_records(at);
        }
    }

    /// Opens something with what the receiver looks things up in.
    pub(super) fn with_view<'b, R>(
        &mut self,
        at: Clock,
        buf: &'b mut [u8],
        run: impl FnOnce(&View<'_, G, S, O>, &mut DeviceReceiver<S, T, K>, &'b mut [u8]) -> R,
    ) -> R {
        let key_id = self.receiver.key_id(buf);
        let mut groups = self.groups.iter().flatten();
        let psk = key_id
            .and_then(|id| groups.find_map(|g| Some(g.state()?.by_key_id(&id)?.psk().session())));
        let view = View {
            groups: &self.groups,
            peers: &self.peers,
            own: &self.own,
            own_end: self.own_end(),
            delegation: &self.delegation,
            delegation_object: self.delegation_object.as_ref(),
            at,
            psk,
        };
        run(&view, &mut self.receiver, buf)
    }
}
