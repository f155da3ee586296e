use sealmq_keys::member::Properties;

/// A received message, as `sub` shows it.
pub(super) struct Shown<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) sender: u32,
    pub(super) sender_name: &'a str,
    pub(super) group: &'a str,
    pub(super) epoch: u64,
    pub(super) session: u64,
    pub(super) counter: u64,
    /// The sender's clock, Unix milliseconds.
    pub(super) sent_at: Option<u64>,
    /// This machine's clock, Unix milliseconds.
    pub(super) received_at: u64,
    pub(super) missed: Option<u64>,
    pub(super) retained: bool,
    pub(super) will: bool,
    pub(super) properties: &'a Properties,
}

impl Shown<'_> {
    /// Milliseconds since it was sealed, by the sender's clock and this machine's: of a retained
    /// value, how old it is.
    pub(super) fn age(&self) -> Option<u64> {
        Some(self.received_at.saturating_sub(self.sent_at?))
    }
}
