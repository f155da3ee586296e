//! What the driver keeps of what arrives when much waits already: nothing that anybody can make up,
//! or repeat.

use super::Authority;
use super::judge::Judged;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::{
    Announcement, PackageSet, UnverifiedNonce, VerifiedDelegation, VerifiedHeartbeat,
};

impl Authority {
    /// Whether a member wrote that, and it says what is not known. [`Authority::handle`] decides.
    pub(crate) fn is_news(&self, topic: &ReservedTopic, payload: &[u8], now: u64) -> bool {
        let news = match topic {
            ReservedTopic::Confirm(member) => self.confirms(*member, payload),
            ReservedTopic::Packages(member) => self.writer(*member).and_then(|(record, key)| {
                let (known, suite) = (record.last_package, self.delegation.suite());
                let domain = &self.domain.domain;
                let set = PackageSet::verify_above(known, payload, suite, domain, &key)?;
                let mut packages = set.packages();
                Ok(packages.any(|(_, package)| package.number() > known))
            }),
            ReservedTopic::Nonce(group, member) => self.writer(*member).and_then(|(_, key)| {
                let nonce = UnverifiedNonce::decode(payload, &self.domain.domain, *member, group)?;
                let asker = (*group, *member);
                let is_known = self.intake.nonces.is_known(&asker, nonce.number(), now);
                Ok(!is_known && nonce.verify(&key).is_ok())
            }),
            _ => Ok(false),
        };
        news.unwrap_or(false)
    }

    /// Whether an object on one of the authority's own topics may tell that the store is old: who
    /// signed it, and that it is not only older. [`Authority::observe`] decides.
    pub(crate) fn tells(&mut self, topic: &ReservedTopic, payload: &[u8], is_own: bool) -> bool {
        match topic {
            ReservedTopic::Delegation => self.judge_delegation(payload).is_some(),
            ReservedTopic::Announcement(group, epoch) => {
                let known = self.groups.get(group).map_or(0, |group| group.epoch);
                let prefix = &self.domain.prefix;
                let verify = |by: &VerifiedDelegation| Announcement::verify(payload, by, prefix);
                (is_own || *epoch > known) && self.verified(|by| verify(by).map(drop)).is_some()
            }
            ReservedTopic::Heartbeat(_) => {
                let verify = |by: &VerifiedDelegation| VerifiedHeartbeat::verify(payload, by);
                self.verified(|by| verify(by).map(drop)).is_some()
            }
            // One in chunks is noted by that.
            ReservedTopic::RefusedList(group) => {
                let judged = self.judge_refused(*group, payload);
                self.is_news_to_it(judged.as_ref())
            }
            ReservedTopic::RefusedChunk(group, first) => {
                let judged = self.judge_refused_chunk(*group, *first, payload);
                self.is_news_to_it(judged.as_ref())
            }
            _ => false,
        }
    }

    /// What is known already counts for a suspended one alone.
    fn is_news_to_it(&self, judged: Option<&Judged>) -> bool {
        match judged {
            Some(Judged::Seen(_)) => self.suspended.is_some(),
            Some(_) => true,
            None => false,
        }
    }
}
