//! A reader as a vector gives it: its keys, and what it knows of senders.

use alloc::collections::BTreeMap;

use sealmq_core::crypto::{KemKeyPair, SessionPsk};
use sealmq_core::object::Object;
use sealmq_core::open::{Directory, Epochs, ReadPolicy, ReadingEpoch, Sender, SenderQuery};
use sealmq_core::topic::{Filter, Topic, matches_grant};
use sealmq_core::{Credential, CredentialOrder, KeyId, VerifiedCredential};
use sealmq_keys::{KeptPsk, KeptSecret, REMOVED, ReaderSecret, kept_name};
use serde_json::Value;

use super::super::Input;
use crate::vectors::prelude::*;

/// What a reader holds of one group, as a vector gives it.
pub(super) struct Reader {
    pub(super) group: GroupId,
    pub(super) authority: Authority,
    filters: Vec<String>,
    policy: ReadPolicy,
    issued_at: u64,
    not_after: u64,
    delegation_not_after: u64,
    /// Whether the delivery in hand is read without a clock.
    pub(super) no_clock: bool,
    keys: Vec<Keys>,
    pub(super) credentials: BTreeMap<u32, VerifiedCredential<Vec<u8>>>,
    /// Those that were known before.
    pub(super) before: BTreeMap<u32, VerifiedCredential<Vec<u8>>>,
    /// `None`: the refused list is not there.
    refused: Option<BTreeMap<u32, u32>>,
    pub(super) drop_own: Option<MemberNumber>,
}

/// What opens the envelopes with one key id.
struct Keys {
    of: Of,
    /// H, or K'.
    name: Digest,
    key_pair: KemKeyPair,
    psk: SessionPsk,
}

/// What keys are of.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Epoch(u64),
    /// K.
    Kept(Digest),
}

impl Reader {
    pub(super) fn new(input: &Input<'_>) -> Self {
        let (authority, policy) = (input.authority("authority"), input.get("policy"));
        let credentials = input.list("credentials").into_iter().map(|credential| {
            let verified = VerifiedCredential::verify(credential.as_hex(), &authority).unwrap();
            (verified.fields().member.0, verified)
        });
        let epochs = input.list("epochs").into_iter().map(|epoch| {
            let reader = ReaderSecret::new(epoch.secret("reader_secret"));
            Keys {
                of: Of::Epoch(epoch.u64("epoch")),
                name: epoch.digest("hash"),
                key_pair: reader.group_key_pair(),
                psk: reader.psk().session(),
            }
        });
        let kept = input.list("kept").into_iter().map(|keys| {
            let kept = keys.digest("kept");
            Keys {
                of: Of::Kept(kept),
                name: kept_name(&kept),
                key_pair: KeptSecret::new(keys.secret("kept_secret")).key_pair(),
                psk: KeptPsk::new(keys.secret("kept_psk")).session(),
            }
        });
        let text = |filter: &Input<'_>| String::from_utf8(filter.as_text()).unwrap();
        let refusal = |entry: &Input<'_>| (entry.number("member"), entry.number("lowest_serial"));
        let unknown_list = input.raw().get("refused").is_some_and(Value::is_null);
        Self {
            group: input.group("group"),
            credentials: credentials.collect(),
            before: BTreeMap::new(),
            keys: epochs.chain(kept).collect(),
            authority,
            filters: input.list("filters").iter().map(text).collect(),
            policy: ReadPolicy {
                skew: policy.number("skew"),
                grace: policy.number("grace"),
                freshness: policy.number("freshness"),
                will_age: policy.number("will_age"),
            },
            issued_at: input.u64("issued_at"),
            not_after: input.u64("not_after"),
            delegation_not_after: input.opt_u64("delegation_not_after").unwrap_or(u64::MAX),
            no_clock: false,
            refused: (!unknown_list).then(|| input.list("refused").iter().map(refusal).collect()),
            drop_own: (!input.flag("own_messages")).then(|| MemberNumber(input.number("number"))),
        }
    }

    /// Keeps a credential that came inside.
    pub(super) fn learn(&mut self, credential: Vec<u8>) {
        let fresh = VerifiedCredential::verify(credential, &self.authority).unwrap();
        let member = fresh.fields().member.0;
        if let Some(before) = self.credentials.insert(member, fresh) {
            self.before.insert(member, before);
        }
    }

    /// What the keys with this name are of.
    pub(super) fn keys_of(&self, name: &Digest) -> Option<Of> {
        let keys = self.keys.iter().find(|keys| keys.name == *name)?;
        Some(keys.of)
    }

    fn judge(&self, credential: &VerifiedCredential<impl AsRef<[u8]>>, topic: Topic<'_>) -> Sender {
        let fields = credential.fields();
        let covers = |filter: &String| Filter::new(filter).unwrap().matches(topic);
        let covered = self.filters.iter().any(covers);
        let granted = fields.grant(&self.group).is_some_and(|grant| {
            let filter = Filter::new(grant.publish_filter);
            grant.access.may_publish()
                && (grant.publish_filter.is_empty()
                    || matches_grant(filter.unwrap(), fields.name, topic))
        });
        let lowest = |list: &BTreeMap<_, _>| list.get(&fields.member.0).copied().unwrap_or(0);
        let listed = self.refused.as_ref().map(lowest);
        // spec/keys.md §8: without a clock it is at least the time of the newest announcement.
        let over = self.no_clock && fields.not_after < self.issued_at;
        Sender {
            member: fields.member,
            key: *credential.key(),
            credential_hash: *credential.hash(),
            delegation: fields.serial,
            serial: fields.credential_serial,
            issued_at: fields.issued_at,
            not_after: fields.not_after.min(self.delegation_not_after),
            may_publish: covered && granted,
            lowest_serial: if over { Some(REMOVED) } else { listed },
        }
    }
}

impl Epochs for Reader {
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>> {
        let mut keys = self.keys.iter();
        let keys = keys.find(|keys| KeyId::of(&keys.name) == *key_id)?;
        let (epoch, for_state) = match keys.of {
            Of::Epoch(epoch) => (epoch, false),
            Of::Kept(_) => (0, true),
        };
        Some(ReadingEpoch {
            group: self.group,
            epoch,
            for_state,
            announcement: keys.name,
            suite: Suite::One,
            key_pair: &keys.key_pair,
            psk: &keys.psk,
            not_after: self.not_after.min(self.delegation_not_after),
            policy: self.policy,
        })
    }
}

impl Directory for Reader {
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        Some(self.judge(self.credentials.get(&query.member.0)?, query.topic))
    }

    fn sender_before(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        Some(self.judge(self.before.get(&query.member.0)?, query.topic))
    }

    fn admit(
        &self,
        query: &SenderQuery<'_>,
        credential: &[u8],
        known: Option<CredentialOrder>,
    ) -> Option<Sender> {
        let verified = VerifiedCredential::verify(credential, &self.authority).ok()?;
        let newer = known.is_none_or(|known| verified.fields().order() > known);
        (newer && verified.fields().member == query.member)
            .then(|| self.judge(&verified, query.topic))
    }

    fn admit_older(&self, query: &SenderQuery<'_>, credential: &[u8]) -> Option<Sender> {
        let object = Object::parse(credential, Kind::Credential).ok()?;
        let (fields, _) = object.decode::<Credential<'_>>().ok()?;
        let issuer = self.authority.counting(fields.serial, fields.signer)?;
        let verified = VerifiedCredential::verify(credential, &issuer).ok()?;
        Some(self.judge(&verified, query.topic))
    }
}
