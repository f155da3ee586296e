//! What stolen devices are worth: everything in their stores against everything that was carried.

use sealmq_keys::member::{Action, Delivery, Member, MemberOptions};
use sealmq_store::Vault;

use super::outsider::Carried;
use crate::clock;
use crate::failure::Failure;
use crate::unlock::PATIENCE;

/// Fewer than the decapsulations that a member does at once for senders that it does not know.
const PART: usize = 100;

/// How many of the envelopes a device's whole stored state opens, when it is also given every key
/// object that was ever carried.
pub(super) fn opened_by(
    vault: &Vault,
    objects: &[Carried],
    envelopes: &[Carried],
) -> Result<usize, Failure> {
    let store = vault.open_wait(PATIENCE)?;
    let options = MemberOptions {
        accept_own: true,
        pending_messages: envelopes.len(),
        pending_bytes: usize::MAX,
        pending_ms: u64::MAX,
        ..MemberOptions::default()
    };
    let mut attempt = Attempt {
        member: Member::load(&store, options)?,
        now: clock::millis(),
        opened: 0,
    };
    attempt.hand_over(objects);
    for part in envelopes.chunks(PART) {
        for envelope in part {
            let now = Some(attempt.now);
            let (result, actions) =
                attempt
                    .member
                    .open(&envelope.topic, &envelope.payload, false, now);
            if matches!(result, Delivery::Message(_)) {
                attempt.opened = attempt.opened.saturating_add(1);
            }
            attempt.count(actions);
        }
        if attempt.member.stats().waiting > 0 {
            // Now it knows what it lacks, and takes objects that it did not ask for before.
            attempt.hand_over(objects);
            attempt.now = attempt.now.saturating_add(1000);
            let actions = attempt.member.tick(Some(attempt.now));
            attempt.count(actions);
        }
    }
    Ok(attempt.opened)
}

struct Attempt {
    member: Member,
    /// Unix milliseconds; the attempt has its own time, so that it need not wait.
    now: u64,
    opened: usize,
}

impl Attempt {
    fn hand_over(&mut self, objects: &[Carried]) {
        for object in objects {
            let actions =
                self.member
                    .handle_reserved(&object.topic, &object.payload, Some(self.now));
            self.count(actions);
        }
    }

    /// Messages that waited and were opened after all.
    fn count(&mut self, actions: Vec<Action>) {
        for action in actions {
            if matches!(action, Action::Message(..)) {
                self.opened = self.opened.saturating_add(1);
            }
        }
    }
}
