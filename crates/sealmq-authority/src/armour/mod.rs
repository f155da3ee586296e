//! Files that the authority, its root and its auditors exchange (spec/keys.md §11, §13).

mod audit;
mod delegation;
mod piece;

pub use audit::{MAX_AUDIT_FILE_LEN, decode_audit_log, encode_audit_log};
pub use delegation::{
    DelegationRequest, decode_delegation, decode_delegation_request, encode_delegation,
    encode_delegation_request,
};
pub use piece::{AuditPiece, MAX_AUDIT_PIECE_LEN, MAX_PIECE_ENTRIES};
