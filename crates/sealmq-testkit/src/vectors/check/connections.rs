//! Kind `connections` (spec/envelope.md §8).

use sealmq_core::seal::{Connection, next_session_number};

use super::{Checked, Input, broken, to_value};
use crate::vectors::prelude::*;

pub(crate) fn connections(input: Input<'_>) -> Checked {
    let (mut connection, mut previous) = (Connection::of(0), input.u64("previous"));
    for (n, step) in input.list("steps").into_iter().enumerate() {
        let now = step.opt_u64("now").map(|seconds| seconds * 1000 + 999);
        let mut next = || {
            previous = next_session_number(previous, now).ok_or("field")?;
            Ok::<_, &str>(previous)
        };
        let got = if let Some(connect) = step.opt("connect", Input::get) {
            let will = if connect.flag("will") {
                Some(next()?)
            } else {
                None
            };
            if let Some(number) = will {
                connection.will(number);
            }
            connection.begun();
            if connection.is_due() {
                connection.take(next()?);
            }
            object! { will: will, connection: connection.number() }
        } else if step.flag("session") {
            object! { session_number: next()? }
        } else {
            connection.renewed();
            object! { connection: connection.number() }
        };
        let (given, expect) = (to_value(&got), step.value("expect"));
        if given != *expect {
            return Err(broken(format_args!(
                "step {n} gives {given}, the vector says {expect}"
            )));
        }
    }
    Ok(object! {})
}
