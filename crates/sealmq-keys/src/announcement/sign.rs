use sealmq_core::crypto::{Digest, IdentityKey, sha256};
use sealmq_core::object::{FORM_SUITE_1, Kind, ObjectError, sign_encoded};

use super::MAX_ANNOUNCEMENT_LEN;
use super::cover::{CoverEntries, ENTRY_LEN};
use super::head::Head;
use crate::cursor::Cursor;
use crate::epoch::ReaderSecret;
use crate::tree::{Half, NodeKey, half_of};

/// A node of a cover with its key at the announced epoch.
#[derive(Debug)]
pub struct CoverKey {
    /// The node.
    pub node: u32,
    /// `N[node, epoch]`.
    pub key: NodeKey,
}

impl Head<'_> {
    /// Signs the announcement that has this head: computes `group_key` and `psk_check` from
    /// `secret` (what stands in the head is not looked at), wraps the secret for every node of
    /// `covers` (one cover for each generation, nodes ascending by the leaves that they cover)
    /// and signs. `prefix` is the one of the reserved topics.
    ///
    /// `salt` and `secret` must be fresh for each call: a wrap key serves one announcement.
    ///
    /// # Errors
    /// A field that the spec forbids, `covers` included; [`ObjectError::TooLarge`] above 65536
    /// bytes or for a short `out`.
    pub fn sign<'o>(
        &self,
        prefix: &str,
        secret: &ReaderSecret,
        covers: &[&[CoverKey]],
        signer: &IdentityKey,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let psk = secret.psk();
        let head = Head {
            group_key: secret.group_key_pair().public(),
            psk_check: psk.check(),
            ..*self
        };
        head.check(prefix)?;
        if head.generations.iter().count() != covers.len() {
            return Err(ObjectError::Field("covers"));
        }

        let mut cursor = Cursor::new(out);
        cursor.put(&[FORM_SUITE_1, Kind::Announcement as u8])?;
        cursor.encode(&head)?;
        let head_hash = sha256(&[cursor.written()]);

        cursor.encode(&covers_len(covers)?)?;
        for (cover, generation) in covers.iter().zip(head.generations.iter()) {
            cursor.put(&[0])?; // Inline
            cursor.encode(&entries_len(cover)?)?;
            let start = cursor.written().len();
            for CoverKey { node, key } in *cover {
                let secret = match half_of(*node) {
                    Some(Half::Readers) => secret.secret(),
                    Some(Half::Publishers) => psk.secret(),
                    None => return Err(ObjectError::Field("covers")),
                };
                let wrapped = key
                    .wrap(*node, &head_hash, secret)
                    .map_err(|_| ObjectError::Field("covers"))?;
                cursor.put(&node.to_be_bytes())?;
                cursor.put(&wrapped)?;
            }
            let entries = cursor.written().get(start..).unwrap_or_default();
            CoverEntries::check(generation.depth, entries)?;
        }

        let body_len = cursor.written().len().saturating_sub(2);
        let signed = sign_encoded(Kind::Announcement, body_len, signer, out)?;
        if signed.0.len() > MAX_ANNOUNCEMENT_LEN {
            return Err(ObjectError::TooLarge);
        }
        Ok(signed)
    }
}

fn entries_len(cover: &[CoverKey]) -> Result<u32, ObjectError> {
    u32::try_from(cover.len().saturating_mul(ENTRY_LEN)).map_err(|_| ObjectError::Field("covers"))
}

/// Length of the list of covers: for each its variant, its length as a varint, its entries.
fn covers_len(covers: &[&[CoverKey]]) -> Result<u32, ObjectError> {
    covers.iter().try_fold(0_u32, |sum, cover| {
        let len = entries_len(cover)?;
        // 7 bits of the length in each byte of a varint.
        let varint = len
            .checked_ilog2()
            .map_or(1, |bits| bits / 7)
            .saturating_add(u32::from(len != 0));
        Ok(sum
            .saturating_add(len)
            .saturating_add(varint)
            .saturating_add(1))
    })
}
