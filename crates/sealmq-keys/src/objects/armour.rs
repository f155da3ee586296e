//! Files that people carry (spec/keys.md §11, §13): text in the armour of RFC 7468.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use pem_rfc7468::LineEnding;
use sealmq_core::object::decode;
use serde::{Deserialize, Serialize};

use crate::reserved::check_prefix;

const REQUEST_LABEL: &str = "SEALMQ REQUEST";
const CREDENTIAL_LABEL: &str = "SEALMQ CREDENTIAL";

/// Longest enrolment or delegation file that is read, in bytes of text.
pub const MAX_FILE_LEN: usize = 256 * 1024;

/// A file cannot be read, or not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArmourError {
    /// No armour of RFC 7468, or damaged on the way.
    Armour,
    /// An armoured file, but not of the expected kind.
    Label {
        /// What stands after `BEGIN` in the file that is expected here.
        expected: &'static str,
    },
    /// The armour is whole, its content is not what the label promises.
    Content,
    /// The file is longer than files of its kind may be.
    TooLong {
        /// Most bytes of text.
        most: usize,
    },
}

impl fmt::Display for ArmourError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Armour => f.write_str(
                "not a sealmq file, or damaged: it must go from -----BEGIN SEALMQ …----- to the matching END line, copy it again",
            ),
            Self::Label { expected } => {
                write!(f, "the wrong file: a file that begins with -----BEGIN {expected}----- is needed here")
            }
            Self::Content => f.write_str("the file's content is damaged, or from another version: make it again"),
            Self::TooLong { most } => write!(f, "the file is too long: at most {most} bytes, check that it is the right one"),
        }
    }
}

impl core::error::Error for ArmourError {}

/// What a device needs to know after the authority took it in. Not secret, but it pins the root:
/// it has to reach the device on a way that the owner trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialFile {
    /// The root's Ed25519 public key.
    pub root_key: [u8; 32],
    /// Prefix of the reserved topics.
    pub prefix: String,
    /// The delegation object.
    pub delegation: Vec<u8>,
    /// The member's credential object.
    pub credential: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct CredentialBody<'a> {
    root_key: [u8; 32],
    prefix: &'a str,
    delegation: &'a [u8],
    credential: &'a [u8],
}

/// Writes an enrolment request object as a file.
///
/// # Errors
/// The object is too long for a file.
pub fn encode_request(object: &[u8]) -> Result<String, ArmourError> {
    armour(REQUEST_LABEL, object)
}

/// Reads the enrolment request object from a file. Nothing in it is verified yet.
///
/// # Errors
/// Not such a file.
pub fn decode_request(text: &str) -> Result<Vec<u8>, ArmourError> {
    unarmour(REQUEST_LABEL, text)
}

/// Writes a credential file: the root's public key, the prefix of the reserved topics, the
/// delegation object and the member's credential object.
///
/// # Errors
/// The prefix cannot be used, or the objects are too long for a file.
pub fn encode_credential_file(
    root_key: &[u8; 32],
    prefix: &str,
    delegation: &[u8],
    credential: &[u8],
) -> Result<String, ArmourError> {
    check_prefix(prefix).map_err(|_| ArmourError::Content)?;
    let body = CredentialBody {
        root_key: *root_key,
        prefix,
        delegation,
        credential,
    };
    let bytes = postcard::to_allocvec(&body).map_err(|_| ArmourError::Content)?;
    armour(CREDENTIAL_LABEL, &bytes)
}

/// Reads a credential file. Nothing in it is verified yet.
///
/// # Errors
/// Not such a file.
pub fn decode_credential_file(text: &str) -> Result<CredentialFile, ArmourError> {
    let bytes = unarmour(CREDENTIAL_LABEL, text)?;
    let body: CredentialBody<'_> = decode(&bytes).map_err(|_| ArmourError::Content)?;
    check_prefix(body.prefix).map_err(|_| ArmourError::Content)?;
    Ok(CredentialFile {
        root_key: body.root_key,
        prefix: body.prefix.to_owned(),
        delegation: body.delegation.to_owned(),
        credential: body.credential.to_owned(),
    })
}

