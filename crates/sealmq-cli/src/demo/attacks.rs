//! What somebody without keys can try, and what a reader says to it.

use super::checks::Checks;
use super::node::Node;
use super::outsider::{Carried, Outsider};
use crate::failure::Failure;

/// Position of a byte inside the ciphertext of every envelope (the header has 42 to 44 bytes).
const IN_CIPHERTEXT: usize = 60;
/// Shorter than the shortest envelope.
const CUT_TO: usize = 100;

struct Attack {
    what: &'static str,
    /// The reader's reason.
    expected: &'static str,
    topic: String,
    payload: Vec<u8>,
}

/// Publishes attacks made from a genuine envelope, and checks that the reader rejects each for the
/// right reason and shows none.
pub(super) async fn run(
    outsider: &Outsider,
    reader: &Node,
    genuine: &Carried,
    checks: &mut Checks,
) -> Result<(), Failure> {
    let attacks = [
        attack(
            "a replayed envelope",
            "Replay",
            &genuine.topic,
            genuine.payload.clone(),
        ),
        attack(
            "an envelope with one bit flipped",
            "Rejected",
            &genuine.topic,
            flipped(&genuine.payload),
        ),
        attack(
            "an envelope moved to another topic",
            "Rejected",
            &moved(&genuine.topic),
            genuine.payload.clone(),
        ),
        attack(
            "a cut envelope",
            "Malformed",
            &genuine.topic,
            cut(&genuine.payload),
        ),
        attack(
            "a message in clear",
            "NotSealed",
            &genuine.topic,
            br#"{"valve":"open"}"#.to_vec(),
        ),
    ];
    let (messages, mut rejected) = {
        let log = reader.log();
        (log.messages.len(), log.rejected.len())
    };
    for attack in attacks {
        outsider
            .publish(&attack.topic, false, attack.payload)
            .await?;
        let count = rejected.saturating_add(1);
        reader
            .wait(
                |log| log.rejected.len() as u64,
                |log| log.rejected.len() >= count,
            )
            .await;
        let reason = reader
            .log()
            .rejected
            .get(rejected)
            .map(|(_, reason)| reason.name());
        checks.add(
            reason == Some(attack.expected),
            format!(
                "{} was rejected by {}: {}",
                attack.what,
                reader.name,
                reason.unwrap_or("no, it was not")
            ),
        );
        rejected = count;
    }
    let shown = reader.log().messages.len().saturating_sub(messages);
    checks.equal(shown, 0, "attacks that got through");
    Ok(())
}

fn attack(what: &'static str, expected: &'static str, topic: &str, payload: Vec<u8>) -> Attack {
    Attack {
        what,
        expected,
        topic: topic.to_owned(),
        payload,
    }
}

fn flipped(envelope: &[u8]) -> Vec<u8> {
    let mut copy = envelope.to_vec();
    if let Some(byte) = copy.get_mut(IN_CIPHERTEXT) {
        *byte ^= 1;
    }
    copy
}

fn cut(envelope: &[u8]) -> Vec<u8> {
    envelope.get(..CUT_TO).unwrap_or(envelope).to_vec()
}

fn moved(topic: &str) -> String {
    format!("{topic}/elsewhere")
}
