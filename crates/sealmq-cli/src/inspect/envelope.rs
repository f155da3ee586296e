use sealmq_core::wire::{Header, ShortHeader};

use super::Line;

const SIGNATURE_LEN: usize = 64;
const TAG_LEN: usize = 16;
/// Flags, sender and session number take at least this (spec/envelope.md §4).
const LEAST_BODY: usize = 3;

/// What everybody on the way can tell, and what not.
pub(super) const REMARKS: &str = "An outsider sees: the topic, when and how much is sent, which envelopes share a session (enc) and an epoch (key id).
Hidden and signed: the payload, who sent it, when it was sealed, its properties, whether it is padded.";

pub(super) fn describe(header: &Header, envelope: &[u8]) -> (String, Vec<Line>) {
    let kem = header
        .suite
        .kem()
        .map_or_else(String::new, |kem| format!("{kem}, "));
    let suite = format!("{kem}{}, Ed25519, SHA-256", header.suite.aead());
    let sealed = envelope.len().saturating_sub(header.encoded_len());
    let ciphertext = sealed.saturating_sub(TAG_LEN);
    let most = ciphertext
        .saturating_sub(SIGNATURE_LEN)
        .saturating_sub(LEAST_BODY);
    let lines = vec![
        (
            "form",
            format!(
                "{:#04x}: version 1, suite {} ({suite}), full form",
                header.suite.form(),
                header.suite.number()
            ),
        ),
        (
            "key id",
            format!(
                "{} (8 bytes): names the announcement, i.e. group and epoch; of retained values and wills the keys for state (inspect the announcement)",
                header.key_id
            ),
        ),
        (
            "enc",
            format!(
                "{} (32 bytes): the sender's session",
                hex::encode(header.enc)
            ),
        ),
        (
            "mac",
            format!(
                "{} (4 bytes): by which members see that one of them began the session",
                hex::encode(header.mac)
            ),
        ),
        (
            "counter",
            format!(
                "{} ({} bytes): the message's number in its session",
                header.counter,
                header.encoded_len().saturating_sub(45)
            ),
        ),
        (
            "ciphertext",
            format!(
                "{ciphertext} bytes: sender, times, payload (at most {most} bytes) and a signature of {SIGNATURE_LEN}"
            ),
        ),
        ("tag", format!("{TAG_LEN} bytes")),
    ];
    (format!("sealmq envelope, {} bytes", envelope.len()), lines)
}

/// What only the session's record tells stands nowhere in it.
pub(super) fn describe_short(header: &ShortHeader, envelope: &[u8]) -> (String, Vec<Line>) {
    let len = header.encoded_len();
    let ciphertext = envelope.len().saturating_sub(len).saturating_sub(TAG_LEN);
    let most = ciphertext.saturating_sub(SIGNATURE_LEN).saturating_sub(1);
    let lines = vec![
        (
            "form",
            "0x91: version 1, suite 1, short form: readers need the session's record".to_owned(),
        ),
        (
            "session",
            format!("{} (8 bytes): the sender's session", header.tag),
        ),
        (
            "counter",
            format!(
                "{} ({} bytes): the message's number in its session",
                header.counter,
                len.saturating_sub(9)
            ),
        ),
        (
            "ciphertext",
            format!(
                "{ciphertext} bytes: times, payload (at most {most} bytes) and a signature of {SIGNATURE_LEN}"
            ),
        ),
        ("tag", format!("{TAG_LEN} bytes")),
    ];
    (format!("sealmq envelope, {} bytes", envelope.len()), lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_add_up() {
        let mut envelope = vec![7; 300];
        envelope[0] = 0x11;
        envelope[45] = 5;
        let header = Header::parse(&envelope).unwrap();
        let (title, lines) = describe(&header, &envelope);
        assert_eq!(title, "sealmq envelope, 300 bytes");
        let ciphertext = &lines
            .iter()
            .find(|(name, _)| *name == "ciphertext")
            .unwrap()
            .1;
        assert!(ciphertext.starts_with("238 bytes"), "{ciphertext}");
        assert!(ciphertext.contains("at most 171 bytes"), "{ciphertext}");
    }
}
