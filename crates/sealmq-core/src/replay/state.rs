use super::Table;
use super::debt::Tally;
use super::floors::{Floors, Order};
use super::sender::SenderSlot;
use super::topic::{Mark, TopicKey, TopicSlot};
use crate::credential::CredentialOrder;
use crate::crypto::ENC_LEN;

/// What the topic sequence says about messages that did not arrive (spec/envelope.md §8). Reports
/// are information, not protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// The first numbered message of this sender on this topic that this reader saw.
    First,
    /// This many messages of this sender on this topic are missing before this one; 0 is none.
    Missed(u32),
    /// The sender started again.
    Restarted,
    /// A message that arrived late: a newer one of this sender on this topic was seen before, or
    /// this very one as a retained value.
    Late,
}

/// How a message is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Ordinary,
    /// Delivered as retained, and published so.
    Retained,
    Will,
    /// A Will that the broker delivers as retained.
    RetainedWill,
}

/// What replay protection needs to know of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) topic: TopicKey,
    pub(crate) serial: CredentialOrder,
    pub(crate) enc: &'a [u8; ENC_LEN],
    pub(crate) number: u64,
    pub(crate) counter: u32,
    pub(crate) class: Class,
    /// The RETAIN flag inside.
    pub(crate) retain: bool,
    /// The topic sequence, if gaps are to be reported.
    pub(crate) sequence: Option<u32>,
}

impl Message<'_> {
    const fn order(&self) -> Order {
        (self.number, self.counter)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    New,
    Replay,
    /// Sealed under a credential that was replaced.
    OldCredential,
}

/// The tables. Only [`ReplayState::commit`] and [`ReplayState::restore`] change what is refused.
#[derive(Debug)]
pub(crate) struct ReplayState<S, T, const W: usize> {
    pub(super) senders: S,
    pub(super) topics: T,
    pub(super) floors: Floors,
    /// The part of `floors` that does not come from the store.
    pub(super) raised: Floors,
    pub(super) floors_dirty: bool,
    pub(super) sender_tally: Tally,
    pub(super) topic_tally: Tally,
}

impl<S: Table<SenderSlot<W>>, T: Table<TopicSlot>, const W: usize> ReplayState<S, T, W> {
    pub(crate) const fn new(senders: S, topics: T) -> Self {
        Self {
            senders,
            topics,
            floors: Floors::NONE,
            raised: Floors::NONE,
            floors_dirty: false,
            sender_tally: Tally::NONE,
            topic_tally: Tally::NONE,
        }
    }

    /// Judges a message and changes nothing.
    pub(crate) fn check(&self, message: &Message<'_>) -> Verdict {
        let sender = self.sender(&message.topic.group, message.topic.member);
        // Nothing of an older delegation is ever right again (spec/keys.md §3).
        let outdated = message.serial.delegation < self.floors.delegation;
        if outdated || sender.is_some_and(|s| message.serial < s.serial) {
            return Verdict::OldCredential;
        }
        // A higher serial starts with nothing seen.
        let same = sender.filter(|s| s.serial == message.serial);
        let floors = match (sender, same) {
            (_, Some(s)) => Floors {
                delegation: s.serial.delegation,
                session: s.floor,
                will: s.will_floor,
                retained: s.retained_floor,
            },
            (Some(_), None) => Floors::default(),
            (None, None) => self.floors.under(message.serial),
        };
        let new = match message.class {
            Class::Ordinary => {
                let new = match same {
                    Some(s) => s.is_new(message.enc, message.number, message.counter),
                    None => message.number > floors.session,
                };
                new && !self.was_shown(message)
            }
            Class::Will => message.number > floors.will,
            // The value of a Will that was seen live may be read again.
            Class::RetainedWill => message.number >= floors.will,
            Class::Retained => {
                let topic = self
                    .topic(&message.topic)
                    .filter(|t| t.serial >= message.serial);
                message.order() >= topic.map_or(floors.retained, |t| t.retained)
            }
        };
        if new { Verdict::New } else { Verdict::Replay }
    }

    /// Whether this is the value of its topic that was delivered as retained.
    fn was_shown(&self, message: &Message<'_>) -> bool {
        let topic = self.topic(&message.topic).filter(|_| message.retain);
        topic.is_some_and(|topic| {
            topic.serial == message.serial
                && topic.shown.is_some()
                && topic.retained == message.order()
        })
    }

    /// Records a verified message.
    pub(crate) fn commit(&mut self, message: &Message<'_>) -> Option<Gap> {
        self.commit_sender(message);
        let will = matches!(message.class, Class::Will | Class::RetainedWill);
        if will || !(message.retain || message.sequence.is_some()) {
            return None;
        }
        let gap = self.commit_topic(message);
        // A retained value that is not ahead of what was seen is no late message.
        gap.filter(|gap| message.class == Class::Ordinary || *gap != Gap::Late)
    }

