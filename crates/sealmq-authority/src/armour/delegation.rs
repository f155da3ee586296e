//! What goes between the authority and the offline root (spec/keys.md §11).

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::DomainId;
use sealmq_core::object::{List, decode};
use serde::{Deserialize, Serialize};

use sealmq_keys::objects::{
    ArmourError, DelegatedKemKey, DelegatedKey, MAX_AUTHORITY_KEYS, MAX_FILE_LEN, MAX_KEM_KEYS,
    decode_armour, encode_armour,
};

const REQUEST_LABEL: &str = "SEALMQ DELEGATION REQUEST";
const DELEGATION_LABEL: &str = "SEALMQ DELEGATION";

/// The keys for which an authority asks the root for a delegation. Not signed: whoever holds the
/// root decides by what it shows, and by the way on which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationRequest {
    /// The domain.
    pub domain: DomainId,
    /// The domain's suite: 1 or 2.
    pub suite: u8,
    /// 1 to 8 authority keys with the roles that the authority wants.
    pub keys: Vec<DelegatedKey>,
    /// 0 to 4 keys for join requests: HPKE KEM id and public key.
    pub kem_keys: Vec<(u16, Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    domain: DomainId,
    suite: u8,
    #[serde(borrow)]
    keys: List<'a, DelegatedKey>,
    #[serde(borrow)]
    kem_keys: List<'a, DelegatedKemKey<'a>>,
}

impl DelegationRequest {
    /// What the file itself promises; each key is checked when the root signs.
    fn check(&self) -> Result<(), ArmourError> {
        let good = matches!(self.suite, 1 | 2)
            && (1..=MAX_AUTHORITY_KEYS).contains(&self.keys.len())
            && self.keys.iter().all(|key| key.roles.is_valid())
            && self.kem_keys.len() <= MAX_KEM_KEYS;
        good.then_some(()).ok_or(ArmourError::Content)
    }
}

/// Writes a delegation request as a file.
///
/// # Errors
/// [`ArmourError::Content`] for another suite, or too many keys or none.
pub fn encode_delegation_request(request: &DelegationRequest) -> Result<String, ArmourError> {
    request.check()?;
    let (mut keys, mut kem_keys) = (Vec::new(), Vec::new());
    for key in &request.keys {
        keys = postcard::to_extend(key, keys).map_err(|_| ArmourError::Content)?;
    }
    for (kem, key) in &request.kem_keys {
        let entry = DelegatedKemKey { kem: *kem, key };
        kem_keys = postcard::to_extend(&entry, kem_keys).map_err(|_| ArmourError::Content)?;
    }
    let body = Body {
        domain: request.domain,
        suite: request.suite,
        keys: List::from_encoded(&keys).map_err(|_| ArmourError::Content)?,
        kem_keys: List::from_encoded(&kem_keys).map_err(|_| ArmourError::Content)?,
    };
    let bytes = postcard::to_allocvec(&body).map_err(|_| ArmourError::Content)?;
    encode_armour(MAX_FILE_LEN, REQUEST_LABEL, &bytes)
}

/// Reads a delegation request from a file.
///
/// # Errors
/// Not such a file.
pub fn decode_delegation_request(text: &str) -> Result<DelegationRequest, ArmourError> {
    let bytes = decode_armour(MAX_FILE_LEN, REQUEST_LABEL, text)?;
    let body: Body<'_> = decode(&bytes).map_err(|_| ArmourError::Content)?;
    let request = DelegationRequest {
        domain: body.domain,
        suite: body.suite,
        keys: body.keys.iter().collect(),
        kem_keys: body
            .kem_keys
            .iter()
            .map(|entry| (entry.kem, entry.key.to_vec()))
            .collect(),
    };
    request.check()?;
    Ok(request)
}

/// Writes a delegation object as a file.
///
/// # Errors
/// The object is too long for a file.
pub fn encode_delegation(object: &[u8]) -> Result<String, ArmourError> {
    encode_armour(MAX_FILE_LEN, DELEGATION_LABEL, object)
}

/// Reads the delegation object from a file. Nothing in it is verified yet.
///
/// # Errors
/// Not such a file.
pub fn decode_delegation(text: &str) -> Result<Vec<u8>, ArmourError> {
    decode_armour(MAX_FILE_LEN, DELEGATION_LABEL, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use sealmq_core::object::Role;
    use sealmq_keys::objects::Roles;

    fn request() -> DelegationRequest {
        DelegationRequest {
            domain: DomainId([1; 16]),
            suite: 2,
            keys: vec![
                DelegatedKey {
                    key: [2; 32],
                    roles: Roles::ALL,
                },
                DelegatedKey {
                    key: [3; 32],
                    roles: Roles::NONE.with(Role::Heartbeat),
                },
            ],
            kem_keys: vec![(0x647a, vec![4; 1216])],
        }
    }

    #[test]
    fn requests_round_trip_in_the_encoding_of_the_spec() {
        let text = encode_delegation_request(&request()).unwrap();
        assert!(text.starts_with("-----BEGIN SEALMQ DELEGATION REQUEST-----\n"));
        assert_eq!(decode_delegation_request(&text), Ok(request()));
        let expected = [
            &[1; 16][..],
            &[2, 66],
            &[2; 32],
            &[7],
            &[3; 32],
            &[4],
            // 3 + 2 + 1216 bytes; kem 0x647a; 1216 bytes.
            &[0xc5, 0x09, 0xfa, 0xc8, 0x01, 0xc0, 0x09],
            &[4; 1216],
        ];
        assert_eq!(
            decode_armour(MAX_FILE_LEN, REQUEST_LABEL, &text).unwrap(),
            expected.concat()
        );
    }

    #[test]
    fn what_no_delegation_can_have_is_refused() {
        let changes: [fn(&mut DelegationRequest); 4] = [
            |r| r.suite = 3,
            |r| r.keys.clear(),
            |r| r.keys = vec![r.keys[0]; 9],
            |r| r.kem_keys = vec![(0x20, vec![4; 32]); 5],
        ];
        for change in changes {
            let mut request = request();
            change(&mut request);
            assert_eq!(
                encode_delegation_request(&request),
                Err(ArmourError::Content)
            );
        }
        let text = encode_delegation_request(&request()).unwrap();
        let good = decode_armour(MAX_FILE_LEN, REQUEST_LABEL, &text).unwrap();
        // Suite 0; a role that does not exist.
        for (at, value) in [(16, 0), (18 + 32, 8)] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let text = encode_armour(MAX_FILE_LEN, REQUEST_LABEL, &bytes).unwrap();
            assert_eq!(decode_delegation_request(&text), Err(ArmourError::Content));
        }
    }

    #[test]
    fn a_delegation_is_not_its_request() {
        let text = encode_delegation(&[9; 300]).unwrap();
        assert_eq!(decode_delegation(&text), Ok(vec![9; 300]));
        let expected = "SEALMQ DELEGATION REQUEST";
        assert_eq!(
            decode_delegation_request(&text),
            Err(ArmourError::Label { expected })
        );
    }
}
