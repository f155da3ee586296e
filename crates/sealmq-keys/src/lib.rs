#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
//! sealmq key management, sans-IO: no clock, no socket, no random number generator of its own.
//!
//! The normative text is `spec/keys.md`. Without the feature `alloc` this crate holds what a
//! device needs to follow a group; with it (the default) the member machine. The authority is
//! the crate `sealmq-authority`.

#[cfg(feature = "alloc")]
extern crate alloc;

mod announcement;
mod chain;
mod confirmation;
mod cursor;
mod delegation;
mod enrolment;
mod epoch;
mod fingerprint;
mod group;
mod heartbeat;
mod join_refusal;
mod key_package;
mod nonce_answer;
pub mod package_age;
mod package_set;
mod refused;
mod reserved;
mod signed;
mod standing;
pub mod tree;
mod welcome;

#[cfg(feature = "alloc")]
mod armour;
#[cfg(feature = "alloc")]
mod join_request;
#[cfg(feature = "alloc")]
pub mod member;
#[cfg(feature = "alloc")]
mod outputs;
#[cfg(feature = "alloc")]
mod store;
#[cfg(feature = "alloc")]
mod token;

pub use announcement::{
    Announcement, ChunkRef, ChunkSink, Cover, CoverChunks, CoverEntries, CoverEntry, CoverKey,
    ENTRY_LEN, EpochKind, Generation, Head, INLINE_LIMIT, MAX_ANNOUNCEMENT_LEN, MAX_CHUNK_ENTRIES,
    MAX_CHUNK_LEN, MAX_FILTERS, MAX_FILTERS_LEN, MAX_GENERATIONS, MAX_INLINE_ENTRIES,
    MAX_INLINE_LEN, MAX_WINDOW, Policy, UnverifiedAnnouncement, reaches_reserved,
};
pub use confirmation::{
    Confirmation, ConfirmationEntry, MAX_CONFIRMATION_ENTRIES, MAX_CONFIRMATION_LEN,
    VerifiedConfirmation,
};
pub use delegation::{
    DelegatedKemKey, DelegatedKey, Delegation, MAX_AUTHORITY_KEYS, MAX_DELEGATION_LEN,
    MAX_KEM_KEYS, Roles, VerifiedDelegation,
};
pub use enrolment::{EnrolmentRequest, NO_TOKEN, TOKEN_ID_LEN, VerifiedEnrolment};
pub use epoch::{EpochSecret, Psk, ReaderSecret};
pub use fingerprint::Fingerprint;
pub use group::{
    EpochView, FollowContext, FollowError, Followed, Fork, GroupState, InstallError, Installed,
    LeaseClaim, MAX_CATCH_UP, MAX_STATE_LEN, Renewal, StateError,
};
pub use heartbeat::{HeartbeatFields, MAX_HEARTBEAT_LEN, MAX_LEASE, VerifiedHeartbeat};
pub use join_refusal::{
    JoinRefusalFields, JoinRefusalReason, MAX_JOIN_REFUSAL_LEN, VerifiedJoinRefusal,
};
pub use key_package::{
    KEM_X25519, KEM_XWING, KeyPackage, MAX_KEY_PACKAGE_LEN, UNKNOWN_DOMAIN, VerifiedKeyPackage,
};
pub use nonce_answer::{
    LEASE_NONCE_LEN, MAX_NONCE_ANSWER_LEN, NonceAnswerFields, VerifiedNonceAnswer,
};
pub use package_set::{MAX_PACKAGE_SET_LEN, MAX_PACKAGES, PackageSet};
pub use refused::{MAX_REFUSED_LEN, REMOVED, Refusal, RefusedList};
pub use reserved::{MAX_PREFIX_LEN, PrefixError, ReservedTopic, check_prefix, is_reserved};
pub use standing::{Holding, Moment, Obstacle, Standing};
pub use welcome::{
    MAX_WELCOME_LEN, OpenedWelcome, VerifiedWelcome, WelcomeError, WelcomeFields, WelcomeSecrets,
};

#[cfg(feature = "alloc")]
pub use armour::{
    ArmourError, CredentialFile, MAX_FILE_LEN, decode_armour, decode_credential_file,
    decode_request, encode_armour, encode_credential_file, encode_request,
};
#[cfg(feature = "alloc")]
pub use fingerprint::fingerprint;
#[cfg(feature = "alloc")]
pub use join_request::{JoinRequest, MAX_JOIN_REQUEST_LEN, OpenedJoinRequest};
#[cfg(feature = "alloc")]
pub use outputs::Publication;
#[cfg(feature = "alloc")]
pub use reserved::{announcements_filter, authority_filters, default_prefix, member_filter};
#[cfg(feature = "alloc")]
pub use store::{Change, Changes, Conflict, SharedError, SharedStore, Store, StoredRecord};
#[cfg(feature = "alloc")]
pub use token::{MAX_TOKEN_LEN, NamePattern, Token, TokenError, join_mac};
