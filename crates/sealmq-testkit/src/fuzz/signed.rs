//! Objects that authorities sign. Fuzz bytes are a *body*: it is put under this module's own
//! authority, framed and signed, so that what lies behind the signature is reached too.

use std::sync::OnceLock;

use sealmq_core::crypto::{Digest, IdentityKey, KemId, RecipientKeyPair, Secret};
use sealmq_core::object::{
    Extensions, FORM_SUITE_1, Kind, List, OBJECT_OVERHEAD, Signer as Extended, check_extensions,
    decode, decode_prefix, encode, sign_encoded,
};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId};
use sealmq_keys::{
    Announcement, Cover, CoverChunks, CoverEntries, CoverEntry, DelegatedKemKey, DelegatedKey,
    Delegation, Generation, Head, KEM_X25519, Lowest, MAX_ANNOUNCEMENT_LEN, MAX_INLINE_ENTRIES,
    MAX_REFUSED_LEN, MAX_WELCOME_LEN, Refusal, RefusedChunk, RefusedList, RefusedRun, Roles,
    UnverifiedAnnouncement, VerifiedDelegation, VerifiedWelcome, WelcomeFields,
};
use serde::{Deserialize, Serialize};

use super::objects::encoded;

/// An authority whose keys this module has.
pub(super) struct Signer {
    pub(super) root: IdentityKey,
    pub(super) key: IdentityKey,
    /// Receives join requests.
    pub(super) join_key: RecipientKeyPair,
    pub(super) delegation: VerifiedDelegation,
    pub(super) domain: DomainId,
}

impl Signer {
    pub(super) const SERIAL: u32 = 1;

    pub(super) fn get() -> &'static Self {
        static SIGNER: OnceLock<Signer> = OnceLock::new();
        SIGNER.get_or_init(|| {
            let root = IdentityKey::from_seed(&Secret::new([0xa1; 32]));
            let key = IdentityKey::from_seed(&Secret::new([0xa2; 32]));
            let join_key = RecipientKeyPair::derive(KemId::X25519, &Secret::new([0xa3; 32]));
            let (kem, kem_key) = (KEM_X25519, join_key.public().as_bytes());
            let kem_key = DelegatedKemKey { kem, key: kem_key };
            let (roles, key_bytes) = (Roles::ALL, *key.verifying_key().as_bytes());
            let delegated = DelegatedKey {
                key: key_bytes,
                roles,
            };
            let domain = DomainId::of_root(&root.verifying_key());
            let (mut list, mut kem_list) = ([0; 64], [0; 64]);
            let fields = Delegation {
                domain,
                root_key: *root.verifying_key().as_bytes(),
                serial: Self::SERIAL,
                issued_at: 1,
                not_after: u64::MAX,
                keys: List::encode(&[delegated], &mut list).unwrap(),
                kem_keys: List::encode(&[kem_key], &mut kem_list).unwrap(),
            };
            let mut out = [0; 512];
            let object = fields.sign(Suite::One, &root, &mut out).unwrap().0;
            let delegation = VerifiedDelegation::verify(object, &root.verifying_key()).unwrap();
            Self {
                root,
                key,
                join_key,
                delegation,
                domain,
            }
        })
    }
}

/// Frames and signs a body.
pub(super) fn frame(kind: Kind, body: &[u8], key: &IdentityKey) -> Vec<u8> {
    let mut out = vec![0; body.len() + OBJECT_OVERHEAD];
    (out[0], out[1]) = (FORM_SUITE_1, kind as u8);
    out[2..2 + body.len()].copy_from_slice(body);
    sign_encoded(kind, body.len(), key, &mut out).unwrap();
    out
}

/// The fields of an object with its extensions.
pub(super) type Fields<'a, T> = (T, Extensions<'a>);

/// What became of fuzz bytes: an object that is signed by us.
pub(super) struct Framed<'a, T> {
    pub(super) fields: T,
    /// What stands behind the fields, which are not the whole body then.
    pub(super) rest: &'a [u8],
    pub(super) body: Vec<u8>,
    pub(super) object: Vec<u8>,
    /// Of an object that is accepted.
    pub(super) hash: Option<Digest>,
}

/// Decodes fields, makes them ours and signs them. Bytes that are not ours are not accepted, and
/// what is accepted is refused once it is damaged.
pub(super) fn framed<'a, T: Deserialize<'a> + Serialize>(
    data: &'a [u8],
    (kind, key): (Kind, &IdentityKey),
    own: impl FnOnce(&mut T),
    accepts: impl Fn(&[u8]) -> Option<Digest>,
) -> Option<Framed<'a, T>> {
    assert_eq!(accepts(data), None, "not ours");
    let (mut fields, rest) = decode_prefix::<T>(data).ok()?;
    own(&mut fields);
    let body = [encoded(&fields, data.len()), rest.to_vec()].concat();
    let object = frame(kind, &body, key);
    let hash = accepts(&object);
    if let Some(hash) = &hash {
        refuse_damaged(&object, hash, |bytes| accepts(bytes).is_some());
    }
    Some(Framed {
        fields,
        rest,
        body,
        object,
        hash,
    })
}

