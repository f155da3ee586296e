use core::fmt;

use sealmq_core::crypto::{Digest, sha256};
use sealmq_core::object::{FORM_SUITE_1, Kind, ObjectError, Signer, sign_encoded};

use super::MAX_ANNOUNCEMENT_LEN;
use super::cover::{
    CHUNK_ENTRIES, Chunk, CoverEntries, ENTRY_LEN, MANY_CHUNKS, MAX_CHUNK_ENTRIES, MAX_CHUNK_LEN,
    MAX_INLINE_LEN,
};
use super::head::Head;
use crate::cursor::Cursor;
use crate::epoch::{Psk, ReaderSecret};
use crate::tree::{Half, NodeKey, all_leaves, half_of, leaf_range};

/// A node of a cover with its key at the announced epoch.
#[derive(Debug)]
pub struct CoverKey {
    /// The node.
    pub node: u32,
    /// `N[node, epoch]`.
    pub key: NodeKey,
}

/// Where the chunks of long covers go while an announcement is signed.
pub struct ChunkSink<'s> {
    /// Length in bytes up to which covers stand inline, all together; of longer ones each that is
    /// longer than its share is split.
    /// [`INLINE_LIMIT`](super::INLINE_LIMIT) suits devices.
    pub inline_limit: usize,
    /// Takes number and bytes of each chunk, in order: the payloads of the topics
    /// `/g/<group>/c/<epoch>/<number>`.
    pub put: &'s mut dyn FnMut(u32, &[u8]),
}

impl fmt::Debug for ChunkSink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkSink")
            .field("inline_limit", &self.inline_limit)
            .finish_non_exhaustive()
    }
}

impl Head<'_> {
    /// Signs the announcement that has this head, with all covers inline: see
    /// [`Head::sign_with_chunks`].
    ///
    /// # Errors
    /// As there; `Field("covers")` for a cover above 49152 bytes.
    pub fn sign<'o, 's>(
        &self,
        prefix: &str,
        secret: &ReaderSecret,
        covers: &[&[CoverKey]],
        signer: impl Into<Signer<'s>>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let mut sink = ChunkSink {
            inline_limit: usize::MAX,
            put: &mut |_, _| {},
        };
        self.sign_with_chunks(prefix, secret, covers, signer, &mut sink, out)
    }

    /// Signs the announcement that has this head: computes `group_key`, `psk_check` and `kept_key`
    /// from `secret` (what stands in the head is not looked at), wraps the secret for every node of
    /// `covers` (one cover for each generation, nodes ascending by the leaves that they cover)
    /// and signs. `prefix` is the one of the reserved topics. Covers longer than the sink's limit
    /// go to it in chunks of 30 entries, of more if there were more than 56 chunks, and of at most
    /// 8216 bytes; publish them before the announcement.
    ///
    /// `salt` and `secret` must be fresh for each call: a wrap key serves one announcement.
    ///
    /// # Errors
    /// A field that the spec forbids, `covers` included; [`ObjectError::TooLarge`] above 65536
    /// bytes or for a short `out`. Throw away the chunks that the sink got by then.
    pub fn sign_with_chunks<'o, 's>(
        &self,
        prefix: &str,
        secret: &ReaderSecret,
        covers: &[&[CoverKey]],
        signer: impl Into<Signer<'s>>,
        sink: &mut ChunkSink<'_>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let signer = signer.into();
        let psk = secret.psk();
        let kept_key = secret.kept().key_pair().public();
        let head = Head {
            group_key: secret.group_key_pair().public(),
            psk_check: psk.check(),
            kept_key: if self.begins_kept() { &kept_key.0 } else { &[] },
            ..*self
        };
        head.check(prefix)?;
        if head.generations.iter().count() != covers.len() {
            return Err(ObjectError::Field("covers"));
        }

        let mut cursor = Cursor::new(out);
        cursor.put(&[FORM_SUITE_1, Kind::Announcement as u8])?;
        cursor.encode(&(&head, signer.extensions()))?;
        let wrapper = Wrapper {
            head_hash: sha256(&[cursor.written()]),
            secret,
            psk: &psk,
        };

        let cut = Cut::of(covers, sink.inline_limit);
        let layouts = || {
            let generations = head.generations.iter();
            covers
                .iter()
                .zip(generations)
                .map(move |(keys, generation)| Layout::of(keys, generation.depth, cut))
        };
        let len = layouts().try_fold(0_u32, |sum, layout| {
            Ok::<_, ObjectError>(sum.saturating_add(layout?.encoded_len()?))
        })?;
        cursor.encode(&len)?;
        let mut number = 0_u32;
        for layout in layouts() {
            layout?.write(&wrapper, &mut number, sink.put, &mut cursor)?;
        }

        let body_len = cursor.written().len().saturating_sub(2);
        let signed = sign_encoded(Kind::Announcement, body_len, signer.key(), out)?;
        if signed.0.len() > MAX_ANNOUNCEMENT_LEN {
            return Err(ObjectError::TooLarge);
        }
        Ok(signed)
    }
}

/// What every entry of an announcement is made from.
struct Wrapper<'a> {
    head_hash: Digest,
    secret: &'a ReaderSecret,
    psk: &'a Psk,
}

