use super::bucket::Bucket;
use super::keys::{KeyCache, KeyPlace, KeySlot};
use super::{
    DecapsulationLimit, Directory, Epochs, Opened, Parsed, ReadingEpoch, Rejection, Request,
};
use crate::crypto::{Digest, Verifier};
use crate::ids::{GroupId, MemberNumber};
use crate::replay::{Durable, Record, ReplayState, SenderRecord, SenderSlot, Table, TopicSlot};

/// A receiver over arrays, with the smallest window of 128 counters.
pub type DeviceReceiver<const SENDERS: usize, const TOPICS: usize, const KEYS: usize> =
    Receiver<[SenderSlot<2>; SENDERS], [TopicSlot; TOPICS], [KeySlot; KEYS], 2>;

/// Opens envelopes of all groups of one member, and remembers what it has opened.
///
/// The tables are the caller's: arrays on devices ([`DeviceReceiver`]), `Vec` or `Box<[_]>` on
/// hosts. `W` is the replay window in 64-bit words: 2 (128 counters) on devices, 16 (1024) on
/// hosts.
///
/// Replay protection is as durable as the caller makes it. After each opened message, store what
/// [`Receiver::next_dirty`] hands out before the payload is used, and nothing can be replayed
/// after a crash; store it every n messages, and up to n can be replayed once.
#[derive(Debug)]
pub struct Receiver<S, T, K, const W: usize> {
    replay: ReplayState<S, T, W>,
    keys: KeyCache<K>,
    bucket: Bucket,
    verifier: Verifier,
}

impl<const SENDERS: usize, const TOPICS: usize, const KEYS: usize>
    DeviceReceiver<SENDERS, TOPICS, KEYS>
{
    /// A receiver without an allocator.
    #[must_use]
    pub const fn on_device(limit: DecapsulationLimit) -> Self {
        Self {
            replay: ReplayState::new(
                [const { SenderSlot::EMPTY }; SENDERS],
                [const { TopicSlot::EMPTY }; TOPICS],
            ),
            keys: KeyCache::new([const { KeySlot::EMPTY }; KEYS]),
            bucket: Bucket::new(limit),
            verifier: Verifier::new(),
        }
    }
}

