//! Kind `lease` (spec/keys.md §8): how long a member's newest announcement is good.

use sealmq_keys::{
    FollowContext, Followed, LeaseClaim, Renewal, VerifiedHeartbeat, VerifiedNonceAnswer,
    default_prefix,
};

use super::object::reason;
use super::welcome::member_state;
use super::{Input, Outcome, refused, to_value};
use crate::vectors::json::{Json, object};

pub(crate) fn lease(input: Input<'_>) -> Result<Outcome, String> {
    let (authority, group) = (input.authority("authority"), input.group("group"));
    let prefix = default_prefix(&authority.domain);
    let mut state = member_state(input.get("member"), authority.domain, group);
    let mut last = None;
    for (n, step) in input.list("steps").into_iter().enumerate() {
        let renewal = if step.has("object") {
            let context = FollowContext {
                authorities: &authority,
                prefix: &prefix,
                now: step.opt_u64("now"),
                referenced: None,
                chunk: None,
            };
            match state.follow(&step.hex("object"), &context) {
                Ok(Followed::AlreadyKnown) => Ok(Renewal::Known),
                Ok(_) => Ok(Renewal::Renewed),
                Err(error) => return Err(format!("step {n}: {error}")),
            }
        } else if step.has("heartbeat") {
            VerifiedHeartbeat::verify(&step.hex("heartbeat"), &authority).map(|heartbeat| {
                let fields = heartbeat.fields();
                state.renew(
                    &LeaseClaim::from(fields),
                    fields.issued_at,
                    step.opt_u64("now"),
                )
            })
        } else {
            VerifiedNonceAnswer::verify(&step.hex("answer"), &authority)
                .map(|answer| state.answered(&answer.fields().into(), step.u64("made_at")))
        };
        let refusal = |why: &'static str| (Some(why), object! { reason: why });
        let (why, found): (Option<&'static str>, Json) = match renewal {
            Ok(Renewal::Renewed) => (
                None,
                object! { good_until: state.good_until(), good_until_uptime: state.good_until_uptime() },
            ),
            Ok(Renewal::Known) => (None, object! { known: true }),
            Ok(Renewal::Older) => refusal("too_old"),
            Ok(Renewal::Ahead { epoch }) => {
                (Some("ahead"), object! { reason: "ahead", ask_epoch: epoch })
            }
            Ok(Renewal::Future) => refusal("expired"),
            Ok(Renewal::Fork(_)) => refusal("fork"),
            Err(error) => refusal(reason(error)),
        };
        if to_value(&found) != *step.value("expect") {
            return Err(format!("step {n}: {:?}", to_value(&found)));
        }
        last = why;
    }
    Ok(last.map_or_else(|| Outcome::Accepted(object! {}), refused))
}