fn armour(label: &'static str, bytes: &[u8]) -> Result<String, ArmourError> {
    encode_armour(MAX_FILE_LEN, label, bytes)
}

fn unarmour(label: &'static str, text: &str) -> Result<Vec<u8>, ArmourError> {
    decode_armour(MAX_FILE_LEN, label, text)
}

/// Writes bytes as the armour of RFC 7468 with this label, in at most `most` bytes of text.
///
/// # Errors
/// [`ArmourError::TooLong`].
pub fn encode_armour(
    most: usize,
    label: &'static str,
    bytes: &[u8],
) -> Result<String, ArmourError> {
    let text = pem_rfc7468::encode_string(label, LineEnding::LF, bytes)
        .map_err(|_| ArmourError::TooLong { most })?;
    if text.len() > most {
        Err(ArmourError::TooLong { most })
    } else {
        Ok(text)
    }
}

/// Reads the bytes from an armour with this label and of at most `most` bytes of text.
///
/// # Errors
/// [`ArmourError::TooLong`], [`ArmourError::Armour`], [`ArmourError::Label`].
pub fn decode_armour(most: usize, label: &'static str, text: &str) -> Result<Vec<u8>, ArmourError> {
    if text.len() > most {
        return Err(ArmourError::TooLong { most });
    }
    // Mail and editors add blank lines around; RFC 7468 wants none after the END line.
    let text = text.trim();
    let found = pem_rfc7468::decode_label(text.as_bytes()).map_err(|_| ArmourError::Armour)?;
    if found != label {
        return Err(ArmourError::Label { expected: label });
    }
    let (_, bytes) = pem_rfc7468::decode_vec(text.as_bytes()).map_err(|_| ArmourError::Armour)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec;

    const TOO_LONG: ArmourError = ArmourError::TooLong { most: MAX_FILE_LEN };

    fn file(prefix: &str) -> Result<String, ArmourError> {
        encode_credential_file(&[3; 32], prefix, &[1; 200], &[2; 4000])
    }

    #[test]
    fn round_trips() {
        for len in [0, 1, 47, 48, 49, 5000] {
            let object = vec![0x5a; len];
            let text = encode_request(&object).unwrap();
            assert!(text.starts_with("-----BEGIN SEALMQ REQUEST-----\n"));
            if len > 0 {
                assert_eq!(decode_request(&text).unwrap(), object);
                assert_eq!(
                    decode_request(&format!("\n  {}\n\n", text.replace('\n', "\r\n"))).unwrap(),
                    object
                );
            }
        }
        let expected = CredentialFile {
            root_key: [3; 32],
            prefix: "_sealmq/x".to_string(),
            delegation: vec![1; 200],
            credential: vec![2; 4000],
        };
        assert_eq!(
            decode_credential_file(&file("_sealmq/x").unwrap()),
            Ok(expected)
        );
    }

    #[test]
    fn wrong_files_say_what_is_wrong() {
        let request = encode_request(&[1; 100]).unwrap();
        assert_eq!(
            decode_credential_file(&request),
            Err(ArmourError::Label {
                expected: "SEALMQ CREDENTIAL"
            })
        );
        assert_eq!(decode_request("hello"), Err(ArmourError::Armour));
        assert_eq!(decode_request(""), Err(ArmourError::Armour));
        assert_eq!(
            decode_request(&request[..request.len() - 40]),
            Err(ArmourError::Armour)
        );
        assert_eq!(decode_request(&"x".repeat(MAX_FILE_LEN + 1)), Err(TOO_LONG));
        assert_eq!(encode_request(&vec![0; MAX_FILE_LEN]), Err(TOO_LONG));
        let cut = armour(CREDENTIAL_LABEL, &[3; 40]).unwrap();
        assert_eq!(decode_credential_file(&cut), Err(ArmourError::Content));
        assert_eq!(file("a/#"), Err(ArmourError::Content));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let text = file("a").unwrap();
        let mut bytes = unarmour(CREDENTIAL_LABEL, &text).unwrap();
        bytes.push(0);
        let text = armour(CREDENTIAL_LABEL, &bytes).unwrap();
        assert_eq!(decode_credential_file(&text), Err(ArmourError::Content));
    }
}