    fn commit_sender(&mut self, message: &Message<'_>) {
        let TopicKey { group, member, .. } = message.topic;
        let Some(index) = self.claim_sender(group, member, message.serial) else {
            // No table at all: the message itself is what is pushed out.
            let mut floors = Floors {
                delegation: message.serial.delegation,
                ..Floors::NONE
            };
            match message.class {
                Class::Ordinary => floors.session = message.number,
                // It was shown, so it is not accepted live any more either.
                Class::Retained => {
                    floors.retained = message.order();
                    floors.session = message.number;
                }
                Class::Will | Class::RetainedWill => floors.will = message.number,
            }
            self.raise_floors(&floors);
            return;
        };
        let Some(slot) = self.senders.as_mut().get_mut(index) else {
            return;
        };
        let Some(record) = slot.record.as_mut() else {
            return;
        };
        match message.class {
            Class::Ordinary => record.mark(message.enc, message.number, message.counter),
            Class::Retained => {}
            Class::Will | Class::RetainedWill => {
                record.will_floor = record.will_floor.max(message.number);
            }
        }
        slot.debt.change(&mut self.sender_tally, index);
    }

    fn commit_topic(&mut self, message: &Message<'_>) -> Option<Gap> {
        let (key, sequence) = (message.topic, message.sequence);
        let mark = message.retain.then(|| Mark {
            order: message.order(),
            shown: self.show(message),
        });
        let Some(index) = self.claim_topic(&key, message.serial) else {
            if let Some(mark) = mark {
                self.drop_mark(&key, message.serial, &mark);
            }
            return sequence.map(|_| Gap::First);
        };
        if let Some(mark) = mark {
            self.raise_mark(index, &mark);
        }
        let record = self.topics.as_mut().get_mut(index)?.record.as_mut()?;
        let gap = judge_sequence(record.sequence, message.number, sequence?);
        if gap != Gap::Late {
            record.sequence = sequence.map(|s| (message.number, s));
        }
        Some(gap)
    }

    /// For a message that was delivered as retained: what its mark has to hold so that it is
    /// refused live.
    fn show(&mut self, message: &Message<'_>) -> Option<[u8; ENC_LEN]> {
        if message.class != Class::Retained {
            return None;
        }
        let TopicKey { group, member, .. } = message.topic;
        let index = self.find_sender(&group, member);
        let record = index.and_then(|i| self.senders.as_mut().get_mut(i)?.record.as_mut());
        let open = record.is_none_or(|r| r.show(message.enc, message.number, message.counter));
        open.then_some(*message.enc)
    }
}

fn judge_sequence(last: Option<Order>, number: u64, sequence: u32) -> Gap {
    const MODULUS: u32 = 1 << 21;
    let Some((last_number, last_sequence)) = last else {
        return Gap::First;
    };
    if number < last_number {
        return Gap::Late;
    }
    if number > last_number && sequence == 0 {
        return Gap::Restarted;
    }
    // Both are below 2^21, so the sum cannot wrap.
    let ahead = sequence.wrapping_sub(last_sequence).wrapping_sub(1) & MODULUS.wrapping_sub(1);
    if ahead < MODULUS / 2 {
        Gap::Missed(ahead)
    } else {
        Gap::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sha256;
    use crate::ids::{GroupId, MemberNumber};

    #[test]
    fn ten_thousand_senders_find_their_places() {
        const SENDERS: u32 = 10_000;
        let places = SENDERS as usize * 2;
        let mut state: ReplayState<_, _, 2> = ReplayState::new(
            vec![SenderSlot::EMPTY; places],
            vec![TopicSlot::EMPTY; places],
        );
        let group = GroupId([1; 16]);
        for counter in 0..3 {
            for member in 1..=SENDERS {
                let hash = sha256(&[&member.to_be_bytes()]);
                let message = Message {
                    topic: TopicKey::new(group, MemberNumber(member), &hash),
                    serial: CredentialOrder::default(),
                    enc: &hash.0,
                    number: u64::from(member),
                    counter,
                    class: Class::Ordinary,
                    retain: true,
                    sequence: Some(counter),
                };
                assert_eq!(state.check(&message), Verdict::New);
                let expected = if counter == 0 {
                    Gap::First
                } else {
                    Gap::Missed(0)
                };
                assert_eq!(state.commit(&message), Some(expected));
                assert_eq!(state.check(&message), Verdict::Replay);
            }
        }
        assert_eq!(state.floors, Floors::default(), "nobody was pushed out");
        assert_eq!(core::iter::from_fn(|| state.next_dirty()).count(), places);
    }
}
