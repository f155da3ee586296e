//! Joining over MQTT (spec/keys.md §12).

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{Purpose, Secret, VerifyingKey};
use sealmq_core::object::{Authorities, Kind, Object, ObjectError};
use sealmq_core::wire::Suite;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::{
    JoinRefusalReason, JoinRequest, NO_TOKEN, TOKEN_ID_LEN, TokenFields, VerifiedDelegation,
    VerifiedJoinRefusal,
};

use super::Joining;
use crate::device::{DEFAULT_SKEW, Filter};
use crate::draw::entropy;
use crate::records::RequestRecord;
use crate::{Clock, StartError};

/// Room for a request of 4 packages.
const REQUEST: usize = 1280;

/// What a device pins, and what lets it in.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// The root's key.
    pub root_key: VerifyingKey,
    /// Delegations with a lower serial are refused; 0 if none is known.
    pub serial: u32,
    /// Id and secret of a token; without one an operator decides.
    pub token: Option<(&'a [u8; TOKEN_ID_LEN], &'a Secret)>,
    /// The name that the device wants.
    pub name: &'a str,
}

impl<'a> Way<'a> {
    /// By a token.
    ///
    /// # Errors
    /// `Field("name")`: it does not admit the name; `Form`: it is of another suite than 1.
    pub fn by_token(token: &'a TokenFields<'_>, name: &'a str) -> Result<Self, StartError> {
        if token.suite != Suite::One {
            return Err(ObjectError::Form.into());
        }
        if !token.admits(name) {
            return Err(ObjectError::Field("name").into());
        }
        Ok(Self {
            root_key: token.root_key,
            serial: token.serial,
            token: Some((&token.id, &token.secret)),
            name,
        })
    }
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is a credential: [`Joining::accept`] it.
    Credential,
    /// An operator decides. Wait.
    Waiting,
    /// The authority does not take the device in.
    Refused(JoinRefusalReason),
}

impl Joining {
    /// What to subscribe with QoS 1 after each connection: the delegation, which
    /// [`Joining::ask`] wants, and the answer.
    #[must_use]
    pub fn subscriptions(&self) -> [Filter; 2] {
        [
            Filter::Topic(ReservedTopic::Delegation),
            Filter::Topic(ReservedTopic::Answer(self.fingerprint())),
        ]
    }

    /// Where the request goes, with QoS 1 and retained; clear it there after the answer. The same
    /// bytes go out again after 10 seconds without one, then after 20, and so on.
    #[must_use]
    pub fn topic(&self) -> ReservedTopic {
        ReservedTopic::Join(self.fingerprint())
    }

    /// Writes the sealed request into `out`; returns its length. Store all of
    /// [`Joining::records`] before it goes out. `delegation` came from the broker; keep it for
    /// [`Joining::accept`]. A device that was started again asks for the same, so that an answer
    /// which came meanwhile is good.
    ///
    /// # Errors
    /// The delegation does not verify, is older than the token, or takes no requests; the random
    /// number generator failed; `out` is too short: 1.5 KiB are enough.
    pub fn ask(
        &mut self,
        way: &Way<'_>,
        delegation: &[u8],
        at: Clock,
        rng: &mut impl TryCryptoRng,
        out: &mut [u8],
    ) -> Result<usize, StartError> {
        let mut place = None;
        let delegation = VerifiedDelegation::verify_into(&mut place, delegation, &way.root_key)?;
        check(way, delegation, at)?;
        let domain = delegation.domain();
        let token = way.token.map_or(NO_TOKEN, |(id, _)| *id);
        let same = |asked: &RequestRecord| asked.domain == domain && asked.token == token;
        let asked = match self.asked.filter(same) {
            Some(asked) => asked,
            None => {
                self.make_packages(domain, at, rng)?;
                RequestRecord {
                    domain,
                    token,
                    issued_at: at.now.map_or(0, |now| now / 1000),
                }
            }
        };
        self.asked = Some(asked);
        let mut request = [0; REQUEST];
        let len = self.write(&asked, way.name, &mut request)?;
        let request = request.get(..len).unwrap_or_default();
        let number = self.package_number.checked_add(1);
        let number = number.ok_or(StartError::Random)?;
        let hedged = self
            .secret
            .hedge(&entropy(rng)?, Purpose::Join, number.into());
        self.secret = hedged.next;
        let sealed = JoinRequest::seal_into(delegation, way.token, request, &hedged.seed, out)?;
        Ok(sealed.len())
    }

    /// Looks at what came on the answer's topic.
    ///
    /// # Errors
    /// It is no answer to this device's request, or does not verify: wait for another.
    pub fn answer(
        &self,
        way: &Way<'_>,
        delegation: &[u8],
        at: Clock,
        answer: &[u8],
    ) -> Result<Answer, StartError> {
        if Object::parse(answer, Kind::JoinRefusal).is_err() {
            return Ok(Answer::Credential);
        }
        let mut place = None;
        let delegation = VerifiedDelegation::verify_into(&mut place, delegation, &way.root_key)?;
        check(way, delegation, at)?;
        let refusal = VerifiedJoinRefusal::verify(answer, &*delegation)?;
        let fields = refusal.fields();
        if fields.request != self.request {
            return Err(StartError::OtherDevice);
        }
        Ok(match fields.reason.is_final() {
            true => Answer::Refused(fields.reason),
            false => Answer::Waiting,
        })
    }
}

fn check(way: &Way<'_>, delegation: &VerifiedDelegation, at: Clock) -> Result<(), StartError> {
    delegation.check_pinned(Some(Suite::One), way.serial)?;
    let now = at.now.map(|now| now / 1000);
    if now.is_some_and(|now| !delegation.is_valid_at(now, DEFAULT_SKEW)) {
        return Err(ObjectError::Expired.into());
    }
    Ok(())
}
