use core::array::from_fn;

use super::bucket::Bucket;
#[cfg(feature = "tables")]
use super::decrypted::DecryptedAhead;
use super::keys::{KeyCache, KeyPlace, KeySlot};
use super::sessions::{KnownSession, SessionSlot, Sessions};
use super::stages::check_epoch;
use super::verify::{Decrypted, Verified};
use super::{
    DecapsulationLimit, Directory, Epochs, Opened, Parsed, ReadingEpoch, Recorded, Rejection,
    Request,
};
use crate::crypto::{Digest, Verifier};
use crate::ids::{GroupId, KeyId, MemberNumber};
use crate::replay::{Durable, Record, ReplayState, SenderRecord, SenderSlot, Table, TopicSlot};
use crate::wire::{Head, Header, SessionFields, SessionTag, ShortHeader};

/// A receiver over arrays, with the smallest window of 128 counters.
pub type DeviceReceiver<const SENDERS: usize, const TOPICS: usize, const KEYS: usize> = Receiver<
    [SenderSlot<2>; SENDERS],
    [TopicSlot; TOPICS],
    [KeySlot; KEYS],
    [SessionSlot; SENDERS],
    2,
>;

/// Opens envelopes of all groups of one member, and remembers what it has opened.
///
/// The tables are the caller's: arrays on devices ([`DeviceReceiver`]), ones that grow on hosts
/// ([`Table`]). `W` is the replay window in 64-bit words: 2 (128 counters) on devices, 16 (1024) on
/// hosts.
///
/// Replay protection is as durable as the caller makes it. After each opened message, store what
/// [`Receiver::next_dirty`] hands out before the payload is used, and nothing can be replayed
/// after a crash; store it every n messages, and up to n can be replayed once.
#[derive(Debug)]
pub struct Receiver<S, T, K, N, const W: usize> {
    replay: ReplayState<S, T, W>,
    pub(super) keys: KeyCache<K>,
    pub(super) sessions: Sessions<N>,
    bucket: Bucket,
    pub(super) verifier: Verifier,
    #[cfg(feature = "tables")]
    pub(super) ahead: DecryptedAhead,
}

impl<const SENDERS: usize, const TOPICS: usize, const KEYS: usize>
    DeviceReceiver<SENDERS, TOPICS, KEYS>
{
    /// A receiver without an allocator.
    // Inline and element by element, so that it is made in its place: a constant would stand in
    // flash, and cross the stack.
    #[must_use]
    #[inline(always)]
    pub fn on_device(limit: DecapsulationLimit) -> Self {
        Self::new(
            from_fn(|_| SenderSlot::EMPTY),
            from_fn(|_| TopicSlot::EMPTY),
            from_fn(|_| KeySlot::EMPTY),
            from_fn(|_| SessionSlot::EMPTY),
            limit,
        )
    }
}

