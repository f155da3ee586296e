//! Join tokens (spec/keys.md §12).

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sealmq_core::crypto::{Digest, IdentityKey, Secret, expand, sha256};
use sealmq_core::object::ObjectError;
use sealmq_core::wire::Suite;
use sealmq_keys::{MAX_TOKEN_LEN, NamePattern, Token, TokenError, join_mac};

const EXPIRES: u64 = 1_800_000_000;

fn token() -> Token {
    Token {
        suite: Suite::One,
        root_key: IdentityKey::from_seed(&Secret::new([1; 32])).verifying_key(),
        id: [2; 8],
        secret: Secret::new([3; 32]),
        serial: 7,
        expires: EXPIRES,
        name: NamePattern::Prefix("pump-".to_owned()),
        prefix: "_sealmq/x".to_owned(),
        broker: "mqtts://broker.example:8883".to_owned(),
    }
}

fn with(change: impl FnOnce(&mut Token)) -> Token {
    let mut token = token();
    change(&mut token);
    token
}

/// The text of a body with the right checksum, whatever the body is.
fn uri(body: &[u8]) -> String {
    let sum = sha256(&[b"sealmq/1 token", body]).0;
    let bytes = [body, &sum[..4]].concat();
    let mut text = vec![0; Base64UrlUnpadded::encoded_len(&bytes)];
    let text = Base64UrlUnpadded::encode(&bytes, &mut text).unwrap();
    format!("sealmq:join/{text}")
}

/// The body of the good token, by hand.
fn body() -> Vec<u8> {
    let mut body = vec![1, 1];
    body.extend(token().root_key.as_bytes());
    body.extend([2; 8]);
    body.extend([3; 32]);
    body.push(7);
    body.extend([0x80, 0xa4, 0xa7, 0xda, 6]);
    for text in ["pump-*", "_sealmq/x", "mqtts://broker.example:8883"] {
        body.push(u8::try_from(text.len()).unwrap());
        body.extend(text.as_bytes());
    }
    body
}

fn field(name: &'static str) -> Option<TokenError> {
    Some(TokenError::Content(ObjectError::Field(name)))
}

#[test]
fn round_trip() {
    let text = token().to_uri().unwrap();
    assert_eq!(*text, uri(&body()));
    for text in [text.to_string(), format!(" \t{}\r\n", *text)] {
        let back = Token::parse(&text).unwrap();
        let good = token();
        assert_eq!(
            (
                back.suite,
                back.root_key,
                back.id,
                &back.secret,
                back.expires
            ),
            (
                good.suite,
                good.root_key,
                good.id,
                &good.secret,
                good.expires
            )
        );
        assert_eq!(
            (back.name, back.prefix, back.broker),
            (good.name, good.prefix, good.broker)
        );
    }
    assert!(token().is_valid_at(EXPIRES) && !token().is_valid_at(EXPIRES + 1));
    let two = with(|t| t.suite = Suite::Two).to_uri().unwrap();
    assert_eq!(Token::parse(&two).unwrap().suite, Suite::Two);
}

#[test]
fn what_does_not_show_in_logs() {
    let shown = format!("{:?}", token());
    assert!(
        shown.contains("Secret(..)") && !shown.contains("3, 3, 3"),
        "{shown}"
    );
}