impl<T> Framed<'_, Fields<'_, T>> {
    /// Our code signs the fields to the same object; `sign` says how long it is.
    pub(super) fn signs(
        &self,
        key: &IdentityKey,
        sign: impl FnOnce(&T, Extended<'_>, &mut [u8]) -> Option<usize>,
    ) -> bool {
        let ((fields, extensions), mut out) = (&self.fields, vec![0; 1 << 16]);
        let signed = Extended::extended(key, *extensions).ok();
        let signed = signed.and_then(|by| sign(fields, by, &mut out));
        let signed = signed.map(|len| &out[..len]);
        if self.hash.is_some() {
            assert_eq!(signed, Some(&*self.object));
        } else {
            let critical = check_extensions(extensions, &[]).is_err();
            let free = critical || !self.rest.is_empty();
            assert!(signed.is_none() || free, "signed, but not accepted");
        }
        self.hash.is_some()
    }
}

/// Every cut and every bit flip of an object is refused; a few of each, chosen by its hash.
pub(super) fn refuse_damaged(object: &[u8], hash: &Digest, accepts: impl Fn(&[u8]) -> bool) {
    let [a, b, bit, ..] = hash.0;
    let at = usize::from(u16::from_be_bytes([a, b])) % object.len();
    let mut flipped = object.to_vec();
    flipped[at] ^= 1 << (bit & 7);
    assert!(!accepts(&flipped), "byte {at} flipped");
    assert!(!accepts(&object[..at]), "cut at {at}");
    assert!(!accepts(&[object, &[0]].concat()), "a byte too many");
}

/// Welcomes (kind 4).
pub fn welcome(data: &[u8]) -> bool {
    let signer = Signer::get();
    let verify = |bytes: &[u8]| {
        let verified = VerifiedWelcome::verify(bytes, &signer.delegation).ok()?;
        Some((*verified.fields(), *verified.hash()))
    };
    let (domain, serial) = (signer.domain, Signer::SERIAL);
    let own = |f: &mut WelcomeFields| (f.domain, f.serial, f.signer) = (domain, serial, 0);
    let accepts = |bytes: &[u8]| Some(verify(bytes)?.1);
    let Some(made) = framed(data, (Kind::Welcome, &signer.key), own, accepts) else {
        return false;
    };
    let Some((verified, _)) = verify(&made.object) else {
        return false;
    };
    let fields = made.fields;
    assert!(made.object.len() <= MAX_WELCOME_LEN);
    assert_eq!(verified, fields);
    assert!(fields.member.is_valid() && fields.epoch > 0 && (2..=24).contains(&fields.depth));
    assert_eq!(fields.leaf.checked_ilog2(), Some(u32::from(fields.depth)));
    assert!(fields.healing_epoch < fields.epoch);
    // What follows is `enc` and `sealed`, and nothing else.
    let (extensions, enc, sealed) = decode::<(Extensions<'_>, &[u8], &[u8])>(made.rest).unwrap();
    assert!(check_extensions(&extensions, &[]).is_ok());
    let inner = sealed.len() - (usize::from(fields.depth) * 32 + 16);
    assert!(enc.len() == 32 && (2..=97 + 1024).contains(&inner));
    true
}

/// Refused lists (kind 6): what is accepted is what signing the same entries gives.
pub fn refused_list(data: &[u8]) -> bool {
    type Chunks<'a> = List<'a, (u32, Digest)>;
    type Body<'a> = Fields<'a, (DomainId, u32, u8, GroupId, &'a [u8], Chunks<'a>)>;
    let (signer, serial) = (Signer::get(), Signer::SERIAL);
    let accepts = |bytes: &[u8]| Some(*RefusedList::verify(bytes, &signer.delegation).ok()?.hash());
    let own = |((domain, of_serial, index, ..), _): &mut Body<'_>| {
        (*domain, *of_serial, *index) = (signer.domain, serial, 0);
    };
    let Some(made) = framed(data, (Kind::RefusedList, &signer.key), own, accepts) else {
        return false;
    };
    let ((.., group, entries, chunks), extensions) = made.fields;
    let Ok(list) = RefusedList::verify(&made.object, &signer.delegation) else {
        return false;
    };
    let refusals: Vec<Refusal> = list.run().iter().flat_map(RefusedRun::iter).collect();
    assert_eq!(refusals.len() * 8, entries.len());
    assert!(refusals.is_sorted_by(|one, next| one.member < next.member));
    for refusal in refusals.iter().take(64) {
        let lowest = refusal.lowest_serial;
        assert!(refusal.member.is_valid());
        assert_eq!(list.lowest_serial(refusal.member), Lowest::Serial(lowest));
        let run = list.run().unwrap();
        assert!(lowest == 0 || !run.accepts(refusal.member, lowest - 1));
    }
    let named: Vec<RefusedChunk> = list.chunks().collect();
    assert_eq!(named.len(), chunks.iter().count());
    for chunk in named.iter().take(64) {
        assert_eq!(list.lowest_serial(chunk.first), Lowest::InChunk(*chunk));
        assert!(chunk.first < chunk.end);
    }
    let mut out = vec![0; MAX_REFUSED_LEN];
    let by = Extended::extended(&signer.key, extensions).unwrap();
    let again = if named.is_empty() {
        RefusedList::sign(signer.domain, serial, 0, group, &refusals, by, &mut out)
    } else {
        RefusedList::sign_chunks(signer.domain, serial, 0, group, &named, by, &mut out)
    };
    let (again, hash) = again.unwrap();
    assert_eq!(again, made.object);
    assert!(RefusedList::named(&made.object, &signer.domain, &group, &hash).is_ok());
    true
}

/// Announcements (kind 5): what is accepted is rebuilt from its parts to the same bytes.
pub fn announcement(data: &[u8]) -> bool {
    const PREFIX: &str = "_sealmq/fuzz";
    let (signer, serial) = (Signer::get(), Signer::SERIAL);
    let accepts = |bytes: &[u8]| {
        let verified = Announcement::verify(bytes, &signer.delegation, PREFIX).ok()?;
        Some(*verified.hash())
    };
    let own = |(head, _): &mut Fields<'_, Head<'_>>| {
        (head.domain, head.serial, head.signer) = (signer.domain, serial, 0);
    };
    let Some(made) = framed(data, (Kind::Announcement, &signer.key), own, accepts) else {
        return false;
    };
    let (head, extensions) = made.fields;
    if let Ok(unverified) = UnverifiedAnnouncement::decode(&made.object) {
        let named = (*unverified.group(), unverified.epoch());
        assert_eq!(named, (head.group, head.epoch));
    }
    let Ok(announcement) = Announcement::verify(&made.object, &signer.delegation, PREFIX) else {
        return false;
    };
    assert!(made.object.len() <= MAX_ANNOUNCEMENT_LEN);
    assert_eq!(*announcement.head(), head);
    assert_eq!(rebuild(&announcement, &extensions), made.body);
    assert!(head.epoch > 0 && head.healing_epoch < head.epoch && head.not_after > head.issued_at);
    for (generation, cover) in announcement.covers() {
        match cover {
            Cover::Inline(entries) => {
                check_cover(&generation, &entries.iter().collect::<Vec<_>>());
            }
            Cover::Chunked(chunks) => check_chunks(&generation, &chunks),
        }
    }
    true
}

fn rebuild(announcement: &Announcement<'_>, extensions: &Extensions<'_>) -> Vec<u8> {
    let head = announcement.head();
    let filters: Vec<&str> = head.filters.iter().collect();
    let generations: Vec<Generation> = head.generations.iter().collect();
    let (mut filter_bytes, mut generation_bytes) = ([0; 2048], [0; 256]);
    let again = Head {
        filters: List::encode(&filters, &mut filter_bytes).unwrap(),
        generations: List::encode(&generations, &mut generation_bytes).unwrap(),
        ..*head
    };
    let mut covers = Vec::new();
    for (_, cover) in announcement.covers() {
        let mut bytes = Vec::new();
        for CoverEntry { node, wrapped } in cover.inline().iter().flat_map(CoverEntries::iter) {
            bytes.extend_from_slice(&node.to_be_bytes());
            bytes.extend_from_slice(wrapped);
        }
        for chunk in cover.chunked().iter().flat_map(CoverChunks::iter) {
            let mut out = [0; 48];
            bytes.extend_from_slice(encode(&(chunk.first_leaf, chunk.hash), &mut out).unwrap());
        }
        let variant = u8::from(cover.chunked().is_some());
        let mut out = vec![0; bytes.len() + 16];
        covers.extend_from_slice(encode(&(variant, bytes.as_slice()), &mut out).unwrap());
    }
    let mut out = vec![0; MAX_ANNOUNCEMENT_LEN];
    let body = (again, extensions, covers.as_slice());
    encode(&body, &mut out).unwrap().to_vec()
}

/// Two or more, ascending, each with a leaf of the tree in front, numbered without a gap.
fn check_chunks(generation: &Generation, chunks: &CoverChunks<'_>) {
    let chunks: Vec<_> = chunks.iter().collect();
    assert!(chunks.len() >= 2);
    for (chunk, next) in chunks.iter().zip(&chunks[1..]) {
        assert!(chunk.first_leaf < chunk.end_leaf && chunk.end_leaf == next.first_leaf);
        assert_eq!(chunk.number + 1, next.number);
    }
    assert!(chunks[0].first_leaf >= 1 << generation.depth);
    assert_eq!(chunks.last().unwrap().end_leaf, 2 << generation.depth);
}

/// Ascending by leaves, without overlap, inside the tree: counted leaf by leaf where that is cheap.
fn check_cover(generation: &Generation, entries: &[CoverEntry<'_>]) {
    assert!((1..=MAX_INLINE_ENTRIES).contains(&entries.len()));
    let mut next = 0_u64;
    for entry in entries {
        let level = entry.node.ilog2();
        assert!(level >= 1 && level <= u32::from(generation.depth));
        let height = u32::from(generation.depth) - level;
        let first = u64::from(entry.node) << height;
        assert!(first >= next, "sorted and disjoint");
        next = first + (1 << height);
    }
    assert!(next <= 2 << generation.depth);
}