impl<S, T, K, const W: usize> Receiver<S, T, K, W>
where
    S: Table<SenderSlot<W>>,
    T: Table<TopicSlot>,
    K: Table<KeySlot>,
{
    /// A receiver over the caller's tables, all places free: one per sender and group, one per
    /// sender and topic (for retained values and gap reports), one per session (for its keys).
    /// Give each about twice as many places as are needed at a time.
    #[must_use]
    pub const fn new(senders: S, topics: T, keys: K, limit: DecapsulationLimit) -> Self {
        Self {
            replay: ReplayState::new(senders, topics),
            keys: KeyCache::new(keys),
            bucket: Bucket::new(limit),
            verifier: Verifier::new(),
        }
    }

    /// Opens an envelope in place: `buf` holds one MQTT payload.
    ///
    /// On success the message counts as seen, and the payload stands in `buf`. On failure nothing
    /// was recorded. A rejection that [may wait](Rejection::may_wait) leaves the envelope in
    /// `buf`, so that it can be kept and offered again; after any other rejection `buf` is
    /// ciphertext or wiped.
    ///
    /// # Errors
    /// See [`Rejection`].
    pub fn open<'b>(
        &mut self,
        request: &Request<'_>,
        epochs: &impl Epochs,
        directory: &impl Directory,
        buf: &'b mut [u8],
    ) -> Result<Opened<'b>, Rejection> {
        let result = self.run(request, epochs, directory, buf);
        // What does not verify takes no place that it could push something out of (threat model F1).
        self.keys.drop_scratch();
        result
    }

    fn run<'b>(
        &mut self,
        request: &Request<'_>,
        epochs: &impl Epochs,
        directory: &impl Directory,
        buf: &'b mut [u8],
    ) -> Result<Opened<'b>, Rejection> {
        let parsed = Parsed::parse(buf)?;
        let key_id = parsed.header().key_id;
        let epoch = epochs
            .find(&key_id)
            .ok_or(Rejection::UnknownKey { key_id })?;
        parsed.check_epoch(&epoch, request)?;
        let place = self.session_keys(&parsed, &epoch, request.now.or(request.uptime))?;
        let keyed = parsed.with_keys(&epoch, place);
        let secrets = self.keys.get(keyed.place()).ok_or(Rejection::Rejected)?;
        let decrypted = keyed.decrypt(secrets, request)?;
        let verified = decrypted.verify(
            request,
            directory,
            &self.replay,
            secrets,
            &mut self.verifier,
        )?;
        if self.keys.verified(verified.place()) {
            self.bucket.give_back();
        }
        Ok(verified.release(&mut self.replay))
    }

    fn session_keys(
        &mut self,
        parsed: &Parsed<'_>,
        epoch: &ReadingEpoch<'_>,
        now: Option<u64>,
    ) -> Result<KeyPlace, Rejection> {
        let header = parsed.header();
        if let Some(place) = self.keys.find(&epoch.announcement, header) {
            return Ok(place);
        }
        // Strangers stop here: what they make up uses nothing that members need.
        if !epoch.psk.is_mac(&header.enc, &header.mac) {
            return Err(Rejection::Rejected);
        }
        if !self.bucket.take(now) {
            return Err(Rejection::Busy);
        }
        self.keys
            .derive(epoch, header)
            .map_err(|_| Rejection::Rejected)
    }

    /// Keeps tables for at most so many senders ([`Verifier`]).
    pub fn keep_tables(&mut self, most: usize) {
        self.verifier.keep_tables(most);
    }

    /// Wipes the session keys of every epoch whose announcement `keep` does not name. Call it
    /// when epochs leave the window: the forward secrecy of the window ends with these keys.
    pub fn retain_epochs(&mut self, keep: impl Fn(&Digest) -> bool) {
        self.keys.retain(keep);
    }

    /// What is remembered of a sender.
    #[must_use]
    pub fn sender(&self, group: &GroupId, member: MemberNumber) -> Option<&SenderRecord<W>> {
        self.replay.sender(group, member)
    }

    /// All replay state, for a full copy into a store.
    pub fn records(&self) -> impl Iterator<Item = Record<W>> + '_ {
        self.replay.records()
    }

    /// One change that the store does not have yet; call it until `None`. After an opened message
    /// these are mostly one to three. Apply them in this order: what a pushed-out record refused,
    /// another one refuses by then.
    pub fn next_dirty(&mut self) -> Option<Durable<W>> {
        self.replay.next_dirty()
    }

    /// Takes back a stored record, before the first message is opened. Nothing that would be
    /// refused now becomes acceptable by it. If the tables are smaller than what is stored, call
    /// [`Receiver::next_dirty`] after each record: it says what was pushed out.
    pub fn restore(&mut self, record: Record<W>) {
        self.replay.restore(record);
    }

    /// How many senders have a record.
    #[must_use]
    pub const fn sender_count(&self) -> usize {
        self.replay.sender_count()
    }

    /// How many pairs of sender and topic have a record.
    #[must_use]
    pub const fn topic_count(&self) -> usize {
        self.replay.topic_count()
    }

    /// How many sessions have their keys at hand.
    #[must_use]
    pub const fn session_count(&self) -> usize {
        self.keys.len()
    }

    /// Moves everything into other tables, all places of which are free: larger ones, before full
    /// ones push out records. Nothing is forgotten, and what waits for the store still does.
    pub fn move_into(&mut self, senders: S, topics: T) {
        self.replay.move_into(senders, topics);
    }

    /// Moves the session keys into another table, all places of which are free: a larger one,
    /// before a full one gives up keys that are in use. The places left are wiped.
    pub fn move_keys_into(&mut self, keys: K) {
        self.keys.move_into(keys);
    }
}