/// One wrong character anywhere, one missing, one too many, or two swapped.
#[test]
fn every_slip_is_noticed() {
    let good = token().to_uri().unwrap().to_string();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_:/=+ .%é";
    for (at, original) in good.char_indices() {
        for other in alphabet.chars().filter(|c| *c != original) {
            let changed = format!("{}{other}{}", &good[..at], &good[at + 1..]);
            if changed.trim() != good {
                assert!(Token::parse(&changed).is_err(), "{changed}");
            }
        }
        assert!(Token::parse(&format!("{}{}", &good[..at], &good[at + 1..])).is_err());
        assert!(Token::parse(&format!("{}A{}", &good[..at], &good[at..])).is_err());
        if let Some(next) = good[at + 1..]
            .chars()
            .next()
            .filter(|next| *next != original)
        {
            let swapped = format!("{}{next}{original}{}", &good[..at], &good[at + 2..]);
            assert!(Token::parse(&swapped).is_err(), "{swapped}");
        }
    }
    for len in 0..good.len() {
        assert!(Token::parse(&good[..len]).is_err());
    }
    // Line breaks and padding inside are no white space around.
    assert!(Token::parse(&format!("{good}=")).is_err());
    assert!(Token::parse(&good.replace("join/", "join/\n")).is_err());
    let error = Token::parse(&good[..good.len() - 5]).unwrap_err();
    assert_eq!(error, TokenError::Mistyped);
    assert!(
        error
            .to_string()
            .contains("copied incompletely or mistyped")
    );
}

/// The last character of 4n+2 and 4n+3 carries bits that mean nothing: only zeros are allowed.
#[test]
fn one_spelling() {
    for extra in 0..3 {
        let good = with(|t| t.prefix = "x".repeat(9 + extra)).to_uri().unwrap();
        let (head, last) = good.split_at(good.len() - 1);
        for other in ('A'..='Z')
            .chain('a'..='z')
            .chain('0'..='9')
            .chain(['-', '_'])
        {
            let accepted = Token::parse(&format!("{head}{other}")).is_ok();
            assert_eq!(accepted, last.starts_with(other));
        }
    }
}

#[test]
fn one_fault_with_the_right_checksum() {
    let refused = |body: &[u8]| Token::parse(&uri(body)).err();
    let change = |at: usize, to: u8| {
        let mut body = body();
        body[at] = to;
        body
    };
    assert!(refused(&body()).is_none());
    assert_eq!(refused(&change(0, 2)), Some(TokenError::Version));
    assert_eq!(refused(&change(0, 0)), Some(TokenError::Version));
    assert_eq!(refused(&change(1, 0)), field("suite"));
    assert_eq!(refused(&change(1, 3)), field("suite"));
    let mut weak = body();
    weak[2..34].fill(0);
    assert_eq!(refused(&weak), field("root_key"));
    let mut none = body();
    none[34..42].fill(0);
    assert_eq!(refused(&none), field("token"));
    assert_eq!(with(|t| t.id = [0; 8]).to_uri().err(), field("token"));

    let encoding = Some(TokenError::Content(ObjectError::Encoding));
    for len in 1..body().len() {
        assert_eq!(refused(&body()[..len]), encoding, "{len} bytes");
    }
    assert_eq!(refused(&[]), encoding);
    assert_eq!(refused(&[body(), vec![0]].concat()), encoding);
    let mut overlong = body();
    overlong[78] |= 0x80;
    overlong.insert(79, 0);
    assert_eq!(refused(&overlong), encoding);

    assert_eq!(Token::parse("").err(), Some(TokenError::Scheme));
    assert_eq!(Token::parse("sealmq:join").err(), Some(TokenError::Scheme));
    assert_eq!(
        Token::parse("SEALMQ:join/AA").err(),
        Some(TokenError::Scheme)
    );
    assert_eq!(
        Token::parse("sealmq:join/").err(),
        Some(TokenError::Mistyped)
    );
    let long = format!("sealmq:join/{}", "A".repeat(MAX_TOKEN_LEN - 11));
    assert_eq!(Token::parse(&long).err(), Some(TokenError::TooLong));
}

