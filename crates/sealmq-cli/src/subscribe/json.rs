//! `--json`: one object per message.

use serde_json::{Map, Value, json};

use super::message::Shown;
use crate::clock;
use crate::output::escape_json;

/// One line, without the newline.
pub(super) fn line(message: &Shown<'_>) -> String {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("received", json!(clock::iso_millis(message.received_at)));
    put("topic", json!(message.topic));
    put(
        "sender",
        json!({ "number": message.sender, "name": message.sender_name }),
    );
    put("group", json!(message.group));
    put("epoch", json!(message.epoch));
    put("session", json!(message.session));
    put("counter", json!(message.counter));
    if let Some(sent_at) = message.sent_at {
        put("sent", json!(clock::iso_millis(sent_at)));
    }
    if let Some(age) = message.age().filter(|_| message.retained) {
        put("age_ms", json!(age));
    }
    if let Some(missed) = message.missed {
        put("missed", json!(missed));
    }
    put("retain", json!(message.retained));
    if message.will {
        put("will", json!(true));
    }
    let properties = properties(message);
    if !properties.is_empty() {
        put("properties", Value::Object(properties));
    }
    put("payload_len", json!(message.payload.len()));
    match core::str::from_utf8(message.payload) {
        Ok(text) => put("payload", json!(text)),
        Err(_) => put("payload_hex", json!(hex::encode(message.payload))),
    }
    escape_json(&Value::Object(fields).to_string())
}

fn properties(message: &Shown<'_>) -> Map<String, Value> {
    let properties = message.properties;
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    put(
        "content-type",
        properties.content_type.as_ref().map(|text| json!(text)),
    );
    put(
        "response-topic",
        properties.response_topic.as_ref().map(|text| json!(text)),
    );
    put(
        "correlation-data-hex",
        properties
            .correlation_data
            .as_ref()
            .map(|data| json!(hex::encode(data))),
    );
    put(
        "message-expiry-interval",
        properties.expiry.map(|seconds| json!(seconds)),
    );
    put(
        "payload-format-indicator",
        properties.payload_format.map(|format| json!(format)),
    );
    let user: Vec<Value> = properties
        .user
        .iter()
        .map(|(name, value)| json!([name, value]))
        .collect();
    put(
        "user-properties",
        (!user.is_empty()).then_some(Value::Array(user)),
    );
    fields
}

#[cfg(test)]
mod tests {
    use super::super::format::tests::shown;
    use super::*;
    use sealmq_keys::member::Properties;

    #[test]
    fn text_and_bytes() {
        let none = Properties::default();
        let parsed = |payload: &[u8]| -> Value {
            let line = line(&shown(payload, &none));
            assert!(!line.contains('\n'));
            serde_json::from_str(&line).unwrap()
        };
        let value = parsed("a\n\"é\0".as_bytes());
        assert_eq!(value["payload"], "a\n\"é\0");
        assert_eq!(value["sender"], json!({ "number": 7, "name": "sensor" }));
        assert_eq!(value["missed"], 2);
        assert!(value.get("properties").is_none());
        let value = parsed(b"\xff\x00");
        assert_eq!(value["payload_hex"], "ff00");
        assert!(value.get("payload").is_none());
    }
}
