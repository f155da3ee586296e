//! What the senders do.

use sealmq_core::crypto::Secret;
use sealmq_core::seal::{
    Outgoing, Publisher, SealError, SenderSession, SessionLimits, SessionStart, StateSession, Value,
};
use sealmq_core::topic::Topic;
use sealmq_core::wire::{Padding, Suite};

use super::actors::{GROUP, KEPT, Keys, SenderState, Sent, TOPICS, credential_of};
use super::{NOW_MS, Run};
use crate::fuzz::input::Input;
use crate::fuzz::world::NOW;

impl Run {
    pub(super) fn seal(&mut self, input: &mut Input<'_>) {
        let [who, kind, times] = [input.byte(), input.byte(), input.byte()];
        let (fresh, connects, epoch) = (who & 4 != 0, who & 8 != 0, usize::from(who >> 1 & 1));
        let (retain, will, who) = (kind & 1 != 0, kind & 2 != 0, usize::from(who & 1));
        let topic = usize::from(kind >> 2) % TOPICS.len();
        let payload = input.bytes().to_vec();
        if connects {
            self.senders[who].connection.begun();
        }
        let keys = if retain || will { KEPT } else { epoch };
        self.ready(who, keys, fresh || will, retain && !will);
        let SenderState {
            key,
            card,
            session,
            state,
            connection,
            ..
        } = &mut self.senders[who];
        let publisher = Publisher::new(key, *card).unwrap();
        let credential = credential_of(card.member, card.serial, &card.key);
        let future = times & 3 == 1;
        let message = Outgoing {
            sent_at: match times & 3 {
                0 if !will => None,
                1 => Some(NOW_MS + 3_600_000),
                _ => Some(NOW_MS - 60_000),
            },
            sequence: (times & 4 != 0).then_some(u32::from(times >> 3)),
            padding: match kind & 32 {
                0 => Padding::None,
                _ => Padding::Bucket(64),
            },
            credential: will.then_some(&credential),
            ..Outgoing::new(Topic::new(TOPICS[topic]).unwrap())
        };
        let mut out = vec![0; payload.len() + 1024];
        let (number, counter, len) = match (keys, state.take(), session) {
            (KEPT, Some(active), _) if will => {
                let number = active.number();
                connection.will(number);
                connection.begun();
                let now = Some(NOW_MS);
                let len =
                    active.seal_will_into(&publisher, &message, retain, now, &payload, &mut out);
                (number, 0, len)
            }
            (KEPT, Some(mut active), _) => {
                let (number, counter) = (active.number(), active.sealed());
                let value = Value {
                    connection: connection.number(),
                    credential: &credential,
                };
                let now = Some(NOW_MS);
                let len = active.seal_into(&publisher, &message, &value, now, &payload, &mut out);
                *state = Some(active);
                (number, counter, len)
            }
            (_, kept, Some((_, active))) => {
                *state = kept;
                let (number, counter) = (active.number(), active.sealed());
                let len = active.seal_into(&publisher, &message, Some(NOW_MS), &payload, &mut out);
                (number, counter, len)
            }
            _ => unreachable!("a session is ready"),
        };
        out.truncate(len.unwrap());
        let on = if will { number } else { connection.number() };
        self.sent.push(Sent {
            bytes: out,
            keys,
            place: (card.serial, on, will, number, counter),
            sender: card.member,
            topic,
            payload,
            retain,
            will,
            future,
            opened_live: false,
        });
        // Half of the messages arrive at once, so that runs get somewhere.
        if kind & 64 != 0 {
            let sent = self.sent[self.sent.len() - 1].clone();
            let opened = self.deliver(&sent.bytes, topic, false);
            if !sent.is_state() {
                let is_current = self.known.cards[who].serial == sent.place.0;
                let known = self.known.has(keys) && !self.known.hidden[who] && is_current;
                let opens = known && !future && !sent.is_denied();
                assert_eq!(opened, opens, "the newest event of a sender opens");
            }
        }
    }

    /// A session for the message to come, and for a value a number of the connection.
    fn ready(&mut self, who: usize, keys: usize, fresh: bool, is_value: bool) {
        if is_value && self.senders[who].connection.is_due() {
            let sender = &mut self.senders[who];
            sender.numbers += 1;
            sender.connection.take(sender.numbers);
        }
        let sender = &self.senders[who];
        let is_there = match keys {
            KEPT => sender.state.is_some(),
            _ => sender.session.as_ref().is_some_and(|(of, _)| *of == keys),
        };
        if is_there && !fresh {
            return;
        }
        let seed = self.secret();
        if keys == KEPT {
            self.senders[who].state = Some(self.start(who, keys, &seed, StateSession::start));
        } else {
            let session = self.start(who, keys, &seed, SenderSession::start);
            self.senders[who].session = Some((keys, session));
        }
    }

    fn start<S>(
        &mut self,
        who: usize,
        keys: usize,
        seed: &Secret,
        start: impl FnOnce(&SessionStart<'_>) -> Result<S, SealError>,
    ) -> S {
        let sender = &mut self.senders[who];
        sender.numbers += 1;
        let keys = &Keys::all()[keys];
        start(&SessionStart {
            group: GROUP,
            announcement: &keys.name,
            suite: Suite::One,
            group_key: &keys.key_pair.public(),
            psk: &keys.psk,
            not_after: NOW + 1000,
            limits: SessionLimits::default(),
            number: sender.numbers,
            seed,
            now: Some(NOW_MS),
        })
        .unwrap()
    }
}
