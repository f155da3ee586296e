//! Objects on reserved topics, read where they stand. Whatever is bad changes nothing (spec/keys.md
//! §9).

use sealmq_core::object::{ObjectError, Role};
use sealmq_core::{MemberNumber, VerifiedCredential};
use sealmq_keys::ReservedTopic;
use sealmq_keys::group::{
    Chunk, FollowContext, FollowError, Followed, GroupState, InstallError, Installed,
};
use sealmq_keys::objects::{KeptKeys, UnverifiedAnnouncement, VerifiedDelegation, VerifiedWelcome};
use sealmq_keys::package_age::Listed;

use super::lists::lacks_list;
use super::{DEFAULT_SKEW, Device, Event, seconds};
use crate::Clock;
use crate::bytes::Bytes;
use crate::chunks::Chunks;
use crate::error::Refused;
use crate::records::{LeftOut, RecordId};

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    /// Whether a topic is for this machine, and not for the application.
    #[must_use]
    pub fn is_reserved(&self, topic: &str) -> bool {
        sealmq_keys::is_reserved(self.prefix(), topic)
    }

    /// Takes what arrived on a reserved topic, live or retained; of `payload` nothing is left that
    /// anybody could use. Then store what is [due](Device::due), and see to
    /// [`Device::poll_subscribe`] and [`Device::poll_transmit`].
    ///
    /// # Errors
    /// Nothing has changed, but that what is missing is asked for.
    pub fn handle(
        &mut self,
        topic: &str,
        payload: &mut [u8],
        at: Clock,
    ) -> Result<Option<Event>, Refused> {
        let at = self.clock(at);
        let name = topic;
        let Some(topic) = ReservedTopic::parse(self.prefix(), topic) else {
            return Ok(None);
        };
        // A cleared topic never deletes anything here (threat model B4).
        if payload.is_empty() {
            return Ok(None);
        }
        if payload.len() > topic.max_len() {
            return Err(ObjectError::TooLarge.into());
        }
        if topic == ReservedTopic::Delegation {
            return self.handle_delegation(payload, at);
        }
        // A delegation that has expired gives no key a role any more (spec/keys.md §3).
        if seconds(at).is_some_and(|now| now > self.delegation.not_after()) {
            return Err(ObjectError::Expired.into());
        }
        let own = self.number();
        let of_group = match topic {
            ReservedTopic::Credential(member) if member == own => {
                return self.handle_own_credential(payload);
            }
            ReservedTopic::Credential(member) if Self::READS => {
                return self.handle_credential(member, payload);
            }
            ReservedTopic::SessionRecord(_, sender) if Self::READS => {
                return self.handle_record(name, sender, payload, at);
            }
            ReservedTopic::Welcome(member, group) | ReservedTopic::NonceAnswer(member, group)
                if member == own =>
            {
                group
            }
            ReservedTopic::Announcement(group, _)
            | ReservedTopic::Chunk(group, ..)
            | ReservedTopic::RefusedList(group)
            | ReservedTopic::RefusedChunk(group, _)
            | ReservedTopic::KeptKeys(group)
            | ReservedTopic::Heartbeat(group) => group,
            _ => return Ok(None),
        };
        let Some(place) = self.place_of(&of_group) else {
            return Ok(None);
        };
        match topic {
            ReservedTopic::Welcome(..) => self.handle_welcome(place, payload, at),
            ReservedTopic::NonceAnswer(..) => self.handle_answer(place, payload),
            ReservedTopic::Announcement(_, epoch) => {
                let event = self.handle_announcement(place, epoch, payload, at)?;
                if event.is_some() {
                    // Records of its sessions may have come before it.
                    self.session_records.ask_again();
                }
                Ok(event)
            }
            ReservedTopic::Chunk(_, epoch, number) => {
                self.handle_chunk(place, epoch, number, payload)
            }
            ReservedTopic::RefusedList(_) => self.handle_list(place, payload),
            ReservedTopic::RefusedChunk(_, first) => self.handle_list_chunk(place, first, payload),
            ReservedTopic::KeptKeys(_) => self.handle_kept_keys(place, payload),
            ReservedTopic::Heartbeat(_) => self.handle_heartbeat(place, payload, at),
            _ => Ok(None),
        }
    }

    fn handle_delegation(&mut self, payload: &[u8], at: Clock) -> Result<Option<Event>, Refused> {
        if payload == self.delegation_object.as_ref() {
            return Ok(None);
        }
        let mut verified = None;
        let delegation = VerifiedDelegation::verify_into(&mut verified, payload, &self.root)?;
        if !delegation.supersedes(&self.delegation)? {
            return Ok(None);
        }
        if seconds(at).is_some_and(|now| !delegation.is_valid_at(now, DEFAULT_SKEW)) {
            return Err(ObjectError::Expired.into());
        }
        self.delegation_object = Bytes::new(payload).ok_or(Refused::TooLong)?;
        self.mark(RecordId::Domain);
        for place in 0..G {
            let Ok(place) = u8::try_from(place) else {
                break;
            };
            let Some(group) = self.place_mut(place) else {
                continue;
            };
            let state = group.state_mut();
            let ended =
                state.is_some_and(|state| state.end_kept(|serial| delegation.continues(serial)));
            // What only keys of older delegations vouch for counts no more (spec/keys.md §3).
            group.wanted = None;
            group.chunks = Chunks::NONE;
            group.own_chunk = None;
            group.left_out = None;
            group.leases.forget_claims();
            let followed = (
                group.state().and_then(GroupState::serial),
                group.current_epoch(),
            );
            group
                .listed
                .take_if(|listed| (Some(listed.serial), listed.epoch) != followed);
            group.ask.announcements = true;
            group.ask.list = true;
            group.end_sessions();
            self.mark(RecordId::Notes(place));
            if ended {
                self.mark(RecordId::Group(place));
            }
        }
        self.peers.forget();
        self.own_asked = false;
        self.delegation.clone_from(delegation);
        Ok(Some(Event::Delegation(self.delegation.serial())))
    }

    fn handle_own_credential(&mut self, payload: &[u8]) -> Result<Option<Event>, Refused> {
        if self.own.bytes() == payload {
            return Ok(None);
        }
        let new = VerifiedCredential::verify(payload, &self.delegation)?;
        let (fields, own) = (new.fields(), self.own.fields());
        if fields.member != own.member {
            return Err(ObjectError::Field("member").into());
        }
        if new.key() != self.own.key() {
            return Err(ObjectError::Field("key").into());
        }
        // One that an older delegation's key signed does not stand in the way of a new one.
        if fields.serial == own.serial && fields.credential_serial <= own.credential_serial {
            return Err(ObjectError::Serial.into());
        }
        let serial = fields.credential_serial;
        let voucher = self.delegation.voucher(fields.signer, Role::Issue);
        let copy = Bytes::new(payload).and_then(|copy| new.with_copy(copy));
        let copy = copy.ok_or(Refused::TooLong)?;
        self.own_voucher = voucher.ok_or(ObjectError::Role)?;
        self.own = copy;
        self.connection.renewed();
        for group in self.groups.iter_mut().flatten() {
            // What it sealed under the one before ranks below all that follows.
            group.state_session = None;
            // The short form does not say under which one it is.
            if group.own_record.take().is_some() {
                group.session = None;
            }
        }
        self.open_places();
        self.mark(RecordId::Numbers);
        self.mark(RecordId::Credential);
        Ok(Some(Event::Credential(serial)))
    }

    fn handle_credential(
        &mut self,
        member: MemberNumber,
        payload: &[u8],
    ) -> Result<Option<Event>, Refused> {
        let taken = self.peers.offer(member, payload, &self.delegation)?;
        if taken {
            // What the lists say of it was not read.
            let peer = self.peers.get(member);
            for (place, group) in self.groups.iter_mut().enumerate() {
                if let Some(group) = group {
                    group.ask.list |= lacks_list(group, peer, place);
                }
            }
        }
        Ok(taken.then_some(Event::Sender(member)))
    }

    fn handle_welcome(
        &mut self,
        place: u8,
        payload: &[u8],
        at: Clock,
    ) -> Result<Option<Event>, Refused> {
        let welcome = VerifiedWelcome::verify(payload, &self.delegation)?;
        let fields = *welcome.fields();
        if fields.member != self.number() {
            return Err(ObjectError::Field("member").into());
        }
        let Some(group) = self.place(place) else {
            return Ok(None);
        };
        if fields.group != group.id {
            return Err(ObjectError::Field("group").into());
        }
        if group.state().is_some_and(|state| !state.is_newer(&fields)) {
            return Ok(None);
        }
        let Some(package) = self.packages.get(fields.package_number) else {
            // Used already: a second install must never reset anything (threat model B5). Or its
            // time was over: with new packages the authority can issue another welcome.
            if fields.package_number > self.package_number {
                return Err(Refused::Package);
            }
            let seen = group.unusable == fields.package_number;
            if let Some(group) = self.place_mut(place) {
                group.unusable = fields.package_number;
            }
            self.packages.replenish |= !seen;
            return Ok(None);
        };
        if package.hash != fields.package {
            return Err(Refused::Package);
        }
        let opened = welcome
            .open(&package.key_pair())
            .map_err(Refused::Welcome)?;
        let Some(group) = self.place_mut(place) else {
            return Ok(None);
        };
        let id = group.id;
        let installed = match group.state_mut() {
            Some(state) => state.reinstall(opened),
            None => {
                group.install(opened);
                Ok(Installed::Moved)
            }
        };
        let replaced = match installed {
            Ok(Installed::Moved) => None,
            Ok(Installed::Replaced { contradiction }) => {
                group.voucher = None;
                group.left_out = None;
                Some(contradiction)
            }
            Err(error) => {
                if error == InstallError::TooOld {
                    group.unusable = fields.package_number;
                    self.end_package(fields.package_number);
                }
                return Err(Refused::Install(error));
            }
        };
        group.end_sessions();
        group.chunks = Chunks::NONE;
        group.ask.announcements = true;
        group.ask.heartbeat = true;
        self.packages.used(fields.package_number);
        self.packages.replenish = true;
        self.confirm = true;
        self.mark(RecordId::Notes(place));
        self.mark(RecordId::Group(place));
        self.mark(RecordId::Packages);
        self.forget_old_sessions();
        self.end_stale_packages(at);
        Ok(Some(Event::Joined {
            group: id,
            epoch: fields.epoch,
            replaced,
        }))
    }

    fn handle_announcement(
        &mut self,
        place: u8,
        epoch: u64,
        payload: &[u8],
        at: Clock,
    ) -> Result<Option<Event>, Refused> {
        let unverified = UnverifiedAnnouncement::decode(payload)?;
        let Some(group) = self
            .groups
            .get_mut(usize::from(place))
            .and_then(Option::as_mut)
        else {
            return Ok(None);
        };
        let id = group.id;
        if *unverified.group() != id {
            return Err(ObjectError::Field("group").into());
        }
        if unverified.epoch() != epoch {
            return Err(ObjectError::Field("epoch").into());
        }
        let listed = group.listed;
        let hash = *unverified.hash();
        let head = *unverified.head();
        let Some(state) = group.state_mut() else {
            // The welcome has not come yet, and asks for it again.
            unverified.verify(&self.delegation, self.prefix.as_str())?;
            Listed::note(&mut group.listed, &head);
            if group.listed != listed {
                self.mark(RecordId::Notes(place));
            }
            return Ok(None);
        };
        let known = state.announcement_hash(epoch);
        if known.map_or(epoch < state.base_epoch(), |known| *known == hash) {
            return Ok(None);
        }
        let list = state.refused().copied();
        let wanted = group.wanted.filter(|wanted| *wanted == (epoch, hash));
        let entry = group.chunks.entry(epoch);
        let context = FollowContext {
            authorities: &self.delegation,
            prefix: self.prefix.as_str(),
            now: seconds(at),
            referenced: wanted.map(|(_, hash)| hash),
            chunk: entry.as_ref().map(Chunk::Entry),
        };
        let Some(state) = group.state_mut() else {
            return Ok(None);
        };
        let result = state.follow(payload, &context);
        let followed_serial = state.serial().unwrap_or(0);
        match &result {
            Ok(_)
            | Err(
                FollowError::NeedsHealing { .. }
                | FollowError::NeedsChunk { .. }
                | FollowError::NotCovered,
            ) => Listed::note(&mut group.listed, &head),
            // What contradicts the chain under a newer delegation will replace it: the welcome
            // needs packages that are made for what it says.
            Err(FollowError::Fork(_) | FollowError::TooOld | FollowError::TooFar)
                if head.serial > followed_serial =>
            {
                Listed::note(&mut group.listed, &head);
            }
            Err(_) => {}
        }
        if group.listed != listed {
            self.due |= RecordId::Notes(place).bit();
        }
        match result {
            Ok(Followed::AlreadyKnown) => Ok(None),
            Ok(followed) => {
                // It may be of a delegation that the current one does not continue.
                let delegation = &self.delegation;
                if let Some(state) = group.state_mut() {
                    state.end_kept(|serial| delegation.continues(serial));
                }
                group.go_on(epoch);
                let mut event = Event::Filled(id);
                if let Followed::Current { epoch, .. } = followed {
                    event = Event::Epoch { group: id, epoch };
                    // One that is referred to may be of an older delegation: then what stood
                    // behind it is not known any more, and its successor decides.
                    group.voucher = match head.serial == delegation.serial() {
                        true => delegation.voucher(head.signer, Role::Groups),
                        false => group.voucher.filter(|v| v.serial == head.serial),
                    };
                    group.left_out.take_if(|left_out| left_out.epoch <= epoch);
                    let state = group.state();
                    group.ask.announcements |=
                        state.is_some_and(|state| state.missing().next().is_some());
                    group.ask.heartbeat |= group.leases.newest().is_none();
                }
                group.end_sessions();
                let state = group.state();
                let changed = state.and_then(|state| state.refused().copied()) != list;
                group.ask.list |= changed;
                if changed {
                    self.peers.list_changed(place);
                }
                self.mark(RecordId::Notes(place));
                self.mark(RecordId::Group(place));
                self.settle_leases(place, at);
                self.forget_old_sessions();
                self.end_stale_packages(at);
                Ok(Some(event))
            }
            Err(FollowError::NeedsHealing { epoch, hash }) => {
                if !group.chunks.blocks(head.epoch, epoch) {
                    group.ask.wanted |= group.wanted != Some((epoch, hash));
                    group.wanted = Some((epoch, hash));
                }
                Err(Refused::Follow(FollowError::NeedsHealing { epoch, hash }))
            }
            Err(FollowError::NeedsChunk { epoch, chunk }) => {
                group.chunks.needs(epoch, chunk);
                Err(Refused::Follow(FollowError::NeedsChunk { epoch, chunk }))
            }
            Err(FollowError::NotCovered) => {
                group.chunks.left_out(epoch);
                let known = group.left_out.map_or(group.current_epoch(), |l| l.epoch);
                if epoch > known.max(group.current_epoch()) {
                    let before = group.left_out.filter(|before| before.list == head.refused);
                    group.left_out = Some(LeftOut {
                        serial: self.delegation.serial(),
                        epoch,
                        list: head.refused,
                        removed: before.and_then(|before| before.removed),
                        set: self.packages.newest_number(),
                    });
                    group.ask.list = true;
                    self.mark(RecordId::Notes(place));
                    if head.refused == sealmq_core::crypto::Digest::ZERO {
                        // Nobody is refused.
                        return Ok(self.judged(place, false));
                    }
                }
                Err(Refused::Follow(FollowError::NotCovered))
            }
            Err(error) => {
                group.ask.announcements |= group.chunks.refused(epoch);
                Err(Refused::Follow(error))
            }
        }
    }

    /// A device keeps the newest kept keys only: of the list it takes what vouches for them.
    fn handle_kept_keys(&mut self, place: u8, payload: &[u8]) -> Result<Option<Event>, Refused> {
        let list = KeptKeys::verify(payload, &self.delegation)?;
        let fields = *list.fields();
        let Some(group) = self.place_mut(place) else {
            return Ok(None);
        };
        if fields.group != group.id {
            return Err(ObjectError::Field("group").into());
        }
        let id = group.id;
        let Some(state) = group.state_mut() else {
            return Ok(None);
        };
        let mut vouched = false;
        for name in list.names() {
            vouched |= state.vouch_kept(&name, fields.serial);
        }
        if vouched {
            self.mark(RecordId::Group(place));
        }
        Ok(vouched.then_some(Event::Kept(id)))
    }

    /// Wipes the keys of sessions whose epochs have left the windows.
    fn forget_old_sessions(&mut self) {
        let groups = &self.groups;
        self.receiver.retain_epochs(|hash| {
            let mut states = groups.iter().flatten().filter_map(|group| group.state());
            states.any(|state| {
                let kept = state.kept().is_some_and(|kept| kept.name == *hash);
                let id = sealmq_core::KeyId::of(hash);
                kept || state.by_key_id(&id).is_some_and(|view| view.hash == hash)
            })
        });
    }
}
