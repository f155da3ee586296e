//! Join tokens: what their holders may become, and how often (spec/keys.md §12).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::VerifyingKey;
use serde::{Deserialize, Serialize};

use super::members::GrantSpec;
use super::record::{self, GrantRecord, SecretBytes};
use super::{Authority, AuthorityError, Plan, draw, draw_public};
use sealmq_keys::objects::OpenedJoinRequest;
use sealmq_keys::objects::TOKEN_ID_LEN;
use sealmq_keys::objects::{NamePattern, Token};

pub(super) const TOKEN_PREFIX: &str = "authority/token/";

/// Most tokens at once: they are held in memory.
const MAX_TOKENS: usize = 4096;

/// What a new join token is for.
#[derive(Debug, Clone)]
pub struct TokenSpec {
    /// What each device that joins with it may do.
    pub grants: Vec<GrantSpec>,
    /// The names that it admits.
    pub name: NamePattern,
    /// Seconds that it is valid, 1 or more.
    pub ttl: u64,
    /// How many devices it lets in, 1 or more; 1 for an exact name.
    pub uses: u32,
    /// Seconds that the credentials of these devices are valid, 1 or more.
    pub member_validity: u64,
    /// Where devices find the broker: `mqtt://host:port`, `mqtts://host:port`, or empty.
    pub broker: String,
}

/// A join token as operators see it: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its id.
    pub id: [u8; TOKEN_ID_LEN],
    /// What its devices may do, by group name.
    pub grants: Vec<GrantSpec>,
    /// The names that it admits: empty for any, a name, or a beginning followed by `*`.
    pub name: String,
    /// How many devices it lets in.
    pub uses: u32,
    /// How many more devices may still join.
    pub uses_left: u32,
    /// Not accepted after, Unix seconds.
    pub expires: u64,
}

#[derive(Serialize, Deserialize, Clone)]
pub(super) struct TokenRecord {
    pub(super) id: [u8; TOKEN_ID_LEN],
    secret: SecretBytes,
    /// Without places.
    pub(super) grants: Vec<GrantRecord>,
    name: String,
    uses: u32,
    uses_left: u32,
    pub(super) expires: u64,
    /// Seconds.
    pub(super) member_validity: u64,
}

impl TokenRecord {
    pub(super) fn key(&self) -> String {
        let hex: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{TOKEN_PREFIX}{hex}")
    }

    pub(super) const fn is_expired(&self, now: u64) -> bool {
        self.expires < now
    }

    /// Whether a request came from a holder of the token. In constant time.
    pub(super) fn proves(&self, request: &OpenedJoinRequest) -> bool {
        request.check_mac(&self.secret.secret())
    }

    pub(super) fn admits(&self, name: &str) -> bool {
        NamePattern::parse(&self.name).is_ok_and(|pattern| pattern.admits(name))
    }
}

