//! Kind `lease` (spec/keys.md §8): how long a member's newest announcement is good.

use sealmq_core::object::Role;
use sealmq_keys::{
    Chunk, FollowContext, Followed, GroupState, HeartbeatFields, LeaseClaim, Renewal, Roles,
    VerifiedHeartbeat, VerifiedNonceAnswer, default_prefix,
};

use super::object::reason;
use super::welcome::member_state;
use super::{Checked, Input, No, broken, require, to_value};
use crate::vectors::prelude::*;

/// What a member has of one group, and what it keeps beside it.
struct Holder {
    authority: Authority,
    state: GroupState,
    /// What names an announcement that was not followed yet.
    held: Option<HeartbeatFields>,
    answers: Vec<(LeaseClaim, u64)>,
    /// Nonces that have served.
    used: Vec<[u8; 16]>,
}

type Step = Result<Renewal, &'static str>;

pub(crate) fn lease(input: Input<'_>) -> Checked {
    let (authority, group) = (input.authority("authority"), input.group("group"));
    let state = member_state(input.get("member"), authority.domain, group);
    let (held, answers, used) = (None, vec![], vec![]);
    let mut holder = Holder {
        authority,
        state,
        held,
        answers,
        used,
    };
    let mut last = None;
    for (n, step) in input.list("steps").into_iter().enumerate() {
        let at = |fault: String| broken(format_args!("step {n}: {fault}"));
        let (why, found) = if step.has("object") {
            let step = holder.announcement(step).map_err(at)?;
            holder.stated(step)
        } else if step.has("heartbeat") {
            let step = holder.heartbeat(step);
            holder.stated(step)
        } else if step.has("answer") {
            let step = holder.answer(step, input.number("member_number"));
            holder.stated(step)
        } else {
            (
                last,
                holder.may(step, input.opt_u64("delegation_not_after")),
            )
        };
        if to_value(&found) != *step.value("expect") {
            return Err(at(format!("{:?}", to_value(&found))));
        }
        last = why;
    }
    last.map_or(Ok(object! {}), |why| Err(No::from(why)))
}

impl Holder {
    fn announcement(&mut self, step: Input<'_>) -> Result<Step, String> {
        let prefix = default_prefix(&self.authority.domain);
        let chunk = step.opt("chunk", Input::hex);
        let context = FollowContext {
            authorities: &self.authority,
            prefix: &prefix,
            now: step.opt_u64("now"),
            referenced: None,
            chunk: chunk.as_deref().map(Chunk::Bytes),
        };
        let followed = self.state.follow(&step.hex("object"), &context);
        let followed = followed.map_err(|error| error.to_string())?;
        // What came for it before counts now.
        if let Some(held) = self.held.take() {
            let now = step.opt_u64("now");
            if let Renewal::Ahead { .. } = self.state.renew(&(&held).into(), held.issued_at, now) {
                self.held = Some(held);
            }
        }
        for (claim, made_at) in core::mem::take(&mut self.answers) {
            if let Renewal::Ahead { .. } = self.state.answered(&claim, made_at) {
                self.answers.push((claim, made_at));
            }
        }
        Ok(Ok(match followed {
            Followed::AlreadyKnown => Renewal::Known,
            _ => Renewal::Renewed,
        }))
    }

    fn heartbeat(&mut self, step: Input<'_>) -> Step {
        let bytes = step.hex("heartbeat");
        let heartbeat = VerifiedHeartbeat::verify(&bytes, &self.authority).map_err(reason)?;
        let fields = *heartbeat.fields();
        require(fields.group == *self.state.group(), "group")?;
        let now = step.opt_u64("now");
        let renewal = self.state.renew(&(&fields).into(), fields.issued_at, now);
        if let Renewal::Ahead { .. } = renewal {
            let age = |held: &HeartbeatFields| (held.epoch, held.issued_at);
            if self
                .held
                .as_ref()
                .is_none_or(|held| age(held) < age(&fields))
            {
                self.held = Some(fields);
            }
        }
        Ok(renewal)
    }

    fn answer(&mut self, step: Input<'_>, member: u32) -> Step {
        let (bytes, nonce) = (step.hex("answer"), step.array::<16>("nonce"));
        let answer = VerifiedNonceAnswer::verify(&bytes, &self.authority).map_err(reason)?;
        let fields = answer.fields();
        require(fields.group == *self.state.group(), "group")?;
        require(fields.member.0 == member, "recipient")?;
        require(
            fields.nonce == nonce && !self.used.contains(&nonce),
            "nonce",
        )?;
        // Each nonce serves once, whatever the answer says.
        self.used.push(nonce);
        let (claim, made_at) = (LeaseClaim::from(fields), step.u64("made_at"));
        let renewal = self.state.answered(&claim, made_at);
        if let Renewal::Ahead { .. } = renewal {
            self.answers.push((claim, made_at));
        }
        Ok(renewal)
    }

    /// Whether the newest announcement counts under a delegation that was taken after it.
    fn counts_under(&self, successor: &Authority) -> bool {
        let (_, signer) = self.state.signed_by().unwrap();
        let (signed_by, _) = self.authority.keys[usize::from(signer)];
        let same = |(key, roles): &(_, Roles)| *key == signed_by && roles.has(Role::Groups);
        successor.keys.iter().any(same)
    }

    /// Whether it may seal and read now: the member machine's comparisons, which its own tests
    /// hold to the second.
    fn may(&self, step: Input<'_>, delegation: Option<u64>) -> Json {
        let policy = self.state.policy().unwrap();
        let mut delegation = delegation;
        if step.has("successor") {
            if !self.counts_under(&step.authority("successor")) {
                return object! { seal: false, read: false };
            }
            let next = step.u64("successor_not_after");
            delegation = Some(delegation.map_or(next, |own| own.min(next)));
        }
        let late = u64::from(policy.grace) + u64::from(policy.skew);
        let (seal, read) = if let Some(now) = step.opt_u64("at") {
            let good_until = self.state.good_until().unwrap();
            let until = good_until.min(delegation.unwrap_or(u64::MAX));
            (now <= until, now <= until.saturating_add(late))
        } else if policy.lease == 0 {
            (false, false)
        } else {
            let times = step.opt_u64("uptime").zip(self.state.good_until_uptime());
            times.map_or((false, false), |(uptime, until)| {
                (uptime <= until, uptime <= until.saturating_add(late * 1000))
            })
        };
        object! { seal: seal, read: read }
    }

    fn stated(&self, step: Step) -> (Option<&'static str>, Json) {
        let refusal = |why: &'static str| (Some(why), object! { reason: why });
        let (good_until, uptime) = (self.state.good_until(), self.state.good_until_uptime());
        match step {
            Ok(Renewal::Renewed) => (
                None,
                object! { good_until: good_until, good_until_uptime: uptime },
            ),
            Ok(Renewal::Known) => (None, object! { known: true }),
            Ok(Renewal::Older) => refusal("too_old"),
            Ok(Renewal::Ahead { epoch }) => {
                (Some("ahead"), object! { reason: "ahead", ask_epoch: epoch })
            }
            Ok(Renewal::Future) => refusal("expired"),
            Ok(Renewal::Fork(_)) => refusal("fork"),
            Err(why) => refusal(why),
        }
    }
}
