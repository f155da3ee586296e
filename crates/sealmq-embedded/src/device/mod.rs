//! The device machine.

mod chunks;
mod group;
mod lease;
mod lists;
mod open;
mod own_record;
mod peers;
mod replenish;
mod reserved;
mod seal;
mod short;
mod start;
mod transmit;
mod will;

use sealmq_core::crypto::{DeviceSecret, Digest, IdentityKey, VerifyingKey};
use sealmq_core::object::Authorities;
use sealmq_core::open::DeviceReceiver;
use sealmq_core::replay::{Durable, Record};
use sealmq_core::seal::Connection;
use sealmq_core::{DomainId, GroupId, MemberNumber, VerifiedCredential};
use sealmq_keys::group::{Fork, MAX_STATE_LEN};
use sealmq_keys::objects::{VerifiedDelegation, Voucher};
use sealmq_keys::session_records::Wanted;
use sealmq_keys::standing::{Holding, Moment, Standing};
use sealmq_keys::{RELEASED_AT, real_clock};

use crate::Clock;
use crate::bytes::Bytes;
use crate::error::StartError;
use crate::packages::Packages;
use crate::records::{
    self, CredentialRecord, DomainRecord, IdentityRecord, NumbersRecord, RecordId, VoucherRecord,
};
use group::Group;
use peers::Peers;

pub use open::Message;
pub use seal::Sealing;
pub use transmit::{Filter, Transmit};

/// Longest prefix of the reserved topics that a device takes.
pub(crate) const MAX_PREFIX: usize = 96;
/// Clock tolerance before a group's policy is known, in seconds (spec/constants.md §3, default).
pub(crate) const DEFAULT_SKEW: u32 = 300;

/// What a device says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A newer delegation was taken.
    Delegation(u32),
    /// The own credential was renewed.
    Credential(u32),
    /// A welcome was installed. Replaced: it contradicts what was there, of an older delegation.
    Joined {
        /// The group.
        group: GroupId,
        /// The first epoch that it opens.
        epoch: u64,
        /// What it contradicts.
        replaced: Option<Fork>,
    },
    /// A group's new current epoch.
    Epoch {
        /// The group.
        group: GroupId,
        /// The epoch.
        epoch: u64,
    },
    /// A skipped epoch can be read now.
    Filled(GroupId),
    /// A newer epoch has no key for this device, and its refused list says why.
    LeftOut {
        /// The group.
        group: GroupId,
        /// The epoch.
        epoch: u64,
        /// Removed; otherwise a new welcome is needed, and packages for it go out.
        removed: bool,
    },
    /// The lease of a group is longer.
    Lease(GroupId),
    /// A sender's credential, or what the refused list says of it, is known: what waits for it
    /// may open now.
    Sender(MemberNumber),
    /// Messages of a session of this sender in the short form can be opened: what waits for it may
    /// open now.
    Session(MemberNumber),
    /// The refused list of a group is known.
    List(GroupId),
    /// State keys are vouched for anew.
    Kept(GroupId),
}

/// A member of one domain, on a device. See the crate's page.
pub struct Device<
    const GROUPS: usize,
    const SENDERS: usize,
    const TOPICS: usize,
    const KEYS: usize,
    const OBJECT: usize,
> {
    identity: IdentityKey,
    request: Digest,
    secret: DeviceSecret,
    /// Highest session number used.
    session_number: u64,
    connection: Connection,
    package_number: u32,
    root: VerifyingKey,
    prefix: Bytes<MAX_PREFIX>,
    delegation: VerifiedDelegation,
    delegation_object: Bytes<OBJECT>,
    own: VerifiedCredential<Bytes<OBJECT>>,
    own_voucher: Voucher,
    packages: Packages,
    groups: [Option<Group>; GROUPS],
    peers: Peers<SENDERS, GROUPS, OBJECT>,
    receiver: DeviceReceiver<SENDERS, TOPICS, KEYS>,
    due: u32,
    confirm: bool,
    own_asked: bool,
    session_records: Wanted,
    ask_records: bool,
}

impl<
    const GROUPS: usize,
    const SENDERS: usize,
    const TOPICS: usize,
    const KEYS: usize,
    const OBJECT: usize,
