//! The bytes of an envelope: checked views and total emitters, no cryptography (spec/envelope.md
//! §1, §3–§5).

mod body;
mod cursor;
mod header;
mod padding;
mod properties;
mod short;

/// Its number is the first byte of an envelope.
pub use crate::suite::Suite;
pub use body::{
    BodyError, BodyFields, BodyPrefix, MAX_EMBEDDED_CREDENTIAL_LEN, SessionFields, flags,
};
pub(crate) use body::{CredentialAge, credential_age, hint_of, session_age};
pub use cursor::{MAX_VARINT_LEN, Reader, Truncated, Writer, varint_len};
pub use header::{
    Header, HeaderError, MAX_COUNTER, MAX_HEADER_LEN, MAX_SESSION_NUMBER, MIN_ENVELOPE_LEN,
};
pub use padding::Padding;
pub use properties::{
    MAX_PROPERTIES_LEN, PropertiesBuilder, PropertiesError, Property, PropertyIter, PropertyList,
};
pub use short::{Head, MIN_SHORT_ENVELOPE_LEN, SessionTag, ShortHeader};
