use sealmq_core::open::{Directory, Epochs, ReadingEpoch, Rejection, Request, Sender, SenderQuery};
use sealmq_core::replay::Gap;
use sealmq_core::{CredentialOrder, KeyId, MemberNumber};

use super::{Group, HostReceiver, Member, record_topic, retained};

/// What a reader knows: epochs, known members, credentials that would verify, the refused list.
#[derive(Default)]
pub struct Reader<'a> {
    pub epochs: Vec<&'a Group>,
    /// Kept epochs beside those of `epochs`.
    pub kept: Vec<&'a Group>,
    pub members: Vec<&'a Member>,
    pub verifiable: Vec<&'a Member>,
    /// Members as credentials describe them that the current delegation signed or continues.
    pub older: Vec<&'a Member>,
    pub refused: Vec<(MemberNumber, u32)>,
    pub list_missing: bool,
}

impl<'a> Reader<'a> {
    pub fn new(group: &'a Group, members: &[&'a Member]) -> Self {
        Self {
            epochs: vec![group],
            members: members.to_vec(),
            ..Self::default()
        }
    }

    fn lowest(&self, member: MemberNumber) -> Option<u32> {
        let entry = self.refused.iter().find(|(m, _)| *m == member);
        (!self.list_missing).then(|| entry.map_or(0, |(_, serial)| *serial))
    }

    pub fn open(
        &self,
        receiver: &mut HostReceiver,
        request: &Request<'_>,
        envelope: &[u8],
    ) -> Result<Message, Rejection> {
        let mut buf = envelope.to_vec();
        self.open_in(receiver, request, &mut buf)
    }

    pub fn open_in(
        &self,
        receiver: &mut HostReceiver,
        request: &Request<'_>,
        buf: &mut [u8],
    ) -> Result<Message, Rejection> {
        // Half of all messages, by a bit of their tags: nothing may come of it.
        if buf.last().is_some_and(|byte| byte % 2 == 1) {
            receiver.verify_ahead([(*request, &*buf)], self, self);
        }
        let opened = receiver.open(request, self, self, buf)?;
        Ok(Message {
            payload: opened.payload().to_vec(),
            range: opened.payload_range(),
            sender: opened.sender(),
            session_number: opened.session_number(),
            counter: opened.counter(),
            sent_at: opened.sent_at(),
            sequence: opened.sequence(),
            gap: opened.gap(),
            retain: opened.retain(),
            retained: opened.is_retained_delivery(),
            will: opened.is_will(),
            properties: opened.properties().map(|p| p.as_bytes().to_vec()),
            credential: opened.credential().map(<[u8]>::to_vec),
            serial: opened.credential_serial(),
        })
    }
}

impl Reader<'_> {
    /// Offers what stands on the record topic of a sender; whose session is known by it.
    pub fn record(
        &self,
        receiver: &mut HostReceiver,
        sender: &Member,
        record: &[u8],
    ) -> Result<MemberNumber, Rejection> {
        let name = record_topic(sender.number);
        let request = retained(&name);
        let mut buf = record.to_vec();
        let recorded = receiver.open_record(&request, sender.number, self, self, &mut buf)?;
        Ok(recorded.sender())
    }
}

impl Epochs for Reader<'_> {
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>> {
        let of_events = self
            .epochs
            .iter()
            .find(|g| KeyId::of(&g.events.name) == *key_id);
        let mut kept = self.epochs.iter().chain(&self.kept);
        let mut of_state = || kept.find(|g| KeyId::of(&g.kept.name) == *key_id);
        of_events
            .map(|g| g.reading(false))
            .or_else(|| of_state().map(|g| g.reading(true)))
    }
}

impl Directory for Reader<'_> {
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        let member = self.members.iter().find(|m| m.number == query.member)?;
        Some(member.sender(query.topic, self.lowest(query.member)))
    }

    fn admit(
        &self,
        query: &SenderQuery<'_>,
        credential: &[u8],
        known: Option<CredentialOrder>,
    ) -> Option<Sender> {
        let member = self
            .verifiable
            .iter()
            .find(|m| m.credential() == credential)?;
        let sender = member.sender(query.topic, self.lowest(query.member));
        known.is_none_or(|k| sender.order() > k).then_some(sender)
    }

    fn admit_older(&self, query: &SenderQuery<'_>, credential: &[u8]) -> Option<Sender> {
        let mut older = self.older.iter();
        let member = older.find(|m| m.credential() == credential)?;
        Some(member.sender(query.topic, None))
    }
}

/// An opened message, copied out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub payload: Vec<u8>,
    pub range: std::ops::Range<usize>,
    pub sender: MemberNumber,
    pub session_number: u64,
    pub counter: u32,
    pub sent_at: Option<u64>,
    pub sequence: Option<u32>,
    pub gap: Option<Gap>,
    pub retain: bool,
    pub retained: bool,
    pub will: bool,
    pub properties: Option<Vec<u8>>,
    pub credential: Option<Vec<u8>>,
    pub serial: u32,
}
