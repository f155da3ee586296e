//! Kind `seal`: inputs from which nothing is sealed.

use super::scene::Scene;
use super::seal::{Keys, Plan, SEAL};
use crate::vectors::craft::{Draft, Property};
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    let input = |id: &str, change: &dyn Fn(&mut Plan)| {
        let mut plan = Plan::new(scene, id);
        change(&mut plan);
        plan.input()
    };
    let rng = input("rng-zero", &|plan| plan.rng = [0; 32]);
    let case = SEAL.case(
        "rng-zero",
        "An RNG that gives 32 zero bytes has failed.",
        rng,
    );
    file.push(case.spec(&["envelope.md §6"]).reason("rng"));

    let to = |id: &str, point: &str| {
        let key = hex::decode(point).unwrap().try_into().unwrap();
        let comment = "A group key of low order gives an all-zero X25519 result.";
        let case = SEAL.case(id, comment, input(id, &|plan| plan.keys.public = key));
        case.spec(&["envelope.md §1"])
    };
    table! { to => file:
        "group-key-zero": "0000000000000000000000000000000000000000000000000000000000000000" => "group_key";
        "group-key-one": "0100000000000000000000000000000000000000000000000000000000000000" => "group_key";
        "group-key-order-8": "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"
            => "group_key";
        "group-key-p-minus-1": "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
            => "group_key";
    }

    let case = |id: &str, comment: &str, spec: &str, change: &dyn Fn(&mut Draft)| {
        let input = input(id, &|plan| change(&mut plan.draft));
        SEAL.case(id, comment, input).spec(&[spec])
    };
    table! { case => file:
        "counter-too-large": "No counter above 2^21 - 1.",
            "envelope.md §6", &|d| d.counter = 1 << 21 => "field";
        "sender-0": "Member numbers begin with 1.", "envelope.md §4", &|d| d.message.sender = 0 => "field";
        "sender-too-large": "Member numbers end below 2^28.",
            "envelope.md §4", &|d| d.message.sender = 1 << 28 => "field";
        "session-too-large": "Session numbers end below 2^35.",
            "envelope.md §4", &|d| d.message.number = 1 << 35 => "field";
        "sent-at-too-large": "Times end below 2^42.",
            "envelope.md §4", &|d| d.message.sent_at = Some(1 << 42) => "field";
        "sequence-too-large": "Sequences end below 2^21.",
            "envelope.md §4", &|d| d.message.sequence = Some(1 << 21) => "field";
        "topic-empty": "A topic has at least one byte.", "constants.md §4", &|d| d.topic.clear() => "field";
        "topic-wildcard": "A topic name has no wildcard.",
            "constants.md §4", &|d| d.topic = "plant/+/temp".to_owned() => "field";
        "topic-nul": "A topic has no U+0000.",
            "constants.md §4", &|d| d.topic = "plant/\0".to_owned() => "field";
        "credential-too-long": "At most 4096 bytes of credential.",
            "envelope.md §4", &|d| d.message.credential = Some(vec![0x11; 4097]) => "field";
    }
    let with = |id: &str, comment: &str, sent_at: Option<u64>, properties: &[Property]| {
        case(id, comment, "envelope.md §5", &|d| {
            (d.message.sent_at, d.message.properties) = (sent_at, properties.to_vec());
        })
    };
    use Property::{ContentType, CorrelationData, MessageExpiry, PayloadFormat, ResponseTopic};
    let time = Some(NOW_MS);
    table! { with => file:
        "properties-order": "Properties ascend by id.",
            time, &[ContentType("a"), PayloadFormat(1)] => "field";
        "properties-twice": "Only user properties may repeat.",
            time, &[ContentType("a"), ContentType("b")] => "field";
        "properties-nul": "Strings have no U+0000.", time, &[ContentType("a\0")] => "field";
        "properties-response-wildcard": "A response topic is a topic name.",
            time, &[ResponseTopic("answers/#")] => "field";
        "properties-response-empty": "A response topic has at least one byte.",
            time, &[ResponseTopic("")] => "field";
        "properties-too-long": "At most 16384 bytes of properties.",
            time, &[CorrelationData(vec![7; 16_382])] => "field";
        "expiry-without-time": "A message expiry counts from sent_at.", None, &[MessageExpiry(60)] => "field";
    }
    state(scene, file);
}

fn state(scene: &Scene, file: &mut VectorFile) {
    let case = |id: &str, comment: &str, spec: &str, change: &dyn Fn(&mut Plan)| {
        let mut plan = Plan::of_state(scene, id);
        change(&mut plan);
        SEAL.case(id, comment, plan.input()).spec(&[spec])
    };
    let epoch = || Keys::of_epoch(scene.epoch());
    let (value, event) = (scene.value(), scene.sent());
    table! { case => file:
        "kept-key-zero": "A kept key of low order gives an all-zero X25519 result.",
            "envelope.md §1", &|p| p.keys.public = *LOW_ORDER[0] => "group_key" ["D1"];
        "kept-key-order-8": "A kept key of low order gives an all-zero X25519 result.",
            "envelope.md §1", &|p| p.keys.public = *LOW_ORDER[1] => "group_key" ["D1"];
        "state-epoch": "State is never sealed under the keys of an epoch.",
            "envelope.md §7", &|p| p.keys = epoch() => "field" ["A43"];
        "state-epoch-will": "Nor is a will that is not to be retained.",
            "envelope.md §7", &|p| {
                p.keys = epoch();
                (p.draft.message.will, p.draft.message.retain) = (true, false);
            } => "field" ["A43"];
        "state-event-kept": "An event is never sealed under kept keys.",
            "envelope.md §7", &|p| p.draft = event.clone() => "field" ["A44"];
        "state-event-kept-credential": "Not with a credential inside either.",
            "envelope.md §7", &|p| p.draft = event.under(sensor().object()) => "field" ["A44"];
        "state-without-credential": "State carries the sender's credential.",
            "envelope.md §4", &|p| p.draft.message.credential = None => "field" ["A43"];
        "will-without-credential": "So does a will.",
            "envelope.md §4", &|p| (p.draft.message.will, p.draft.message.credential) = (true, None)
            => "field" ["A43"];
        "state-credential-too-long": "At most 4096 bytes of credential.",
            "envelope.md §4", &|p| p.draft.message.credential = Some(vec![0x11; 4097]) => "field";
        "state-connection-too-large": "Connections end below 2^35.",
            "envelope.md §4", &|p| p.draft.message.connection = 1 << 35 => "field";
        "state-connection-missing": "A retained value has a connection.",
            "envelope.md §4", &|p| p.connection = Some(None) => "field";
        "state-connection-will": "A will has none: its session number stands for it.",
            "envelope.md §4", &|p| (p.draft.message.will, p.connection) = (true, Some(Some(5))) => "field";
        "state-connection-event": "An event has none.",
            "envelope.md §4", &|p| {
                (p.keys, p.draft, p.connection) = (epoch(), event.clone(), Some(Some(5)));
            } => "field";
        "will-without-time": "A will needs the time at which it was sealed.",
            "envelope.md §9", &|p| (p.draft.message.will, p.draft.message.sent_at) = (true, None)
            => "field" ["A25"];
        "will-second-message": "A will is the only message of its session.",
            "envelope.md §9", &|p| (p.draft.message.will, p.draft.counter) = (true, 1) => "field" ["A25"];
        "state-counter-too-large": "No counter above 2^21 - 1.",
            "envelope.md §6", &|p| p.draft = value.change(|d| d.counter = 1 << 21) => "field";
    }
}
