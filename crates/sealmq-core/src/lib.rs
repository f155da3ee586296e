#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")
)]
//! The sealmq envelope: suites, sessions, replay windows and identities.
//!
//! No std, no allocator (but for the features `alloc`, `suite2`, `tables` and `aws-lc`), no clock, no random number generator: time, entropy and bytes come in
//! as arguments. The normative text is `spec/envelope.md`.
//!
//! # How large the tables have to be
//!
//! A [`open::Receiver`] remembers as many senders as its tables have places. When they are full, a
//! new sender pushes out another, and from then on *every* sender without a place is refused until
//! it begins a session numbered above those of all that were pushed out. Senders without a clock
//! count their sessions from 1 and do not get there, not even with a new credential, and one
//! sender that claims a huge number can bring all others to that point; only credentials under a
//! new delegation end it. State is refused so, too, of senders whose topics found no place, and
//! under credentials below the highest known one altogether. So give a device places
//! for all the senders and topics that it reads; hosts have tables that grow
//! ([`replay::Table`]). A receiver serves one domain: what it remembers is ordered by
//! the serials of that domain's delegations.

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "tables")]
extern crate std;

pub mod crypto;
pub mod object;
pub mod open;
pub mod replay;
pub mod seal;

mod credential;
mod held;
mod ids;
mod name;
mod suite;
pub mod topic;
mod transcript;
pub mod wire;

pub use credential::{
    Credential, CredentialOrder, Grant, MAX_CREDENTIAL_LEN, MAX_GRANTS, VerifiedCredential,
};
pub use ids::{DomainId, GroupId, KeyId, MemberNumber};
pub use name::{MAX_NAME_LEN, NameError, check_name};
pub use suite::Suite;
