//! The writer of the vectors' JSON, read back by another library.

use sealmq_testkit::vectors::json::Json;

#[test]
fn text_is_json_that_reads_back() {
    let text = "quote \" backslash \\ line \n bell \u{7} é";
    let member = |name: &str, value| (name.to_owned(), value);
    let value = Json::Object(vec![
        member("a", text.into()),
        member("type", vec![1_u8; 90].into()),
        member("none", Json::Null),
        member("empty", Json::Object(vec![])),
        member("max", u64::MAX.into()),
    ]);
    let file = value.to_file();
    assert!(file.lines().count() > 5);
    let read: serde_json::Value = serde_json::from_str(&file).unwrap();
    assert_eq!(read["a"], text);
    assert_eq!(read["type"].as_array().unwrap().len(), 90);
    assert_eq!(read["none"], serde_json::Value::Null);
    assert_eq!(read["empty"], serde_json::json!({}));
    assert_eq!(read["max"], u64::MAX);
}

#[test]
fn texts_that_json_cannot_hold_are_hex() {
    let hex = |digits: &str| Json::Object(vec![("hex".to_owned(), digits.into())]);
    assert_eq!(Json::text(b"a/b"), Json::from("a/b"));
    assert_eq!(Json::text(b"@a"), hex("4061"));
    assert_eq!(Json::text(b"\xff"), hex("ff"));
}