impl Authority {
    /// Makes a join token. The secret is in the token only once: hand it to the device on a way
    /// that the owner trusts, after the plan was committed.
    ///
    /// # Errors
    /// Grants that make no sense, a setting out of its range, or a broker that is no address.
    pub fn create_token(
        &mut self,
        spec: &TokenSpec,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(Token, Plan), AuthorityError> {
        self.check_usable()?;
        self.attempt(|this| {
        if spec.ttl == 0 || spec.uses == 0 || spec.member_validity == 0 {
            return Err(AuthorityError::Setting(
                "a token must be valid for a second or more, admit a device or more, and give credentials that are valid for a second or more",
            ));
        }
        if matches!(spec.name, NamePattern::Exact(_)) && spec.uses != 1 {
            return Err(AuthorityError::Setting(
                "a token for one name lets one device in: names are used once",
            ));
        }
        if this.domain.keys.kem.is_empty() {
            return Err(AuthorityError::Setting(
                "the delegation lists no key that could receive join requests: renew it first",
            ));
        }
        let mut plan = Plan::default();
        this.expire_tokens(now, &mut plan);
        if this.joining.tokens.len() >= MAX_TOKENS {
            return Err(AuthorityError::Setting(
                "there are 4096 tokens already: revoke some first",
            ));
        }
        let drawn = &mut this.draws(this.delegation.serial(), now, rng);
        let secret = draw(drawn)?;
        let record = TokenRecord {
            id: draw_public(drawn)?,
            secret: SecretBytes::of(&secret),
            grants: this.resolve_grants(&spec.grants)?,
            name: spec.name.to_string(),
            uses: spec.uses,
            uses_left: spec.uses,
            expires: now.saturating_add(spec.ttl),
            member_validity: spec.member_validity,
        };
        let root_key = VerifyingKey::from_bytes(&this.domain.root_key);
        let token = Token {
            suite: this.delegation.suite(),
            root_key: root_key.map_err(|_| AuthorityError::Record)?,
            id: record.id,
            secret,
            serial: this.delegation.serial(),
            expires: record.expires,
            name: spec.name.clone(),
            prefix: this.domain.prefix.clone(),
            broker: spec.broker.clone(),
        };
        // What no device could read must not be handed out.
        token.to_uri().map_err(AuthorityError::Token)?;
        record::put(&mut plan.changes, record.key(), &record)?;
        this.joining.tokens.insert(record.id, record);
        Ok((token, this.settle_drawn(plan, drawn, now)?))
        })
    }

    /// All tokens that were not revoked, used up and expired ones included as long as they are
    /// kept.
    pub fn tokens(&self) -> impl Iterator<Item = TokenInfo> + '_ {
        self.joining.tokens.values().map(|token| TokenInfo {
            id: token.id,
            grants: self.named_grants(&token.grants),
            name: token.name.clone(),
            uses: token.uses,
            uses_left: token.uses_left,
            expires: token.expires,
        })
    }

    /// Revokes a token: nobody joins with it any more. Those who did stay.
    ///
    /// # Errors
    /// No such token.
    pub fn revoke_token(
        &mut self,
        id: &[u8; TOKEN_ID_LEN],
        now: u64,
    ) -> Result<Plan, AuthorityError> {
        self.check_usable()?;
        self.attempt(|this| {
            let token = this.joining.tokens.get(id);
            let key = token.ok_or(AuthorityError::NoSuchToken)?.key();
            this.joining.tokens.delete(id);
            let mut plan = Plan::default();
            plan.changes.delete(key);
            this.settle(plan, now)
        })
    }

    /// Revokes all tokens: their secrets, or how often they were used, are no longer known to be
    /// the authority's alone.
    pub(super) fn revoke_all_tokens(&mut self, plan: &mut Plan) {
        for token in self.joining.tokens.values() {
            plan.changes.delete(token.key());
        }
        self.joining.tokens.delete_unless(|_, _| false);
    }

    /// The token with this id, if a device can join with it now.
    pub(super) fn usable_token(&self, id: &[u8; TOKEN_ID_LEN], now: u64) -> Option<&TokenRecord> {
        let token = self.joining.tokens.get(id)?;
        (token.uses_left > 0 && !token.is_expired(now)).then_some(token)
    }

    /// Counts one device against a token.
    pub(super) fn use_token(
        &mut self,
        id: &[u8; TOKEN_ID_LEN],
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let token = self.joining.tokens.get_mut(id);
        let token = token.ok_or(AuthorityError::Record)?;
        token.uses_left = token.uses_left.saturating_sub(1);
        record::put(&mut plan.changes, token.key(), token)
    }

    pub(super) fn expire_tokens(&mut self, now: u64, plan: &mut Plan) {
        let tokens = self.joining.tokens.values();
        for token in tokens.filter(|token| token.is_expired(now)) {
            plan.changes.delete(token.key());
        }
        self.joining
            .tokens
            .delete_unless(|_, token| !token.is_expired(now));
    }
}
