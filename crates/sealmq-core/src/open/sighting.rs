use crate::credential::CredentialOrder;
use crate::crypto::ENC_LEN;
use crate::ids::{GroupId, MemberNumber};

/// What names a message among all of its sender: for readers that look out for a second device
/// with the same identity (spec/envelope.md §11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// The group.
    pub group: GroupId,
    /// The sender.
    pub member: MemberNumber,
    /// Order of the credential under which it was sealed.
    pub credential: CredentialOrder,
    /// Number of the session.
    pub session: u64,
    /// Its encapsulated key.
    pub enc: [u8; ENC_LEN],
    /// Number of the message in the session.
    pub counter: u32,
    /// The sender's clock, Unix milliseconds.
    pub sent_at: Option<u64>,
    /// State, and no event.
    pub is_state: bool,
    /// Its place in time says something: it is no will, and came live.
    pub is_in_turn: bool,
}
