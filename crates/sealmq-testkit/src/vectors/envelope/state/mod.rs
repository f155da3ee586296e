//! Kind `open`: what the broker keeps, retained values and wills (spec/envelope.md §7–§9).

mod forgotten;
mod marks;
mod older;
mod senders;
mod values;
mod wills;

use super::scene::Scene;
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    values::vectors(scene, file);
    marks::vectors(scene, file);
    wills::vectors(scene, file);
    senders::vectors(scene, file);
    older::vectors(scene, file);
    forgotten::vectors(scene, file);
}

/// A list of one value.
fn one(value: Json) -> Json {
    Json::Array(vec![value])
}

/// A mark as it compares: delegation, connection, will, session number, counter.
type Mark = (u32, u64, bool, u64, u32);

/// What was remembered for all senders.
fn mark_of_all((serial, connection, will, number, counter): Mark) -> Json {
    object! {
        serial: serial, connection: connection, will: u8::from(will), session_number: number,
        counter: counter,
    }
}

/// What was remembered for all topics of member 7, under its first credential.
fn mark_of_sender(mark: Mark) -> Json {
    mark_of_all(mark)
        .with("sender", 7_u8)
        .with("credential_serial", 1_u8)
}

/// The mark of member 7 on the topic of the plain message.
fn mark_of_topic(mark: Mark) -> Json {
    mark_of_sender(mark).with("topic", "plant/a/temp")
}

/// The highest will of member 7.
fn will_number(serial: u32, credential_serial: u32, number: u64) -> Json {
    one(object! {
        sender: 7_u8, serial: serial, credential_serial: credential_serial, session_number: number,
    })
}
