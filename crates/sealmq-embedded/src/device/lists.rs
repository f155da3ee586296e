//! Refused lists (spec/keys.md §7), read where they stand: a device keeps of a list only what it
//! says of the senders that it remembers.

use sealmq_core::crypto::Digest;
use sealmq_core::object::ObjectError;
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::objects::{Lowest as Found, RefusedChunk, RefusedList, RefusedRun};

use super::group::Group;
use super::peers::{Fetch, Lowest, Peer};
use super::{Device, Event};
use crate::Clock;
use crate::error::Refused;
use crate::records::RecordId;

const fn found(found: Found) -> Lowest {
    match found {
        Found::Serial(serial) => Lowest::Serial(serial),
        Found::InChunk(chunk) => Lowest::InChunk(chunk, Fetch::Idle),
    }
}

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    pub(super) fn handle_list(
        &mut self,
        place: u8,
        payload: &[u8],
    ) -> Result<Option<Event>, Refused> {
        let (domain, own) = (self.domain(), self.own.fields());
        let (number, serial) = (own.member, own.credential_serial);
        let Some(group) = self.place(place) else {
            return Ok(None);
        };
        let id = group.id;
        let named = |hash: &Digest| RefusedList::named(payload, &domain, &id, hash).ok();
        let current = group.state().and_then(|state| state.refused().copied());
        let left_out = group.left_out.filter(|left_out| left_out.removed.is_none());
        let mut event = None;
        if let Some(list) = left_out.and_then(|left_out| named(&left_out.list)) {
            match list.lowest_serial(number) {
                Found::Serial(lowest) => event = self.judged(place, lowest > serial),
                Found::InChunk(chunk) => self.want_own(place, Some(chunk)),
            }
        }
        let Some(list) = current.and_then(|hash| named(&hash)) else {
            // Somebody else's, an older one, or one whose announcement has not come.
            return match event {
                Some(event) => Ok(Some(event)),
                None => Err(ObjectError::Serial.into()),
            };
        };
        let mut is_news = false;
        for peer in self.peers.known.iter_mut().flatten() {
            // What was read for a sender is of this list: another one made it unknown.
            if let Some(lowest @ Lowest::Unknown) = peer.lowest.get_mut(usize::from(place)) {
                *lowest = found(list.lowest_serial(peer.member));
                is_news = true;
            }
        }
        if let Some(group) = self.place_mut(place) {
            group.asking.reset();
        }
        Ok(event.or_else(|| is_news.then_some(Event::List(id))))
    }

    pub(super) fn handle_list_chunk(
        &mut self,
        place: u8,
        first: MemberNumber,
        payload: &[u8],
    ) -> Result<Option<Event>, Refused> {
        let own = self.own.fields();
        let (number, serial) = (own.member, own.credential_serial);
        let mut event = None;
        let run = |chunk: &RefusedChunk| -> Option<RefusedRun<'_>> {
            (chunk.first == first).then(|| chunk.run(payload).ok())?
        };
        let group = self.place(place);
        let own_chunk = group.and_then(|group| group.own_chunk);
        if let Some(run) = own_chunk.as_ref().and_then(run) {
            self.want_own(place, None);
            event = self.judged(place, run.lowest_serial(number) > serial);
        }
        for peer in self.peers.known.iter_mut().flatten() {
            let member = peer.member;
            let Some(lowest) = peer.lowest.get_mut(usize::from(place)) else {
                continue;
            };
            if let Lowest::InChunk(chunk, _) = lowest
                && let Some(run) = run(chunk)
            {
                *lowest = Lowest::Serial(run.lowest_serial(member));
                event = event.or(Some(Event::Sender(member)));
            }
        }
        Ok(event)
    }

    fn want_own(&mut self, place: u8, chunk: Option<RefusedChunk>) {
        if let Some(group) = self.place_mut(place) {
            group.own_chunk = chunk;
            group.ask.chunk = chunk.map(|chunk| chunk.first);
        }
    }

    /// Removed, or in need of a new welcome: what the list said.
    pub(super) fn judged(&mut self, place: u8, removed: bool) -> Option<Event> {
        let group = self.place_mut(place)?;
        let left_out = group.left_out.as_mut()?;
        left_out.removed = Some(removed);
        let event = Event::LeftOut {
            group: group.id,
            epoch: left_out.epoch,
            removed,
        };
        // With new packages the authority can issue a welcome.
        self.packages.replenish |= !removed;
        self.mark(RecordId::Notes(place));
        Some(event)
    }

    /// A message waits for what the list, or a chunk of it, says of its sender. Each message of each
    /// sender comes by here, however often it is offered: the list was asked for when it changed, or
    /// when the sender's credential came, and is asked for again only after a while.
    pub(super) fn want_list(&mut self, id: &GroupId, member: MemberNumber, at: Clock) {
        let Some(place) = self.place_of(id) else {
            return;
        };
        let Some(lowest) = self.peers.lowest_mut(member, place) else {
            // Its credential came inside of the message: the list is read for it when it is kept.
            self.peers.want(member);
            return;
        };
        let group = self.groups.get_mut(usize::from(place));
        let Some(group) = group.and_then(Option::as_mut) else {
            return;
        };
        let again = group.asking.is_due(at.uptime.or(at.now));
        match lowest {
            Lowest::InChunk(_, fetch) if again || *fetch == Fetch::Idle => *fetch = Fetch::Due,
            Lowest::InChunk(..) => {}
            _ => group.ask.list |= again,
        }
    }
}

/// Whether the list that the newest announcement of a group names has to be read for a sender.
pub(super) fn lacks_list<const G: usize, const O: usize>(
    group: &Group,
    peer: Option<&Peer<G, O>>,
    place: usize,
) -> bool {
    let read = peer.and_then(|peer| peer.lowest.get(place));
    lowest_of(group, peer, place).is_none() && matches!(read, None | Some(Lowest::Unknown))
}

/// The lowest serial that the newest list of a group accepts of a sender, as far as it was read;
/// without a list nobody is refused.
pub(super) fn lowest_of<const G: usize, const O: usize>(
    group: &Group,
    peer: Option<&Peer<G, O>>,
    place: usize,
) -> Option<u32> {
    if *group.state()?.refused()? == Digest::ZERO {
        return Some(0);
    }
    match peer?.lowest.get(place)? {
        Lowest::Serial(lowest) => Some(*lowest),
        _ => None,
    }
}
