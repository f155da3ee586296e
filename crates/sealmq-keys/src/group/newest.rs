use sealmq_core::crypto::Digest;
use sealmq_core::object::{List, decode_prefix};
use sealmq_core::topic::{Filter, Topic};
use sealmq_core::{MAX_NAME_LEN, check_name};
use serde::{Deserialize, Serialize};

use crate::announcement::{Head, MAX_FILTERS, MAX_FILTERS_LEN, Policy};

/// A policy in a stored state: a field more in announcements is a new version here.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Policy")]
struct PolicyRecord {
    window: u8,
    lease: u32,
    grace: u32,
    freshness: u32,
    skew: u32,
    padding: u8,
    bucket: u32,
    session_messages: u32,
    session_bytes: u64,
    session_seconds: u32,
    will_age: u32,
    kept: u8,
}

/// What a group takes from its newest announcement only; also its stored form.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct NewestRecord<'a> {
    pub(super) serial: u32,
    /// Index of the key that signed it, in the delegation of that serial.
    pub(super) signer: u8,
    pub(super) issued_at: u64,
    pub(super) not_after: u64,
    pub(super) refused: Digest,
    #[serde(with = "PolicyRecord")]
    pub(super) policy: Policy,
    pub(super) name: &'a str,
    #[serde(borrow)]
    pub(super) filters: List<'a, &'a str>,
}

impl<'a> NewestRecord<'a> {
    pub(super) const fn of(head: &Head<'a>) -> Self {
        Self {
            serial: head.serial,
            signer: head.signer,
            issued_at: head.issued_at,
            not_after: head.not_after,
            refused: head.refused,
            policy: head.policy,
            name: head.name,
            filters: head.filters,
        }
    }
}

/// The same in memory of its own.
pub(super) struct Newest {
    pub(super) serial: u32,
    pub(super) signer: u8,
    pub(super) issued_at: u64,
    pub(super) not_after: u64,
    pub(super) refused: Digest,
    pub(super) policy: Policy,
    name: Text<MAX_NAME_LEN>,
    filters: Text<MAX_FILTERS_LEN>,
}

/// Bytes of bounded length, in place.
struct Text<const N: usize> {
    bytes: [u8; N],
    len: u16,
}

impl<const N: usize> Text<N> {
    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            bytes,
            len: u16::try_from(text.len()).ok()?,
        })
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Newest {
    /// `None` if a field has a value that no announcement has.
    pub(super) fn new(record: &NewestRecord<'_>) -> Option<Self> {
        check_name(record.name).ok()?;
        record.policy.check().ok()?;
        let count = record.filters.iter().count();
        let valid = record
            .filters
            .iter()
            .all(|filter| Filter::new(filter).is_ok());
        if !valid || !(1..=MAX_FILTERS).contains(&count) {
            return None;
        }
        Some(Self {
            serial: record.serial,
            signer: record.signer,
            issued_at: record.issued_at,
            not_after: record.not_after,
            refused: record.refused,
            policy: record.policy,
            name: Text::new(record.name.as_bytes())?,
            filters: Text::new(record.filters.as_encoded())?,
        })
    }

    pub(super) fn record(&self) -> NewestRecord<'_> {
        NewestRecord {
            serial: self.serial,
            signer: self.signer,
            issued_at: self.issued_at,
            not_after: self.not_after,
            refused: self.refused,
            policy: self.policy,
            name: self.name(),
            filters: List::from_encoded(self.filters.get()).unwrap_or(List::EMPTY),
        }
    }

    pub(super) fn name(&self) -> &str {
        core::str::from_utf8(self.name.get()).unwrap_or_default()
    }

    /// Decoded without the checks of [`List::from_encoded`], which `new` has made: this runs for
    /// every message.
    pub(super) fn filters(&self) -> impl Iterator<Item = Filter<'_>> {
        let mut rest = self.filters.get();
        core::iter::from_fn(move || {
            let (filter, after) = decode_prefix::<&str>(rest).ok()?;
            rest = after;
            Some(Filter::of_checked(filter))
        })
    }

    pub(super) fn covers(&self, topic: Topic<'_>) -> bool {
        self.filters().any(|filter| filter.matches(topic))
    }
}
