use super::Table;
use super::debt::Tally;
use super::floors::Floors;
use super::message::{Class, Delivery, Message};
use super::place::Place;
use super::sender::SenderSlot;
use super::sequence::{Gap, Sequence};
use super::topic::{TopicKey, TopicSlot};

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
    /// Whether a message was recorded since the start.
    pub(super) in_use: bool,
    pub(super) sender_tally: Tally,
    pub(super) topic_tally: Tally,
}

impl<S: Table<SenderSlot<W>>, T: Table<TopicSlot>, const W: usize> ReplayState<S, T, W> {
    #[inline(always)]
    pub(crate) const fn new(senders: S, topics: T) -> Self {
        Self {
            senders,
            topics,
            floors: Floors::NONE,
            raised: Floors::NONE,
            floors_dirty: false,
            in_use: false,
            sender_tally: Tally::NONE,
            topic_tally: Tally::NONE,
        }
    }

    /// Judges a message and changes nothing.
    pub(crate) fn check(&self, message: &Message<'_>) -> Verdict {
        let is_new = match message.class {
            Class::Event => {
                let sender = self.sender(&message.topic.group, message.topic.member);
                // What was forgotten of a delegation refuses those before it.
                let outdated = message.serial.delegation < self.floors.delegation;
                if outdated || sender.is_some_and(|s| s.is_beyond(message)) {
                    return Verdict::OldCredential;
                }
                match sender {
                    Some(s) => s.is_new(message),
                    None => !self.floors.refuse_session(
                        message.serial,
                        message.is_older(),
                        message.number,
                    ),
                }
            }
            Class::State(_) => self.is_in_order(message),
            Class::Will(Delivery::Retained) => self.is_in_order(message),
            Class::Will(Delivery::Live) => {
                self.is_newest_will(message) && self.is_in_order(message)
            }
            Class::PassingWill => self.is_newest_will(message),
        };
        if is_new {
            Verdict::New
        } else {
            Verdict::Replay
        }
    }

    /// State is not below what its topic has; live it is above.
    fn is_in_order(&self, message: &Message<'_>) -> bool {
        let Some((place, delivery)) = message.place() else {
            return false;
        };
        if let Some(mark) = self.topic(&message.topic).and_then(|topic| topic.mark) {
            return match delivery {
                Delivery::Live => place > mark,
                Delivery::Retained => place >= mark,
            };
        }
        match self.sender(&message.topic.group, message.topic.member) {
            Some(sender) => {
                sender.forgotten < Some(place)
                    && !sender.before.refuse_state(&place, message.is_older())
            }
            None => !self.floors.refuse_state(&place, message.is_older()),
        }
    }

    fn is_newest_will(&self, message: &Message<'_>) -> bool {
        let (serial, number) = (message.serial, message.number);
        let sender = self.sender(&message.topic.group, message.topic.member);
        let floors = sender.map_or(&self.floors, |sender| &sender.before);
        sender.is_none_or(|sender| sender.will < Some((serial, number)))
            && !floors.refuse_will(serial, message.is_older(), number)
    }

    /// Records a verified message.
    pub(crate) fn commit(&mut self, message: &Message<'_>) -> Option<Gap> {
        self.in_use = true;
        match message.class {
            Class::Event | Class::PassingWill | Class::Will(Delivery::Live) => {
                self.commit_sender(message);
            }
            Class::State(_) | Class::Will(Delivery::Retained) => {}
        }
        let sequence = message.sequence.filter(|_| !message.is_will());
        let place = message.place();
        if place.is_none() && sequence.is_none() {
            return None;
        }
        let gap = self.commit_topic(message, place.map(|(place, _)| place), sequence);
        // A retained value that is not ahead of what was seen is no late message.
        let shown = message.class == Class::State(Delivery::Retained);
        gap.filter(|gap| !shown || *gap != Gap::Late)
    }

    fn commit_sender(&mut self, message: &Message<'_>) {
        let TopicKey { group, member, .. } = message.topic;
        let (serial, number) = (message.serial, message.number);
        // Windows belong to the credential of events, whatever state says.
        let events = (!message.is_will()).then_some(serial);
        let Some(index) = self.claim_sender(group, member, events) else {
            // No table at all: the message itself is what is pushed out.
            self.raise_floors(&match message.is_will() {
                false => Floors::of_session(serial, number),
                true => Floors::of_will(serial, number),
            });
            return;
        };
        let Some(slot) = self.senders.get_mut(index) else {
            return;
        };
        let Some(record) = slot.record.as_mut() else {
            return;
        };
        if message.is_will() {
            record.will = record.will.max(Some((serial, number)));
        } else {
            record.mark(serial, message.enc, number, message.counter);
        }
        slot.debt.change(&mut self.sender_tally, index);
    }

    fn commit_topic(
        &mut self,
        message: &Message<'_>,
        place: Option<Place>,
        sequence: Option<u32>,
    ) -> Option<Gap> {
        let key = message.topic;
        let Some(index) = self.claim_topic(&key) else {
            if let Some(place) = place {
                self.forget_mark(&key, place);
            }
            return sequence.map(|_| Gap::First);
        };
        if let Some(place) = place {
            self.raise_mark(index, place);
        }
        let record = self.topics.get_mut(index)?.record.as_mut()?;
        let (gap, next) =
            Sequence::judge(record.sequence, message.serial, message.number, sequence?);
        record.sequence = Some(next);
        Some(gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::CredentialOrder;
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
                    known: CredentialOrder::default(),
                    enc: &hash.0,
                    number: u64::from(member),
                    counter,
                    class: Class::State(Delivery::Live),
                    connection: 0,
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
        let dirty = core::iter::from_fn(|| state.next_dirty()).count();
        assert_eq!(dirty, SENDERS as usize, "state has no windows");
    }
}