#[test]
fn prefixes_names_and_brokers() {
    let check = |change: &dyn Fn(&mut Token)| {
        let written = with(change).to_uri();
        if let Ok(text) = &written {
            assert!(Token::parse(text).is_ok());
        }
        written.err()
    };
    for bad in ["", "a/#", "$SYS/x", "a/"] {
        assert_eq!(check(&|t| t.prefix = bad.to_owned()), field("prefix"));
    }
    for good in [
        "",
        "mqtt://a:1",
        "mqtts://10.0.0.7:65535",
        "mqtt://[::1]:1883",
        "mqtt://broker_2.local:1883",
    ] {
        assert_eq!(check(&|t| t.broker = good.to_owned()), None, "{good}");
    }
    let long_host = format!("mqtt://{}:1883", "h".repeat(254));
    for bad in [
        "mqtt://",
        "mqtt://a",
        "mqtt://:1883",
        "mqtt://a:",
        "mqtt://a:0",
        "mqtt://a:01883",
        "mqtt://a:+1883",
        "mqtt://a:65536",
        "mqtt://a:1883/",
        "mqtt://user@a:1883",
        "mqtt://a b:1883",
        "mqtt://[a]:1883",
        "mqtt://::1:1883",
        "http://a:1883",
        "MQTT://a:1883",
        "a:1883",
        &long_host,
    ] {
        assert_eq!(
            check(&|t| t.broker = bad.to_owned()),
            field("broker"),
            "{bad}"
        );
    }
    for bad in [
        NamePattern::Exact(String::new()),
        NamePattern::Prefix(String::new()),
        NamePattern::Exact("a*".to_owned()),
        NamePattern::Prefix("a*".to_owned()),
        NamePattern::Exact("a/b".to_owned()),
        NamePattern::Exact("x".repeat(65)),
    ] {
        assert_eq!(check(&|t| t.name = bad.clone()), field("name"), "{bad:?}");
    }
    // The longest of everything fits.
    let longest = with(|t| {
        t.expires = u64::MAX;
        t.name = NamePattern::Prefix("x".repeat(64));
        t.prefix = "x".repeat(1024);
        t.broker = format!("mqtts://{}:65535", "h".repeat(253));
    });
    assert!(Token::parse(&longest.to_uri().unwrap()).is_ok());
}

#[test]
fn names_that_a_token_admits() {
    let admits = |pattern: &str, name| NamePattern::parse(pattern).unwrap().admits(name);
    assert!(admits("", "anything"));
    assert!(admits("pump-7", "pump-7") && !admits("pump-7", "pump-71"));
    assert!(admits("pump-*", "pump-7") && admits("pump-*", "pump-"));
    assert!(!admits("pump-*", "pump") && !admits("pump-*", "xpump-7"));
    for pattern in ["", "pump-7", "pump-*"] {
        assert_eq!(NamePattern::parse(pattern).unwrap().to_string(), pattern);
    }
    for bad in ["*", "**", "a**", "*a", "a b", "a/*", "%c"] {
        assert_eq!(NamePattern::parse(bad), Err(ObjectError::Field("name")));
    }
}

#[test]
fn the_mac_binds_token_and_request() {
    let (a, b) = (Digest([1; 32]), Digest([2; 32]));
    let secret = Secret::new([3; 32]);
    let expected = expand(&secret, &[b"sealmq/1 join mac", &[1; 32]]);
    assert_eq!(token().mac_for(&a), *expected.expose());
    assert_eq!(join_mac(&secret, &a), token().mac_for(&a));
    assert_ne!(join_mac(&secret, &a), join_mac(&secret, &b));
    assert_ne!(join_mac(&secret, &a), join_mac(&Secret::new([4; 32]), &a));
}

#[test]
fn random_text_never_panics() {
    for round in 0..20_000_u64 {
        let noise = sha256(&[&round.to_be_bytes()]).0;
        let len = usize::from(noise[0] % 32);
        assert!(Token::parse(&String::from_utf8_lossy(&noise[..len])).is_err());
        let mut body = body();
        let at = usize::from(noise[1]) % body.len();
        body.splice(at.., noise[2..2 + len.min(30)].iter().copied());
        // Right checksum: what is accepted has one spelling.
        if let Ok(token) = Token::parse(&uri(&body)) {
            assert_eq!(*token.to_uri().unwrap(), uri(&body));
        }
    }
}
