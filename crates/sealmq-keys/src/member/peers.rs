//! Credentials of other members: what is known, and what is being asked for.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use sealmq_core::object::{Kind, Object, ObjectError, decode};
use sealmq_core::{Credential, MemberNumber, VerifiedCredential};
use serde::{Deserialize, Serialize};

use super::MemberError;
use super::records;
use crate::delegation::VerifiedDelegation;
use crate::store::Changes;

/// Most senders whose credentials are asked for at the same time. Sender numbers are asked for
/// before a signature can be checked, so an insider could make them up.
pub const MAX_WANTED: usize = 4096;

/// The record of a peer: the highest serial outlives the credential, so that an old credential
/// does not come back after a new delegation (ATTACKS C12).
#[derive(Serialize, Deserialize)]
struct PeerRecord {
    serial: u32,
    credential: Vec<u8>,
}

struct Peer {
    serial: u32,
    /// `None` once a new delegation made it void: a thief of the old issuing key may have made it.
    credential: Option<VerifiedCredential<Vec<u8>>>,
}

/// What a credential means for what is known.
pub(super) enum PeerUpdate {
    /// Nobody asked for it, or it is known.
    Ignored,
    /// It is the newest now.
    Installed {
        /// The member was not known before.
        first: bool,
    },
}

#[derive(Default)]
pub(super) struct Peers {
    known: BTreeMap<MemberNumber, Peer>,
    wanted: BTreeSet<MemberNumber>,
}

impl Peers {
    pub(super) fn load(
        &mut self,
        key: &str,
        value: &[u8],
        delegation: &VerifiedDelegation,
    ) -> Result<(), MemberError> {
        let damaged = || MemberError::Record(key.into());
        let record: PeerRecord = records::read(key, value)?;
        let object = Object::parse(&record.credential, Kind::Credential).map_err(|_| damaged())?;
        let fields: Credential<'_> = decode(object.body()).map_err(|_| damaged())?;
        let member = fields.member;
        // One that was signed under an older delegation does not verify any more.
        let credential = VerifiedCredential::verify(record.credential, delegation).ok();
        self.known.insert(
            member,
            Peer {
                serial: record.serial,
                credential,
            },
        );
        Ok(())
    }

    pub(super) fn get(&self, member: MemberNumber) -> Option<&VerifiedCredential<Vec<u8>>> {
        self.known.get(&member)?.credential.as_ref()
    }

    /// Everyone whose credential topic is worth a subscription, in ascending order.
    pub(super) fn subscribed(&self) -> impl Iterator<Item = MemberNumber> + '_ {
        let unknown = self.wanted.iter().filter(|m| !self.known.contains_key(m));
        self.known.keys().chain(unknown).copied()
    }

    /// Asks for a credential; `true` if a subscription is needed for it.
    pub(super) fn want(&mut self, member: MemberNumber) -> bool {
        let room = self.wanted.len() < MAX_WANTED;
        member.is_valid() && room && self.wanted.insert(member) && !self.known.contains_key(&member)
    }

    /// Gives up asking; `true` if the subscription is to end.
    pub(super) fn forget_want(&mut self, member: MemberNumber) -> bool {
        self.wanted.remove(&member) && !self.known.contains_key(&member)
    }

    /// The highest serial ever seen of a member.
    pub(super) fn serial(&self, member: MemberNumber) -> Option<u32> {
        self.known.get(&member).map(|peer| peer.serial)
    }

    /// A credential from inside a message that verified under it.
    pub(super) fn learn(
        &mut self,
        member: MemberNumber,
        bytes: &[u8],
        delegation: &VerifiedDelegation,
        changes: &mut Changes,
    ) -> Result<PeerUpdate, ObjectError> {
        self.wanted.insert(member);
        let update = self.offer(member, bytes, delegation, changes);
        self.wanted.remove(&member);
        update
    }

    /// A credential from the member's topic; taken if somebody asked for it.
    pub(super) fn offer(
        &mut self,
        member: MemberNumber,
        bytes: &[u8],
        delegation: &VerifiedDelegation,
        changes: &mut Changes,
    ) -> Result<PeerUpdate, ObjectError> {
        let known = self.known.get(&member);
        if known.is_none() && !self.wanted.contains(&member) {
            return Ok(PeerUpdate::Ignored);
        }
        let current = known.and_then(|peer| peer.credential.as_ref());
        if current.is_some_and(|current| current.bytes() == bytes) {
            return Ok(PeerUpdate::Ignored);
        }
        let credential = VerifiedCredential::verify(bytes.to_vec(), delegation)?;
        let fields = credential.fields();
        if fields.member != member {
            return Err(ObjectError::Field("member"));
        }
        // A number is bound to its key for life.
        if current.is_some_and(|current| current.key() != credential.key()) {
            return Err(ObjectError::Field("key"));
        }
        let serial = fields.credential_serial;
        if known.is_some_and(|peer| serial <= peer.serial) {
            return Err(ObjectError::Serial);
        }
        let record = PeerRecord {
            serial,
            credential: bytes.to_vec(),
        };
        records::put(changes, records::peer_key(member), &record)
            .map_err(|_| ObjectError::Encoding)?;
        let first = known.is_none();
        self.known.insert(
            member,
            Peer {
                serial,
                credential: Some(credential),
            },
        );
        self.wanted.remove(&member);
        Ok(PeerUpdate::Installed { first })
    }

    /// Under a new delegation only what it signs counts (spec/keys.md §3).
    pub(super) fn delegation_changed(&mut self, delegation: &VerifiedDelegation) {
        for peer in self.known.values_mut() {
            let serial = peer.credential.as_ref().map(|c| c.fields().serial);
            if serial.is_some_and(|serial| serial != delegation.serial()) {
                peer.credential = None;
            }
        }
    }
}
