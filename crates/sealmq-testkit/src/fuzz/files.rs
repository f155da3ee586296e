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
    assert!((4096..=65536).contains(&parsed.max_len()));
    true
}
