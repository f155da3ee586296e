use crate::crypto::{Digest, ENC_LEN, MAC_LEN};
use crate::ids::KeyId;
use crate::replay::Table;
use crate::wire::{Header, SessionFields, SessionTag, Suite};

/// A place for one session in a [`Table`]: what its messages of the short form leave out.
#[derive(Debug, Default)]
pub struct SessionSlot(Option<KnownSession>);

impl SessionSlot {
    /// A free place.
    pub const EMPTY: Self = Self(None);
}

/// A session of which an event of the full form, or the record, was verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownSession {
    pub(crate) tag: SessionTag,
    pub(crate) announcement: Digest,
    enc: [u8; ENC_LEN],
    mac: [u8; MAC_LEN],
    pub(crate) fields: SessionFields,
    used: u64,
}

impl KnownSession {
    pub(crate) const fn new(
        tag: SessionTag,
        announcement: Digest,
        header: &Header,
        fields: SessionFields,
    ) -> Self {
        Self {
            tag,
            announcement,
            enc: header.enc,
            mac: header.mac,
            fields,
            used: 0,
        }
    }

    /// The header that the full form would have.
    pub(crate) const fn header(&self, suite: Suite, counter: u32) -> Header {
        Header {
            suite,
            key_id: KeyId::of(&self.announcement),
            enc: self.enc,
            mac: self.mac,
            counter,
        }
    }
}

/// Sessions by tag, one for each. Only what verified changes it.
#[derive(Debug)]
pub(crate) struct Sessions<N> {
    slots: N,
    clock: u64,
    len: usize,
}

impl<N: Table<SessionSlot>> Sessions<N> {
    #[inline(always)]
    pub(crate) const fn new(slots: N) -> Self {
        Self {
            slots,
            clock: 0,
            len: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The session with this tag.
    pub(crate) fn get(&self, tag: SessionTag) -> Option<&KnownSession> {
        self.at(self.place_of(tag)?)
    }

    fn at(&self, place: usize) -> Option<&KnownSession> {
        self.slots.get(place)?.0.as_ref()
    }

    fn place_of(&self, tag: SessionTag) -> Option<usize> {
        let is_it = |place: &usize| self.at(*place).is_some_and(|known| known.tag == tag);
        self.slots.candidates(hash(tag)).find(is_it)
    }

    /// A message of the session verified.
    pub(crate) fn used(&mut self, tag: SessionTag) {
        self.clock = self.clock.saturating_add(1);
        let clock = self.clock;
        if let Some(place) = self.place_of(tag)
            && let Some(known) = self.slots.get_mut(place)
            && let Some(known) = known.0.as_mut()
        {
            known.used = clock;
        }
    }

    /// Remembers a session, if none with its tag is known: what is known stays as it is. Whether it
    /// is new.
    pub(crate) fn note(&mut self, session: KnownSession) -> bool {
        let is_new = self.get(session.tag).is_none();
        if is_new {
            self.clock = self.clock.saturating_add(1);
            let used = self.clock;
            self.put(KnownSession { used, ..session });
        }
        is_new
    }

    /// A free place, or that of a session of the same sender, so that no member pushes out more
    /// than one session of others from the places that it chooses its tags for; else of the least
    /// recently used one.
    fn put(&mut self, session: KnownSession) {
        let hash_of = hash(session.tag);
        let place = match self.slots.free(hash_of, |slot| slot.0.is_none()) {
            Some(free) => {
                self.len = self.len.saturating_add(1);
                free
            }
            None => {
                let sender = session.fields.sender;
                let worth = |place: &usize| {
                    let known = self.at(*place);
                    known.map(|known| (known.fields.sender != sender, known.used))
                };
                let Some(place) = self.slots.rivals(hash_of).min_by_key(worth) else {
                    return;
                };
                if let Some(out) = self.at(place).map(|out| hash(out.tag)) {
                    self.slots.replaced(place, out, hash_of);
                }
                place
            }
        };
        if let Some(slot) = self.slots.get_mut(place) {
            slot.0 = Some(session);
        }
    }

    /// Forgets the sessions of all epochs that `keep` does not name.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Digest) -> bool) {
        for place in 0..self.slots.places() {
            let slot = self.slots.get_mut(place);
            let gone = slot.and_then(|slot| slot.0.take_if(|known| !keep(&known.announcement)));
            if let Some(known) = gone {
                self.len = self.len.saturating_sub(1);
                self.slots.freed(place, hash(known.tag));
            }
        }
    }
}

fn hash(tag: SessionTag) -> u64 {
    // Tags are uniform. A member can choose some bits of its own: `put` bounds what that brings.
    u64::from_le_bytes(tag.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MemberNumber;

    fn session(tag: u8, sender: u32, epoch: u8) -> KnownSession {
        let header = Header {
            suite: Suite::One,
            key_id: KeyId([0; 8]),
            enc: [tag; 32],
            mac: [0; 4],
            counter: 0,
        };
        let fields = SessionFields {
            sender: MemberNumber(sender),
            hint: 1,
            number: 1,
        };
        KnownSession::new(SessionTag([tag; 8]), Digest([epoch; 32]), &header, fields)
    }

    fn table(places: usize) -> Vec<SessionSlot> {
        (0..places).map(|_| SessionSlot::EMPTY).collect()
    }

    fn sender(sessions: &Sessions<Vec<SessionSlot>>, tag: u8) -> Option<u32> {
        let known = sessions.get(SessionTag([tag; 8]))?;
        Some(known.fields.sender.0)
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let mut sessions = Sessions::new(table(2));
        sessions.note(session(1, 1, 0));
        sessions.note(session(2, 2, 0));
        sessions.used(SessionTag([1; 8]));
        sessions.note(session(3, 3, 0));
        assert_eq!(
            [1, 2, 3].map(|tag| sender(&sessions, tag)),
            [Some(1), None, Some(3)]
        );
        assert_eq!(sessions.len(), 2);
        sessions.note(session(2, 2, 1));
        assert_eq!((sessions.len(), sender(&sessions, 2)), (2, Some(2)));
        sessions.retain(|announcement| *announcement == Digest([1; 32]));
        assert_eq!((sessions.len(), sender(&sessions, 1)), (1, None));
    }

    #[test]
    fn what_is_known_of_a_tag_stays() {
        let mut sessions = Sessions::new(table(8));
        for (member, epoch) in [(1, 0), (2, 0), (1, 1)] {
            sessions.note(session(9, member, epoch));
        }
        let known = sessions.get(SessionTag([9; 8])).unwrap();
        assert_eq!((known.fields.sender.0, known.announcement.0[0]), (1, 0));
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn a_sender_with_many_sessions_pushes_out_its_own() {
        let mut sessions = Sessions::new(table(4));
        for member in 1..=4 {
            sessions.note(session(member, member.into(), 0));
        }
        for tag in 10..100 {
            sessions.note(session(tag, 5, 0));
        }
        let left = [1, 2, 3, 4].map(|tag| sender(&sessions, tag));
        assert_eq!(left, [None, Some(2), Some(3), Some(4)]);
        assert_eq!(sender(&sessions, 99), Some(5));
    }

    #[test]
    fn without_places_nothing_is_known() {
        let mut sessions = Sessions::new(table(0));
        sessions.note(session(1, 1, 0));
        assert_eq!((sessions.len(), sender(&sessions, 1)), (0, None));
    }
}
