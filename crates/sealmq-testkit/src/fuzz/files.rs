use sealmq_authority::{AuditFault, AuditLog, Entry, MAX_AUDIT_ENTRY_LEN};
use sealmq_core::crypto::{Digest, sha256};
use sealmq_core::object::encode;
use sealmq_keys::{NamePattern, Token, TokenError};
use sealmq_keys::{
    ReservedTopic, check_prefix, decode_credential_file, decode_request, encode_credential_file,
    encode_request, is_reserved,
};

/// Enrolment files: what is accepted survives being written again.
pub fn armour(data: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(data) else {
        return false;
    };
    let (request, credential) = (decode_request(text), decode_credential_file(text));
    assert!(request.is_err() || credential.is_err(), "two labels");
    let accepted = request.is_ok() || credential.is_ok();
    if let Ok(object) = request {
        let again = encode_request(&object).unwrap();
        assert!(object.is_empty() || decode_request(&again).unwrap() == object);
    }
    if let Ok(file) = credential {
        assert_eq!(check_prefix(&file.prefix), Ok(()));
        let again = encode_credential_file(
            &file.root_key,
            &file.prefix,
            &file.delegation,
            &file.credential,
        );
        assert_eq!(decode_credential_file(&again.unwrap()).unwrap(), file);
    }
    accepted
}

/// Names of reserved topics: prefix and topic, separated by a zero byte. Each has one spelling.
pub fn reserved_topic(data: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(data) else {
        return false;
    };
    let Some((prefix, topic)) = text.split_once('\0') else {
        return false;
    };
    if check_prefix(prefix).is_err() {
        return false;
    }
    let below = is_reserved(prefix, topic);
    assert_eq!(
        below,
        topic == prefix || topic.starts_with(&format!("{prefix}/"))
    );
    let Some(parsed) = ReservedTopic::parse(prefix, topic) else {
        return false;
    };
    assert!(below);
    assert_eq!(parsed.name(prefix), topic);
    assert!((16..=65536).contains(&parsed.max_len()));
    true
}

/// Join tokens: text, or a body that gets the checksum that it needs. Each has one spelling.
pub fn token(data: &[u8]) -> bool {
    let text = match core::str::from_utf8(data) {
        Ok(text) if text.contains("sealmq:") => text.to_owned(),
        _ => {
            let sum = sha256(&[b"sealmq/1 token", data]).0;
            let uri = format!("sealmq:join/{}", base64url(&[data, &sum[..4]].concat()));
            assert_ne!(Token::parse(&uri).err(), Some(TokenError::Mistyped));
            uri
        }
    };
    let Ok(token) = Token::parse(&text) else {
        return false;
    };
    assert_eq!(*token.to_uri().unwrap(), text.trim());
    assert_eq!(check_prefix(&token.prefix), Ok(()));
    let pattern = token.name.to_string();
    assert_eq!(NamePattern::parse(&pattern).as_ref(), Ok(&token.name));
    assert!(token.name.admits(pattern.trim_end_matches('*')));
    assert!(token.broker.is_empty() || token.broker.starts_with("mqtt"));
    true
}

/// Base64 with the alphabet for URLs and without padding.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut number = 0_usize;
        for at in 0..3 {
            number = number << 8 | usize::from(*three.get(at).unwrap_or(&0));
        }
        for digit in 0..=three.len() {
            text.push(char::from(DIGITS[number >> (18 - 6 * digit) & 63]));
        }
    }
    text
}

/// Entries of the audit log: one spelling, and they follow one head only.
pub fn audit_entry(data: &[u8]) -> bool {
    let Ok(entry) = Entry::decode(data) else {
        return false;
    };
    assert!(data.len() <= MAX_AUDIT_ENTRY_LEN);
    let mut out = [0; MAX_AUDIT_ENTRY_LEN];
    assert_eq!(encode(&entry, &mut out).unwrap(), data);
    let before = AuditLog {
        size: 7,
        head: entry.previous,
    };
    let mut log = before;
    assert_eq!(log.follow(data), Ok(entry));
    assert_eq!((log.size, log.head), (8, AuditLog::head_after(data)));
    let mut appended = before;
    let bytes = appended.append(entry.at, entry.what).unwrap().bytes;
    assert_eq!((appended, bytes.as_slice()), (log, data));
    let mut other = AuditLog {
        size: 7,
        head: Digest(entry.previous.0.map(|byte| !byte)),
    };
    assert_eq!(other.follow(data).unwrap_err().why, AuditFault::Chain);
    true
}
