//! What travels: signed objects (spec/keys.md §3 to §8), requests and answers of joining, tokens, and
//! the files that people carry. Each is checked before anything is believed: what begins with
//! `Verified`, and [`Announcement`] and [`RefusedList`], exist only when it was.

pub(crate) mod announcement;
pub(crate) mod chain;
pub(crate) mod confirmation;
pub(crate) mod continuation;
mod continued;
pub(crate) mod cursor;
pub(crate) mod delegation;
pub(crate) mod device_reports;
pub(crate) mod enrolment;
pub(crate) mod fingerprint;
pub(crate) mod heartbeat;
pub(crate) mod join_refusal;
mod join_sealing;
pub(crate) mod kept_keys;
pub(crate) mod key_package;
pub(crate) mod nonce;
pub(crate) mod nonce_answer;
pub(crate) mod package_set;
pub(crate) mod refused;
pub(crate) mod signed;
mod token_fields;
pub(crate) mod welcome;

#[cfg(feature = "alloc")]
pub(crate) mod armour;
#[cfg(feature = "alloc")]
pub(crate) mod join_request;
#[cfg(feature = "alloc")]
pub(crate) mod token;

pub use announcement::{
    Announcement, CHUNK_ENTRIES, ChunkEntry, ChunkRef, ChunkSink, Cover, CoverChunks, CoverEntries,
    CoverEntry, CoverKey, ENTRY_LEN, EpochKind, Generation, Head, INLINE_LIMIT, MANY_CHUNKS,
    MAX_ANNOUNCEMENT_LEN, MAX_CHUNK_ENTRIES, MAX_CHUNK_LEN, MAX_FILTERS, MAX_FILTERS_LEN,
    MAX_GENERATIONS, MAX_INLINE_ENTRIES, MAX_INLINE_LEN, MAX_WINDOW, Policy,
    UnverifiedAnnouncement, reaches_reserved,
};
pub use confirmation::{
    Confirmation, ConfirmationEntry, MAX_CONFIRMATION_ENTRIES, MAX_CONFIRMATION_LEN,
    VerifiedConfirmation,
};
pub use continuation::{CONTINUES, Continuation, Issuer, MAX_ISSUERS};
pub use delegation::{
    DelegatedKemKey, DelegatedKey, Delegation, MAX_AUTHORITY_KEYS, MAX_DELEGATION_LEN,
    MAX_KEM_KEYS, Roles, VerifiedDelegation, Voucher,
};
pub use device_reports::{
    DEVICE_REPORTS, DeviceReport, DeviceReports, DevicesSign, MAX_DEVICE_REPORTS,
};
pub use enrolment::{EnrolmentRequest, NO_TOKEN, TOKEN_ID_LEN, VerifiedEnrolment};
pub use fingerprint::Fingerprint;
pub use heartbeat::{HeartbeatFields, MAX_HEARTBEAT_LEN, MAX_LEASE, VerifiedHeartbeat};
pub use join_refusal::{
    JoinRefusalFields, JoinRefusalReason, MAX_JOIN_REFUSAL_LEN, VerifiedJoinRefusal,
};
pub use join_sealing::{JoinRequest, MAX_JOIN_REQUEST_LEN};
pub use kept_keys::{KeptKeys, KeptKeysFields, MAX_KEPT, MAX_KEPT_KEYS_LEN};
pub use key_package::{
    KEM_X25519, KEM_XWING, KeyPackage, MAX_KEY_PACKAGE_LEN, UNKNOWN_DOMAIN, VerifiedKeyPackage,
};
pub use nonce::{MAX_NONCE_LEN, NonceFields, UnverifiedNonce};
pub use nonce_answer::{
    LEASE_NONCE_LEN, MAX_NONCE_ANSWER_LEN, NonceAnswerFields, VerifiedNonceAnswer,
};
pub use package_set::{MAX_PACKAGE_SET_LEN, MAX_PACKAGES, PackageSet};
pub use refused::{
    Lowest, MAX_REFUSED_LEN, MAX_REFUSED_RUN, MAX_REFUSED_RUN_LEN, REMOVED, Refusal, RefusedChunk,
    RefusedList, RefusedRun,
};
pub use token_fields::{MAX_TOKEN_LEN, TokenError, TokenFields, join_mac};
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
pub use join_request::OpenedJoinRequest;
#[cfg(feature = "alloc")]
pub use token::{NamePattern, Token};
