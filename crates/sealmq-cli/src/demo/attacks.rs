//! What somebody without keys can try, and what a reader says to it.

use super::cast::Cast;
use super::checks::Checks;
use super::outsider::Carried;
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
pub(super) async fn on_messages(
    cast: &Cast,
    genuine: Option<&Carried>,
    checks: &mut Checks,
) -> Result<(), Failure> {
    let Some(Carried { topic, payload }) = genuine else {
        checks.add(false, "there is no envelope to attack with");
        return Ok(());
    };
    let attacks = [
        attack("replayed envelope", "Replay", topic, payload.clone()),
        attack(
            "envelope with one bit flipped",
            "Rejected",
            topic,
            flipped(payload),
        ),
        attack(
            "envelope moved to another topic",
            "Rejected",
            &moved(topic),
            payload.clone(),
        ),
        attack("envelope cut short", "Malformed", topic, cut(payload)),
        attack(
            "message in clear",
            "NotSealed",
            topic,
            br#"{"valve":"open"}"#.to_vec(),
        ),
    ];
    let reader = &cast.reader;
    let (messages, mut rejected) = {
        let log = reader.log();
        (log.messages.len(), log.rejected.len())
    };
    for attack in attacks {
        cast.outsider
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
                "{}: rejected as {}",
                attack.what,
                reason.unwrap_or("nothing, it was not")
            ),
        );
        rejected = count;
    }
    let shown = reader.log().messages.len().saturating_sub(messages);
    checks.equal(shown, 0, "attacks that reader-a took for messages");
    Ok(())
}

/// Rolls back, clears and spoils what the authority keeps retained. Members must go on as they are;
/// the next message shows it.
pub(super) async fn on_keys(cast: &Cast, objects: &[Carried]) -> Result<(), Failure> {
    let epoch = |object: &&Carried| {
        let (path, epoch) = object.topic.rsplit_once('/')?;
        let is_announcement = path.ends_with("/a") && !object.payload.is_empty();
        is_announcement.then(|| epoch.parse::<u64>().ok()).flatten()
    };
    let oldest = objects
        .iter()
        .filter(|object| epoch(object).is_some())
        .min_by_key(epoch);
    let newest = objects
        .iter()
        .filter(|object| epoch(object).is_some())
        .max_by_key(epoch);
    if let (Some(oldest), Some(newest)) = (oldest, newest) {
        cast.outsider
            .publish(&newest.topic, true, oldest.payload.clone())
            .await?;
        cast.outsider
            .publish(&newest.topic, true, Vec::new())
            .await?;
    }
    let delegation = format!("{}/delegation", cast.domain.prefix);
    cast.outsider
        .publish(&delegation, true, b"not a delegation".to_vec())
        .await
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