impl<S, T, K, N, const W: usize> Receiver<S, T, K, N, W>
where
    S: Table<SenderSlot<W>>,
    T: Table<TopicSlot>,
    K: Table<KeySlot>,
    N: Table<SessionSlot>,
{
    /// A receiver over the caller's tables, all places free: one per sender and group, one per
    /// sender and topic (for retained values and gap reports), one per session (for its keys), and
    /// a small one per session of which messages of the short form can be opened.
    #[must_use]
    #[inline(always)]
    pub const fn new(
        senders: S,
        topics: T,
        keys: K,
        sessions: N,
        limit: DecapsulationLimit,
    ) -> Self {
        Self {
            replay: ReplayState::new(senders, topics),
            keys: KeyCache::new(keys),
            sessions: Sessions::new(sessions),
            bucket: Bucket::new(limit),
            verifier: Verifier::new(),
            #[cfg(feature = "tables")]
            ahead: DecryptedAhead::new(),
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

    /// Takes what stands on the record topic of `sender` in a group (spec/envelope.md §12), and
    /// from then on opens messages of that session in the short form. It is no message: nothing
    /// counts as seen by it, and it may come as often as it likes.
    ///
    /// # Errors
    /// See [`Rejection`]. Afterwards `buf` is of no use: what may wait is asked for again.
    pub fn open_record<'b>(
        &mut self,
        request: &Request<'_>,
        sender: MemberNumber,
        epochs: &impl Epochs,
        directory: &impl Directory,
        buf: &'b mut [u8],
    ) -> Result<Recorded<'b>, Rejection> {
        let result = self.run_record(request, sender, epochs, directory, buf);
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
        match *parsed.head() {
            Head::Full(header) => self.run_full(parsed, header, request, epochs, directory),
            Head::Short(header) => self.run_short(parsed, header, request, epochs, directory),
        }
    }

    fn run_full<'b>(
        &mut self,
        parsed: Parsed<'b>,
        header: Header,
        request: &Request<'_>,
        epochs: &impl Epochs,
        directory: &impl Directory,
    ) -> Result<Opened<'b>, Rejection> {
        let epoch = find(epochs, &header)?;
        let (decrypted, place) = self.decrypt(parsed, header, None, &epoch, request)?;
        let verified = self.verify(decrypted, place, request, directory)?;
        let mut new_session = None;
        if let Some(fields) = verified.session()
            && self.keys.is_news(place, fields.sender)
        {
            let session = known(&epoch, &header, fields);
            let tag = session.tag;
            new_session = self.sessions.note(session).then_some(tag);
        }
        self.verified(place);
        let mut opened = verified.release(&mut self.replay);
        opened.new_session = new_session;
        Ok(opened)
    }

    /// Who does not know the session can do nothing with it, and it costs nothing.
    fn run_short<'b>(
        &mut self,
        parsed: Parsed<'b>,
        short: ShortHeader,
        request: &Request<'_>,
        epochs: &impl Epochs,
        directory: &impl Directory,
    ) -> Result<Opened<'b>, Rejection> {
        let unknown = Rejection::UnknownSession { tag: short.tag };
        let session = *self.sessions.get(short.tag).ok_or(unknown)?;
        let header = session.header(short.suite, short.counter);
        let fields = Some(session.fields);
        let epoch = find(epochs, &header)?;
        let (decrypted, place) = self.decrypt(parsed, header, fields, &epoch, request)?;
        let verified = self.verify(decrypted, place, request, directory)?;
        self.verified(place);
        self.sessions.used(short.tag);
        Ok(verified.release(&mut self.replay))
    }

    fn run_record<'b>(
        &mut self,
        request: &Request<'_>,
        sender: MemberNumber,
        epochs: &impl Epochs,
        directory: &impl Directory,
        buf: &'b mut [u8],
    ) -> Result<Recorded<'b>, Rejection> {
        let parsed = Parsed::parse(buf)?;
        let Head::Full(header) = *parsed.head() else {
            return Err(Rejection::Rejected);
        };
        let epoch = find(epochs, &header)?;
        if epoch.for_state {
            return Err(Rejection::Rejected);
        }
        let (decrypted, place) = self.decrypt(parsed, header, None, &epoch, request)?;
        let tag = SessionTag(epoch.psk.tag(&header.enc, sender));
        let recorded =
            decrypted.verify_record(request, sender, tag, directory, &mut self.verifier)?;
        let fields = recorded.fields;
        let session = KnownSession::new(tag, epoch.announcement, &header, fields);
        self.sessions.note(session);
        self.verified(place);
        Ok(recorded)
    }

    /// Steps 2 to 5, behind the look-up of the epoch.
    fn decrypt<'b>(
        &mut self,
        parsed: Parsed<'b>,
        header: Header,
        short: Option<SessionFields>,
        epoch: &ReadingEpoch<'_>,
        request: &Request<'_>,
    ) -> Result<(Decrypted<'b>, KeyPlace), Rejection> {
        check_epoch(&header, epoch, request)?;
        let place = self.session_keys(&header, epoch, request)?;
        #[cfg_attr(not(feature = "tables"), allow(unused_mut))]
        let mut keyed = parsed.with_keys(epoch, header, short);
        #[cfg(feature = "tables")]
        if let Some(decrypted) = keyed.decrypted_before(&mut self.ahead, request.topic) {
            return Ok((decrypted, place));
        }
        let secrets = self.keys.get(place).ok_or(Rejection::Rejected)?;
        Ok((keyed.decrypt(&secrets, request)?, place))
    }

    pub(super) fn verify<'b>(
        &mut self,
        decrypted: Decrypted<'b>,
        place: KeyPlace,
        request: &Request<'_>,
        directory: &impl Directory,
    ) -> Result<Verified<'b>, Rejection> {
        let (replay, verifier) = (&self.replay, &mut self.verifier);
        let secrets = || self.keys.get(place);
        decrypted.verify(request, directory, replay, secrets, verifier)
    }

    /// Which key id stands in an envelope, or, in the short form, would stand there, as far as the
    /// session is known: for callers that look up the epoch's keys before they open.
    #[must_use]
    pub fn key_id(&self, envelope: &[u8]) -> Option<KeyId> {
        match Head::parse(envelope).ok()? {
            Head::Full(header) => Some(header.key_id),
            Head::Short(header) => {
                let session = self.sessions.get(header.tag)?;
                Some(KeyId::of(&session.announcement))
            }
        }
    }

    /// Whether the session that a record tells of is known already: the record is then of no use.
    /// Nothing is proven by it.
    #[must_use]
    pub fn knows_record(&self, sender: MemberNumber, epochs: &impl Epochs, record: &[u8]) -> bool {
        let tag = Header::parse(record).ok().and_then(|header| {
            let epoch = epochs.find(&header.key_id)?;
            Some(SessionTag(epoch.psk.tag(&header.enc, sender)))
        });
        tag.is_some_and(|tag| self.sessions.get(tag).is_some())
    }

    fn verified(&mut self, place: KeyPlace) {
        if self.keys.verified(place) {
            self.bucket.give_back();
        }
    }

    fn session_keys(
        &mut self,
        header: &Header,
        epoch: &ReadingEpoch<'_>,
        request: &Request<'_>,
    ) -> Result<KeyPlace, Rejection> {
        if let Some(place) = self.keys.find(&epoch.announcement, header) {
            return Ok(place);
        }
        // Strangers stop here: what they make up uses nothing that members need.
        if !epoch.psk.is_mac(&header.enc, &header.mac) {
            return Err(Rejection::Rejected);
        }
        if !self.bucket.take(request.now.or(request.uptime)) {
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
        self.keys.retain(&keep);
        self.sessions.retain(keep);
        #[cfg(feature = "tables")]
        self.ahead.clear();
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

    /// How many sessions are known, of which messages of the short form can be opened.
    #[must_use]
    pub const fn known_session_count(&self) -> usize {
        self.sessions.len()
    }
}

pub(super) fn find<'e>(
    epochs: &'e impl Epochs,
    header: &Header,
) -> Result<ReadingEpoch<'e>, Rejection> {
    let key_id = header.key_id;
    epochs.find(&key_id).ok_or(Rejection::UnknownKey { key_id })
}

fn known(epoch: &ReadingEpoch<'_>, header: &Header, fields: SessionFields) -> KnownSession {
    let tag = SessionTag(epoch.psk.tag(&header.enc, fields.sender));
    KnownSession::new(tag, epoch.announcement, header, fields)
}
