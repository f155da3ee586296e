//! What was decrypted before it is opened.

use core::fmt;
use std::collections::VecDeque;
use std::vec::Vec;

use zeroize::Zeroize as _;

use super::context::Context;
use super::verify::Decrypted;
use crate::crypto::Digest;
use crate::topic::Topic;
use crate::wire::BodyFields;

/// Envelopes with what came of decrypting them, in the order in which they will be opened.
#[derive(Default)]
pub(super) struct DecryptedAhead {
    all: VecDeque<One>,
    /// Memory of before.
    spare: Vec<Vec<u8>>,
}

struct One {
    /// Topic, envelope, and the same buffer decrypted in place.
    bytes: Vec<u8>,
    topic_len: usize,
    fields: BodyFields,
    topic_hash: Digest,
    context: Context,
}

impl DecryptedAhead {
    pub(super) const fn new() -> Self {
        Self {
            all: VecDeque::new(),
            spare: Vec::new(),
        }
    }

    /// Wipes all.
    pub(super) fn clear(&mut self) {
        while let Some(one) = self.all.pop_front() {
            self.wipe(one.bytes);
        }
    }

    fn wipe(&mut self, mut bytes: Vec<u8>) {
        bytes.as_mut_slice().zeroize();
        bytes.clear();
        self.spare.push(bytes);
    }

    pub(super) fn keep(&mut self, topic: Topic<'_>, envelope: &[u8], decrypted: &Decrypted<'_>) {
        let mut bytes = self.spare.pop().unwrap_or_default();
        let topic = topic.as_str().as_bytes();
        // At once: what grows leaves a copy behind.
        let parts = [topic, envelope, decrypted.plain.bytes()];
        bytes.reserve(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        self.all.push_back(One {
            bytes,
            topic_len: topic.len(),
            fields: decrypted.fields.clone(),
            topic_hash: decrypted.topic_hash,
            context: decrypted.context,
        });
    }

    /// If `buf` holds an envelope that was decrypted, under the same keys and as the same session's,
    /// it is decrypted now.
    pub(super) fn take(
        &mut self,
        topic: Topic<'_>,
        context: &Context,
        buf: &mut [u8],
    ) -> Option<(BodyFields, Digest)> {
        let place = self.all.iter().position(|one| {
            let (its_topic, envelope, _) = one.parts();
            (its_topic, envelope) == (topic.as_str().as_bytes(), &*buf)
        })?;
        let one = self.all.remove(place)?;
        let (.., plain) = one.parts();
        let same = one.context.announcement == context.announcement
            && one.context.for_state == context.for_state
            && one.context.short == context.short;
        if same {
            buf.copy_from_slice(plain);
        }
        let taken = same.then(|| (one.fields.clone(), one.topic_hash));
        self.wipe(one.bytes);
        taken
    }
}

impl fmt::Debug for DecryptedAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptedAhead({})", self.all.len())
    }
}

impl Drop for DecryptedAhead {
    fn drop(&mut self) {
        self.clear();
    }
}

impl One {
    fn parts(&self) -> (&[u8], &[u8], &[u8]) {
        let (topic, twice) = self
            .bytes
            .split_at_checked(self.topic_len)
            .unwrap_or_default();
        let half = twice.len() / 2;
        let (envelope, plain) = twice.split_at_checked(half).unwrap_or_default();
        (topic, envelope, plain)
    }
}
