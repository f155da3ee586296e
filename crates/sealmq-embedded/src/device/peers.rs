//! Senders whose credentials a device remembers: the least recently heard gives way. They are asked
//! for again after a start, as what the broker keeps.

use sealmq_core::object::ObjectError;
use sealmq_core::{MemberNumber, VerifiedCredential};
use sealmq_keys::objects::{RefusedChunk, VerifiedDelegation};

use crate::bytes::Bytes;

/// What the refused list of a group says of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Lowest {
    /// The list that the newest announcement names was not read for this sender.
    #[default]
    Unknown,
    /// The lowest serial that is accepted.
    Serial(u32),
    /// This chunk tells.
    InChunk(RefusedChunk, Fetch),
}

/// Whether a chunk was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetch {
    /// Nothing waits for it.
    Idle,
    /// It is to be asked for.
    Due,
    /// It was, on this connection.
    Asked,
}

pub(super) struct Peer<const GROUPS: usize, const OBJECT: usize> {
    pub(super) credential: VerifiedCredential<Bytes<OBJECT>>,
    pub(super) member: MemberNumber,
    pub(super) lowest: [Lowest; GROUPS],
    used: u64,
}

/// Senders that messages wait for.
const WANTED: usize = 4;

pub(super) struct Peers<const SENDERS: usize, const GROUPS: usize, const OBJECT: usize> {
    pub(super) known: [Option<Peer<GROUPS, OBJECT>>; SENDERS],
    /// And whether their topic was subscribed.
    pub(super) wanted: [Option<(MemberNumber, bool)>; WANTED],
    clock: u64,
}

impl<const S: usize, const G: usize, const O: usize> Peers<S, G, O> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            known: core::array::from_fn(|_| None),
            wanted: [None; WANTED],
            clock: 0,
        }
    }

    pub(super) fn get(&self, member: MemberNumber) -> Option<&Peer<G, O>> {
        self.known.iter().flatten().find(|p| p.member == member)
    }

    /// What the list of a group says of a sender.
    pub(super) fn lowest_mut(&mut self, member: MemberNumber, place: u8) -> Option<&mut Lowest> {
        let mut known = self.known.iter_mut().flatten();
        let peer = known.find(|peer| peer.member == member)?;
        peer.lowest.get_mut(usize::from(place))
    }

    /// The next chunk of a group's list that messages wait for, by its first member.
    pub(super) fn chunk_due(&mut self, place: u8) -> Option<MemberNumber> {
        let mut due = None;
        for peer in self.known.iter_mut().flatten() {
            if let Some(Lowest::InChunk(chunk, fetch @ Fetch::Due)) =
                peer.lowest.get_mut(usize::from(place))
                && *due.get_or_insert(chunk.first) == chunk.first
            {
                *fetch = Fetch::Asked;
            }
        }
        due
    }

    /// A new connection: what was asked for on the one before may not come.
    pub(super) fn connected(&mut self) {
        for wanted in self.wanted.iter_mut().flatten() {
            wanted.1 = false;
        }
        for lowest in self.known.iter_mut().flatten().flat_map(|p| &mut p.lowest) {
            if let Lowest::InChunk(_, fetch @ Fetch::Asked) = lowest {
                *fetch = Fetch::Due;
            }
        }
    }

    pub(super) fn heard(&mut self, member: MemberNumber) {
        self.clock = self.clock.saturating_add(1);
        let clock = self.clock;
        let mut known = self.known.iter_mut().flatten();
        if let Some(peer) = known.find(|peer| peer.member == member) {
            peer.used = clock;
        }
    }

    /// A message of this sender waits for its credential.
    pub(super) fn want(&mut self, member: MemberNumber) {
        if self.wanted.iter().flatten().any(|(m, _)| *m == member) {
            return;
        }
        self.wanted.rotate_right(1);
        if let Some(first) = self.wanted.first_mut() {
            *first = Some((member, false));
        }
    }

    /// Takes a credential of a sender that messages wait for, or a newer one of a known sender.
    /// `true` if it did.
    pub(super) fn offer(
        &mut self,
        member: MemberNumber,
        bytes: &[u8],
        delegation: &VerifiedDelegation,
    ) -> Result<bool, ObjectError> {
        let known = self.get(member);
        let wanted = self.wanted.iter().flatten().any(|(m, _)| *m == member);
        if known.map_or(!wanted, |known| known.credential.bytes() == bytes) {
            return Ok(false);
        }
        // Verified where it stands, before anything is copied.
        let verified = VerifiedCredential::verify(bytes, delegation)?;
        let fields = verified.fields();
        if fields.member != member {
            return Err(ObjectError::Field("member"));
        }
        if let Some(known) = known {
            // A number is bound to its key for life.
            if known.credential.key() != verified.key() {
                return Err(ObjectError::Field("key"));
            }
            if fields.order() <= known.credential.fields().order() {
                return Err(ObjectError::Serial);
            }
        }
        self.put(member, &verified)?;
        Ok(true)
    }

    fn put(
        &mut self,
        member: MemberNumber,
        verified: &VerifiedCredential<&[u8]>,
    ) -> Result<(), ObjectError> {
        let copy = Bytes::new(verified.bytes());
        let credential = copy.and_then(|copy| verified.with_copy(copy));
        let credential = credential.ok_or(ObjectError::TooLarge)?;
        self.clock = self.clock.saturating_add(1);
        let worth = |place: &Option<Peer<G, O>>| match place {
            Some(peer) if peer.member == member => 0,
            None => 1,
            Some(peer) => peer.used.saturating_add(2),
        };
        let lowest = self.get(member).map_or([Lowest::Unknown; G], |p| p.lowest);
        if let Some(place) = self.known.iter_mut().min_by_key(|place| worth(place)) {
            *place = Some(Peer {
                credential,
                member,
                lowest,
                used: self.clock,
            });
        }
        for wanted in &mut self.wanted {
            wanted.take_if(|(wanted, _)| *wanted == member);
        }
        Ok(())
    }

    /// One that came inside a message that was opened.
    pub(super) fn take(&mut self, member: MemberNumber, bytes: &[u8], by: &VerifiedDelegation) {
        // What cannot be kept comes inside again, or is asked for.
        if let Ok(verified) = VerifiedCredential::verify(bytes, by) {
            let _ = self.put(member, &verified);
        }
    }

    /// Another list is to be read.
    pub(super) fn list_changed(&mut self, place: u8) {
        for peer in self.known.iter_mut().flatten() {
            if let Some(lowest) = peer.lowest.get_mut(usize::from(place)) {
                *lowest = Lowest::Unknown;
            }
        }
    }

    /// Credentials under an older delegation are void.
    pub(super) fn forget(&mut self) {
        for known in &mut self.known {
            *known = None;
        }
    }
}
