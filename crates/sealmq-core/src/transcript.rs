//! The two inputs that both ends put together for one message (spec/envelope.md §7).

use crate::crypto::{Digest, ENC_LEN, Hasher};
use crate::wire::{MAX_HEADER_LEN, Suite, Truncated, Writer};

const PREFIX_LEN: usize = 153;

/// In the first byte of the transcript: as in that of the envelope.
const SHORT: u8 = 0x80;
const MAX_AAD_LEN: usize = MAX_HEADER_LEN + 32;

/// `aad = header ‖ topic_hash`, in a buffer of fixed size.
pub(crate) struct Aad {
    bytes: [u8; MAX_AAD_LEN],
    len: usize,
}

impl Aad {
    pub(crate) fn new(header: &[u8], topic_hash: &Digest) -> Result<Self, Truncated> {
        let mut bytes = [0; MAX_AAD_LEN];
        let mut out = Writer::new(&mut bytes);
        out.put(header)?;
        out.put(&topic_hash.0)?;
        let len = out.position();
        Ok(Self { bytes, len })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What the signature covers besides the body.
pub(crate) struct Transcript<'a> {
    pub(crate) suite: Suite,
    pub(crate) announcement: &'a Digest,
    pub(crate) enc: &'a [u8; ENC_LEN],
    pub(crate) counter: u32,
    pub(crate) topic_hash: &'a Digest,
    pub(crate) credential_hash: &'a Digest,
    /// In the short form the session's number, which its body leaves out.
    pub(crate) short: Option<u64>,
}

impl Transcript<'_> {
    /// SHA-256 of the transcript, in one pass over the body.
    pub(crate) fn digest(&self, body: &[u8]) -> Result<Digest, Truncated> {
        let mut prefix = [0; PREFIX_LEN];
        let mut out = Writer::new(&mut prefix);
        let form = self.short.map_or(0, |_| SHORT);
        out.put(&[form | self.suite.number()])?;
        out.put(&self.announcement.0)?;
        out.put(self.enc)?;
        out.put(&u64::from(self.counter).to_be_bytes())?;
        out.put(&self.topic_hash.0)?;
        out.put(&self.credential_hash.0)?;
        if let Some(number) = self.short {
            out.put(&number.to_be_bytes())?;
        }
        out.put(&(body.len() as u64).to_be_bytes())?;
        let mut hasher = Hasher::new();
        hasher.update(out.finish());
        hasher.update(body);
        Ok(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sha256;

    #[test]
    fn every_field_stands_where_the_spec_says() {
        let transcript = |short| Transcript {
            suite: Suite::One,
            announcement: &Digest([2; 32]),
            enc: &[3; 32],
            counter: 4,
            topic_hash: &Digest([5; 32]),
            credential_hash: &Digest([6; 32]),
            short,
        };
        let expected = |form: u8, number: &[u8]| {
            let counter = 4_u64.to_be_bytes();
            let [a, b, c, d] = [[2; 32], [3; 32], [5; 32], [6; 32]];
            sha256(&[&[form], &a, &b, &counter, &c, &d, number, &counter, b"body"])
        };
        assert_eq!(transcript(None).digest(b"body"), Ok(expected(1, &[])));
        let short = transcript(Some(7)).digest(b"body");
        assert_eq!(short, Ok(expected(0x81, &7_u64.to_be_bytes())));
        let aad = Aad::new(&[9; MAX_HEADER_LEN], &Digest([5; 32])).unwrap();
        assert_eq!(
            aad.as_bytes(),
            [&[9; MAX_HEADER_LEN][..], &[5; 32]].concat()
        );
        assert!(Aad::new(&[9; MAX_HEADER_LEN + 1], &Digest([5; 32])).is_err());
    }
}
