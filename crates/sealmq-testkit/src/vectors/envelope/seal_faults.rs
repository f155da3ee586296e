//! Kind `seal`: inputs from which nothing is sealed.

use super::scene::Scene;
use super::seal::Plan;
use crate::vectors::craft::{Draft, Property};
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::table::table;

impl Plan {
    fn refuse(
        self,
        file: &mut VectorFile,
        id: &str,
        comment: &str,
        spec: &str,
        reason: &'static str,
    ) {
        file.push(Vector::invalid(
            "seal",
            format!("seal-{id}"),
            comment,
            &[spec],
            self.input(),
            reason,
        ));
    }
}

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    let plan = |id: &str| Plan::new(scene, id);
    let mut rng = plan("rng-zero");
    rng.rng = [0; 32];
    rng.refuse(
        file,
        "rng-zero",
        "An RNG that gives 32 zero bytes has failed.",
        "envelope.md §6",
        "rng",
    );

    for (id, point) in table! {
        "zero":      "0000000000000000000000000000000000000000000000000000000000000000";
        "one":       "0100000000000000000000000000000000000000000000000000000000000000";
        "order-8":   "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
        "p-minus-1": "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    } {
        let id = format!("group-key-{id}");
        let mut plan = plan(&id);
        plan.group_key = hex::decode(point).unwrap().try_into().unwrap();
        plan.refuse(
            file,
            &id,
            "A group key of low order gives an all-zero X25519 result.",
            "envelope.md §1",
            "group_key",
        );
    }

    let mut refuse = |id: &str, comment: &str, spec: &str, change: &dyn Fn(&mut Draft)| {
        plan(id)
            .message(change)
            .refuse(file, id, comment, spec, "field");
    };
    table! { refuse:
        "counter-too-large": "No counter above 2^21 - 1.", "envelope.md §6", &|d| d.counter = 1 << 21;
        "sender-0": "Member numbers begin with 1.", "envelope.md §4", &|d| d.message.sender = 0;
        "sender-too-large": "Member numbers end below 2^28.",
            "envelope.md §4", &|d| d.message.sender = 1 << 28;
        "session-too-large": "Session numbers end below 2^35.",
            "envelope.md §4", &|d| d.message.number = 1 << 35;
        "sent-at-too-large": "Times end below 2^42.",
            "envelope.md §4", &|d| d.message.sent_at = Some(1 << 42);
        "sequence-too-large": "Sequences end below 2^21.",
            "envelope.md §4", &|d| d.message.sequence = Some(1 << 21);
        "topic-empty": "A topic has at least one byte.", "constants.md §4", &|d| d.topic.clear();
        "topic-wildcard": "A topic name has no wildcard.",
            "constants.md §4", &|d| d.topic = "plant/+/temp".to_owned();
        "topic-nul": "A topic has no U+0000.", "constants.md §4", &|d| d.topic = "plant/\0".to_owned();
        "credential-too-long": "At most 4096 bytes of credential.",
            "envelope.md §4", &|d| d.message.credential = Some(vec![0x11; 4097]);
        "will-without-time": "A will needs the time at which it was sealed.",
            "envelope.md §9", &|d| (d.message.will, d.message.sent_at) = (true, None);
        "will-second-message": "A will is the only message of its session.",
            "envelope.md §9", &|d| (d.message.will, d.counter) = (true, 1);
    }
    let properties: [(&str, &str, Vec<Property>); 6] = table! {
        "order": "Properties ascend by id.", vec![Property::ContentType("a"), Property::PayloadFormat(1)];
        "twice": "Only user properties may repeat.",
            vec![Property::ContentType("a"), Property::ContentType("b")];
        "nul": "Strings have no U+0000.", vec![Property::ContentType("a\0")];
        "response-wildcard": "A response topic is a topic name.", vec![Property::ResponseTopic("answers/#")];
        "response-empty": "A response topic has at least one byte.", vec![Property::ResponseTopic("")];
        "too-long": "At most 16384 bytes of properties.", vec![Property::CorrelationData(vec![7; 16_382])];
    };
    for (id, comment, list) in properties {
        refuse(
            &format!("properties-{id}"),
            comment,
            "envelope.md §5",
            &|d| d.message.properties = list.clone(),
        );
    }
    table! { refuse:
        "expiry-without-time": "A message expiry counts from sent_at.",
            "envelope.md §5", &|d| {
                d.message.sent_at = None;
                d.message.properties = vec![Property::MessageExpiry(60)];
            };
    }
}