> Device<GROUPS, SENDERS, TOPICS, KEYS, OBJECT>
{
    /// Without a place for a sender it only publishes, and what is for readers is not linked.
    pub(crate) const READS: bool = SENDERS > 0;

    /// What has to be stored, in one transaction, before the machine goes on. Notes come before
    /// the keys of their group, as [`Device::restore`] wants them.
    pub fn due(
        &self,
    ) -> impl Iterator<Item = RecordId> + Clone + use<GROUPS, SENDERS, TOPICS, KEYS, OBJECT> {
        let due = self.due;
        let fixed = [
            RecordId::Identity,
            RecordId::Numbers,
            RecordId::Domain,
            RecordId::Credential,
            RecordId::Packages,
            RecordId::Request,
        ];
        let places = (0..GROUPS).filter_map(|place| u8::try_from(place).ok());
        let groups = places.flat_map(|place| [RecordId::Notes(place), RecordId::Group(place)]);
        fixed
            .into_iter()
            .chain(groups)
            .filter(move |id| due & id.bit() != 0)
    }

    /// Writes a record into `out`; returns its length, 0 for one that is to be deleted. It may be
    /// secret: wipe `out`.
    ///
    /// # Errors
    /// [`StartError::TooLong`]: [`crate::MAX_RECORD_LEN`] is always enough.
    pub fn record(&self, id: RecordId, out: &mut [u8]) -> Result<usize, StartError> {
        match id {
            RecordId::Identity => records::put(
                &IdentityRecord {
                    seed: *self.identity.seed().expose(),
                    request: self.request,
                },
                out,
            ),
            RecordId::Numbers => records::put(
                &NumbersRecord {
                    secret: *self.secret.expose(),
                    session: self.session_number,
                    connection: self.connection.number(),
                    package: self.package_number,
                },
                out,
            ),
            RecordId::Domain => records::put(
                &DomainRecord {
                    root_key: *self.root.as_bytes(),
                    prefix: self.prefix(),
                    delegation: self.delegation_object.as_ref(),
                },
                out,
            ),
            RecordId::Credential => records::put(
                &CredentialRecord {
                    voucher: VoucherRecord::of(&self.own_voucher),
                    credential: self.own.bytes(),
                },
                out,
            ),
            RecordId::Packages => records::put(&self.packages, out),
            // It was answered.
            RecordId::Request => Ok(0),
            RecordId::Notes(place) => match self.place(place) {
                Some(group) => records::put(&group.notes(), out),
                None => Ok(0),
            },
            RecordId::Group(place) => match self.place(place).and_then(|group| group.state()) {
                Some(state) => records::put_bytes(out, |out| {
                    let out = out.get_mut(..MAX_STATE_LEN)?;
                    Some(state.encode(out).ok()?.len())
                }),
                None => Ok(0),
            },
        }
    }

    /// All that was [due](Device::due) is stored.
    pub const fn committed(&mut self) {
        self.due = 0;
    }

    /// Takes back a record of what was seen.
    pub fn restore_seen(&mut self, record: Record<2>) {
        if Self::READS {
            self.receiver.restore(record);
        }
    }

    /// One change to the records of what was seen; store them in this order, until `None`.
    pub fn next_seen(&mut self) -> Option<Durable<2>> {
        match Self::READS {
            true => self.receiver.next_dirty(),
            false => None,
        }
    }

    /// This member's number.
    #[must_use]
    pub fn number(&self) -> MemberNumber {
        self.own.fields().member
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> DomainId {
        self.delegation.domain()
    }

    /// Prefix of the reserved topics.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.prefix.as_str()
    }

    /// The current epoch of a group; `None` without keys.
    #[must_use]
    pub fn epoch(&self, group: &GroupId) -> Option<u64> {
        Some(self.group(group)?.1.state()?.current()?.epoch)
    }

    /// The name of a sender of which a message was opened, as the authority enrolled it; `None` if it
    /// has given way to others.
    #[must_use]
    pub fn sender_name(&self, sender: MemberNumber) -> Option<&str> {
        Some(self.peers.get(sender)?.credential.fields().name)
    }

    /// Whether a group has removed this device, as far as it knows.
    #[must_use]
    pub fn is_removed(&self, group: &GroupId) -> bool {
        let group = self.group(group);
        group.is_some_and(|(_, group)| group.is_left_out() == Some(true))
    }

    pub(crate) const fn swap_packages(&mut self, packages: &mut Packages) {
        core::mem::swap(&mut self.packages, packages);
    }

    pub(crate) const fn all_due(&mut self) {
        self.due = RecordId::Identity.bit()
            | RecordId::Numbers.bit()
            | RecordId::Domain.bit()
            | RecordId::Credential.bit()
            | RecordId::Packages.bit()
            | RecordId::Request.bit();
    }

    fn mark(&mut self, id: RecordId) {
        self.due |= id.bit();
    }

    fn place(&self, place: u8) -> Option<&Group> {
        self.groups.get(usize::from(place))?.as_ref()
    }

    fn group(&self, id: &GroupId) -> Option<(u8, &Group)> {
        let mut groups = (0_u8..).zip(&self.groups);
        groups.find_map(|(place, group)| Some((place, group.as_ref().filter(|g| g.id == *id)?)))
    }

    fn place_of(&self, id: &GroupId) -> Option<u8> {
        self.group(id).map(|(place, _)| place)
    }

    fn place_mut(&mut self, place: u8) -> Option<&mut Group> {
        self.groups.get_mut(usize::from(place))?.as_mut()
    }

    /// A place for each group that the credential grants, as far as there are places.
    fn open_places(&mut self) {
        let grants = self.own.fields().grants;
        for grant in &grants {
            let mut places = self.groups.iter().flatten();
            if places.all(|group| group.id != grant.group)
                && let Some(free) = self.groups.iter_mut().find(|place| place.is_none())
            {
                *free = Some(Group::new(grant.group));
            }
        }
    }

    /// What a clock says, if it can be right (spec/keys.md §8): the device judges by it whatever time it
    /// is given. A clock that comes later, or is right again, counts at once; until then the device
    /// goes on as one without.
    #[must_use]
    pub fn clock(&self, at: Clock) -> Clock {
        let groups = self.groups.iter().flatten();
        let skews = groups.filter_map(|group| Some(group.state()?.policy()?.skew));
        let skew = skews.fold(DEFAULT_SKEW, u32::max);
        let signed = self.delegation.issued_at().max(self.announced_at());
        Clock {
            now: real_clock(at.now, signed.max(RELEASED_AT), skew),
            uptime: at.uptime,
        }
    }

    /// When the newest announcement of any group was issued, Unix seconds; 0 before one came.
    fn announced_at(&self) -> u64 {
        let groups = self.groups.iter().flatten();
        let listed = groups.filter_map(|group| group.listed);
        listed.map(|listed| listed.issued_at).max().unwrap_or(0)
    }

    /// Until when the own credential counts; `None`: not until one of the current serial came.
    fn own_end(&self) -> Option<u64> {
        let end = self.own_voucher.end_under(&self.delegation)?;
        Some(end.min(self.own.fields().not_after))
    }

    /// This device in a group.
    fn standing<'d>(&'d self, group: &'d Group) -> Standing<'d> {
        Standing {
            group: group.id,
            state: group.state(),
            keys_end: group.keys_end(&self.delegation),
            removed: group.is_left_out() == Some(true),
            holding: holding(&self.own, &group.id, self.own_end()),
            covered: None,
        }
    }
}

/// What a credential says for one group. `end`: until when it counts.
fn holding<'c, const OBJECT: usize>(
    credential: &'c VerifiedCredential<Bytes<OBJECT>>,
    group: &GroupId,
    end: Option<u64>,
) -> Holding<'c> {
    let fields = credential.fields();
    Holding {
        member: fields.member,
        name: fields.name,
        serial: fields.credential_serial,
        key: credential.key(),
        hash: credential.hash(),
        grant: fields
            .grant(group)
            .map(|grant| (grant.access, grant.publish_filter)),
        end,
    }
}

const fn moment(at: Clock) -> Moment {
    Moment {
        now: seconds(at),
        uptime: at.uptime,
    }
}

const fn seconds(at: Clock) -> Option<u64> {
    match at.now {
        Some(now) => Some(now / 1000),
        None => None,
    }
}
