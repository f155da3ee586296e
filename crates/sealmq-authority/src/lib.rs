#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
//! The authority of a sealmq domain, sans-IO: no clock, no socket, no random number generator of
//! its own. The normative text is `spec/keys.md`.
//!
//! | room | what it holds |
//! |---|---|
//! | [`RootKey`] | the owner's offline key, which signs delegations |
//! | [`Authority`] | the machine: members, groups, epochs; what to persist and what to publish |
//! | [`office`] | the loop around it: connections, the store, what is published and when |
//! | [`AuditLog`] | the hash chain of what was signed and decided |
//! | [`AuditPiece`], [`encode_delegation`], … | the files that people carry |

extern crate alloc;

mod armour;
mod audit;
mod copy;
mod lineage;
mod machine;
pub mod office;
mod root;

pub use armour::{
    AuditPiece, DelegationRequest, MAX_AUDIT_FILE_LEN, MAX_AUDIT_PIECE_LEN, MAX_PIECE_ENTRIES,
    decode_audit_log, decode_delegation, decode_delegation_request, encode_audit_log,
    encode_delegation, encode_delegation_request,
};
pub use audit::{
    Appended, AuditError, AuditFault, AuditLog, Continuation, Entry, MAX_AUDIT_ENTRY_LEN, What,
};
pub use copy::{AuditCopy, CopyError, CopyFault};
pub use lineage::Lineage;
pub use machine::{
    Authority, AuthorityError, AuthorityEvent, DEFAULT_DEPTH, DEFAULT_VALIDITY, DelegationInfo,
    DomainOptions, Enrolled, EpochReason, Evidence, EvidenceKind, GenerationInfo, GenerationReason,
    GrantSpec, GroupInfo, LoadError, MAX_PENDING, MemberInfo, NewDomain, NewGroup, PendingInfo,
    Plan, PreparedAuthority, ResumeOptions, Schedule, Suspension, TokenInfo, TokenSpec, TwoDevices,
    depth_for,
};
pub use root::{RootError, RootKey};
