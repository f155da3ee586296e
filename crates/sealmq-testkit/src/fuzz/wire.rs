use sealmq_core::MemberNumber;
use sealmq_core::wire::{
    BodyFields, BodyPrefix, Head, Header, HeaderError, MAX_COUNTER, MAX_HEADER_LEN,
    MAX_SESSION_NUMBER, MIN_ENVELOPE_LEN, MIN_SHORT_ENVELOPE_LEN, PropertiesBuilder, PropertyList,
    Reader, SessionFields, Writer, flags, varint_len,
};

/// Numbers, against a decoder that looks at the bytes in another way.
pub fn varint(data: &[u8]) -> bool {
    let mut reader = Reader::new(data);
    let value = reader.varint();
    assert_eq!(value.ok(), naive_varint(data).map(|(value, _)| value));
    let Ok(value) = value else { return false };
    let mut out = [0; 10];
    let mut writer = Writer::new(&mut out);
    writer.varint(value).unwrap();
    let written = writer.finish();
    assert_eq!(written, &data[..reader.position()], "the only spelling");
    assert_eq!(written.len(), varint_len(value));
    true
}

/// The bytes up to the first without the high bit, read as one big number.
fn naive_varint(data: &[u8]) -> Option<(u64, usize)> {
    let len = data.iter().position(|byte| byte & 0x80 == 0)? + 1;
    if len > 10 || (len > 1 && data[len - 1] == 0) {
        return None;
    }
    let value = data[..len]
        .iter()
        .rev()
        .fold(0_u128, |value, byte| value << 7 | u128::from(byte & 0x7f));
    Some((u64::try_from(value).ok()?, len))
}

/// Headers of envelopes, against the layouts of spec/envelope.md §3 and §12.
pub fn envelope_header(data: &[u8]) -> bool {
    let parsed = Header::parse(data);
    match data.first() {
        Some(0x11 | 0x12) => {}
        Some(0x91) => return short_header(data),
        Some(&form @ 0x92) => {
            assert_eq!(parsed, Err(HeaderError::Unsupported { form }));
            return false;
        }
        _ => {
            assert_eq!(parsed, Err(HeaderError::NotSealed));
            return false;
        }
    }
    let counter = data.get(45..).and_then(naive_varint);
    let legal = counter.filter(|(counter, _)| *counter <= u64::from(MAX_COUNTER));
    let Some((counter, len)) = legal.filter(|_| data.len() >= MIN_ENVELOPE_LEN) else {
        // 0x12 may be refused as unsupported before anything else is looked at.
        assert!(parsed.is_err());
        return false;
    };
    match parsed {
        Ok(header) => {
            assert_eq!(u64::from(header.counter), counter);
            assert_eq!(header.key_id.0, data[1..9]);
            assert_eq!(header.enc, data[9..41]);
            assert_eq!(header.mac, data[41..45]);
            assert_eq!(header.encoded_len(), 45 + len);
            let mut out = [0; MAX_HEADER_LEN];
            let mut writer = Writer::new(&mut out);
            header.emit(&mut writer).unwrap();
            assert_eq!(writer.finish(), &data[..45 + len]);
        }
        Err(error) => assert_eq!(error, HeaderError::Unsupported { form: 0x12 }),
    }
    true
}

fn short_header(data: &[u8]) -> bool {
    let counter = data.get(9..).and_then(naive_varint);
    let legal = counter.filter(|(counter, _)| *counter <= u64::from(MAX_COUNTER));
    let Some((counter, len)) = legal.filter(|_| data.len() >= MIN_SHORT_ENVELOPE_LEN) else {
        assert_eq!(Head::parse(data), Err(HeaderError::Malformed));
        return false;
    };
    let Ok(Head::Short(header)) = Head::parse(data) else {
        panic!("a short header is refused");
    };
    assert_eq!(u64::from(header.counter), counter);
    assert_eq!(header.tag.0, data[1..9]);
    let mut out = [0; MAX_HEADER_LEN];
    let mut writer = Writer::new(&mut out);
    header.emit(&mut writer).unwrap();
    assert_eq!(writer.finish(), &data[..9 + len]);
    assert_eq!(header.encoded_len(), 9 + len);
    true
}

/// Bodies of both forms: what is accepted encodes to the same bytes.
pub fn body(data: &[u8]) -> bool {
    let session = SessionFields {
        sender: MemberNumber(7),
        hint: 1,
        number: 1_762_949_760,
    };
    let forms = [
        (false, BodyFields::parse(data)),
        (true, BodyFields::parse_short(data, session)),
    ];
    let accepted = forms.map(|(short, fields)| {
        let fields = fields.map(|fields| body_of(data, &fields, short));
        fields.is_ok()
    });
    accepted.contains(&true)
}

fn body_of(data: &[u8], fields: &BodyFields, short: bool) {
    assert_eq!(fields.flags & flags::RESERVED, 0);
    assert!(!short || fields.flags & flags::FULL_FORM == 0);
    assert!(fields.session_number <= MAX_SESSION_NUMBER);
    let slice = |range: &core::ops::Range<usize>| &data[range.clone()];
    let properties = fields.properties.as_ref();
    let prefix = BodyPrefix {
        sender: fields.sender,
        hint: fields.hint,
        session_number: fields.session_number,
        sent_at: fields.sent_at,
        sequence: fields.sequence,
        credential: fields.credential.as_ref().map(slice),
        properties: properties.map(|p| PropertyList::parse(slice(p)).unwrap()),
        retain: fields.has(flags::RETAIN),
        will: fields.has(flags::WILL),
        connection: fields.connection.unwrap_or_default(),
        payload_len: fields.has(flags::PADDED).then_some(fields.payload.len()),
        short,
    };
    assert_eq!(
        prefix.properties.and_then(|p| p.message_expiry()),
        fields.message_expiry
    );
    let mut out = vec![0; data.len()];
    let len = prefix.encoded_len().unwrap();
    assert_eq!(len, fields.payload.start);
    let mut writer = Writer::new(&mut out);
    prefix.emit(&mut writer).unwrap();
    assert_eq!(writer.position(), len);
    out[len..fields.payload.end].copy_from_slice(slice(&fields.payload));
    assert_eq!(
        out, data,
        "padding is zero, everything else is where it was"
    );
}

/// Protected properties: the builder makes the same bytes of what the parser found.
pub fn properties(data: &[u8]) -> bool {
    let Ok(properties) = PropertyList::parse(data) else {
        return false;
    };
    let mut out = vec![0; data.len()];
    let mut builder = PropertiesBuilder::new(&mut out);
    for property in properties {
        builder.push(property).unwrap();
    }
    assert_eq!(builder.finish().unwrap().as_bytes(), data);
    assert!(properties.user().count() <= properties.iter().count());
    let _ = (properties.content_type(), properties.response_topic());
    let _ = (properties.correlation_data(), properties.payload_format());
    true
}