impl Wrapper<'_> {
    /// Appends the entries of these nodes.
    fn write(&self, keys: &[CoverKey], cursor: &mut Cursor<'_>) -> Result<(), ObjectError> {
        for CoverKey { node, key } in keys {
            let secret = match half_of(*node) {
                Some(Half::Readers) => self.secret.secret(),
                Some(Half::Publishers) => self.psk.secret(),
                None => return Err(ObjectError::Field("covers")),
            };
            let wrapped = key
                .wrap(*node, &self.head_hash, secret)
                .map_err(|_| ObjectError::Field("covers"))?;
            cursor.put(&node.to_be_bytes())?;
            cursor.put(&wrapped)?;
        }
        Ok(())
    }
}

/// How the covers of an announcement are cut.
#[derive(Clone, Copy)]
struct Cut {
    /// Length up to which a cover stands inline.
    inline: usize,
    /// Most entries of a chunk.
    per_chunk: usize,
}

impl Cut {
    fn of(covers: &[&[CoverKey]], inline_limit: usize) -> Self {
        let entries = covers
            .iter()
            .fold(0_usize, |sum, keys| sum.saturating_add(keys.len()));
        let together = entries.saturating_mul(ENTRY_LEN) <= inline_limit;
        let share = inline_limit.checked_div(covers.len()).unwrap_or(0);
        Self {
            inline: if together { inline_limit } else { share },
            per_chunk: entries
                .div_ceil(MANY_CHUNKS)
                .clamp(CHUNK_ENTRIES, MAX_CHUNK_ENTRIES),
        }
    }
}

/// How one cover is encoded. Known before anything is wrapped, because the covers' length stands
/// before them.
struct Layout<'k> {
    keys: &'k [CoverKey],
    depth: u8,
    /// Entries of a chunk (the last one may have fewer); `None`: inline.
    per_chunk: Option<usize>,
}

impl<'k> Layout<'k> {
    fn of(keys: &'k [CoverKey], depth: u8, cut: Cut) -> Result<Self, ObjectError> {
        let len = keys.len().saturating_mul(ENTRY_LEN);
        // A chunked cover has two chunks at least.
        let per_chunk = if len <= cut.inline || keys.len() < 2 {
            None
        } else {
            let chunks = keys.len().div_ceil(cut.per_chunk).max(2);
            Some(keys.len().div_ceil(chunks))
        };
        if per_chunk.is_none() && len > MAX_INLINE_LEN {
            return Err(ObjectError::Field("covers"));
        }
        Ok(Self {
            keys,
            depth,
            per_chunk,
        })
    }

    fn first_leaf(&self, chunk: &[CoverKey]) -> Result<u32, ObjectError> {
        chunk
            .first()
            .and_then(|first| leaf_range(self.depth, first.node))
            .map(|leaves| leaves.start)
            .ok_or(ObjectError::Field("covers"))
    }

    /// Length of the list that follows the variant's number.
    fn list_len(&self) -> Result<u32, ObjectError> {
        let len = match self.per_chunk {
            None => u32::try_from(self.keys.len().saturating_mul(ENTRY_LEN)),
            Some(size) => {
                return self.keys.chunks(size).try_fold(0_u32, |sum, chunk| {
                    let len = varint_len(self.first_leaf(chunk)?).saturating_add(32);
                    Ok(sum.saturating_add(len))
                });
            }
        };
        len.map_err(|_| ObjectError::Field("covers"))
    }

    fn encoded_len(&self) -> Result<u32, ObjectError> {
        let len = self.list_len()?;
        Ok(len.saturating_add(varint_len(len)).saturating_add(1))
    }

    fn write(
        &self,
        wrapper: &Wrapper<'_>,
        number: &mut u32,
        put: &mut dyn FnMut(u32, &[u8]),
        cursor: &mut Cursor<'_>,
    ) -> Result<(), ObjectError> {
        cursor.put(&[u8::from(self.per_chunk.is_some())])?; // Inline or Chunked
        cursor.encode(&self.list_len()?)?;
        let leaves = all_leaves(self.depth);
        let Some(size) = self.per_chunk else {
            let start = cursor.written().len();
            wrapper.write(self.keys, cursor)?;
            let entries = cursor.written().get(start..).unwrap_or_default();
            CoverEntries::check(self.depth, entries, leaves, MAX_INLINE_LEN)?;
            return Ok(());
        };
        let mut buffer = [0; MAX_CHUNK_LEN];
        let mut rest = self.keys.chunks(size).peekable();
        while let Some(keys) = rest.next() {
            let first_leaf = self.first_leaf(keys)?;
            let end = match rest.peek() {
                Some(next) => self.first_leaf(next)?,
                None => leaves.end,
            };
            let mut chunk = Cursor::new(&mut buffer);
            wrapper.write(keys, &mut chunk)?;
            let bytes = chunk.written();
            CoverEntries::check(self.depth, bytes, first_leaf..end, MAX_CHUNK_LEN)?;
            let hash = sha256(&[bytes]);
            put(*number, bytes);
            *number = number.saturating_add(1);
            cursor.encode(&Chunk { first_leaf, hash })?;
        }
        Ok(())
    }
}

/// Length of a varint: 7 bits of the value in each byte.
fn varint_len(value: u32) -> u32 {
    value
        .checked_ilog2()
        .map_or(1, |bits| (bits / 7).saturating_add(1))
}
