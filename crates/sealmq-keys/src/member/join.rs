//! Joining over MQTT, the device's side (spec/keys.md §12). Sans-IO: time and randomness are
//! arguments, what to commit and to publish comes back.

mod again;
mod keys;
mod titles;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{DeviceSecret, Purpose, VerifyingKey};
use sealmq_core::object::{Kind, Object, ObjectError, Signer};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, check_name};

use keys::{Keys, fields};
pub use titles::GroupTitle;

use super::draw::entropy;
use super::enrol::{Asked, DEFAULT_SKEW, EnrolledAs, MAX_PACKAGES, NewRequest};
use super::kept::Kept;
use super::migrate;
use super::records::{self, DomainRecord};
use super::types::Now;
use super::{Member, MemberError, seconds};
use crate::armour::CredentialFile;
use crate::delegation::VerifiedDelegation;
use crate::enrolment::NO_TOKEN;
use crate::join_refusal::{JoinRefusalReason, VerifiedJoinRefusal};
use crate::objects::JoinRequest;
use crate::objects::fingerprint::Fingerprint;
use crate::outputs::Publication;
use crate::reserved::{ReservedTopic, check_prefix, default_prefix};
use crate::store::{Changes, Store};
use crate::token::Token;

/// What gives a device the right to join.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinWay {
    /// A token, which also pins the root.
    Token(Box<Token>),
    /// An operator decides; the root's key came on a way that the owner trusts.
    Root {
        /// The root's Ed25519 key.
        root_key: [u8; 32],
        /// Prefix of the reserved topics; the default one if not given.
        prefix: Option<String>,
        /// The domain's suite, if it is known; that of the root's delegation if not given.
        suite: Option<Suite>,
        /// The delegation's serial when the key was handed over: older ones are refused. 0 if it
        /// is not known.
        serial: u32,
    },
}

/// How a device joins.
#[derive(Debug)]
pub struct JoinOptions {
    /// The name that it wants.
    pub name: String,
    /// What lets it in.
    pub way: JoinWay,
    /// One-time keys in the request, 1 to [`MAX_PACKAGES`]: one is used up per group.
    pub packages: u32,
    /// Extensions of the request and its packages, as the encoded elements of the list
    /// (spec/keys.md §1). This version defines none: for trials of later ones.
    pub extensions: Vec<u8>,
}

/// What the caller of a [`Joiner`] has to do, in this order.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinAction {
    /// Commit this before anything that follows. If that fails, drop the joiner.
    Commit(Changes),
    /// Publish this with QoS 1.
    Publish(Publication),
    /// The request waits for an operator, who compares this fingerprint.
    Waiting(Fingerprint),
    /// The device is a member: [`Member::load`] works from now on.
    Joined(EnrolledAs),
    /// The authority does not take the device in, for this reason; see its `Display`.
    Refused(JoinRefusalReason),
    /// What arrived there was refused: it is damaged, forged, too old or for another device.
    Ignored {
        /// The topic.
        topic: String,
        /// Why.
        error: MemberError,
    },
}

/// A device that joins a domain over MQTT. Made by [`Member::join`].
///
/// The caller subscribes [`Joiner::subscriptions`] after every (re)connect, gives what arrives
/// there to [`Joiner::handle`], and carries out the actions.
pub struct Joiner {
    name: String,
    packages: u32,
    extensions: Vec<u8>,
    root: VerifyingKey,
    domain: DomainId,
    prefix: String,
    suite: Option<Suite>,
    /// The lowest serial of a delegation.
    serial: u32,
    token: Option<Box<Token>>,
    keys: Keys,
    delegation: Option<(VerifiedDelegation, Vec<u8>)>,
    /// The sealed request, for the current delegation.
    sealed: Option<Vec<u8>>,
    ended: bool,
    /// It had joined before.
    enrolled: Option<EnrolledAs>,
}

impl Member {
    /// Begins to join a domain over MQTT: do what [`Joiner`] says. Keys and an unanswered request
    /// that the store holds are used again, so that a device which was interrupted just begins
    /// anew. New keys are stored when the domain's delegation has come, with the request. If the
    /// device joined with these options before, nothing is left to do ([`Joiner::enrolled`]).
    ///
    /// # Errors
    /// The name or number of packages is not allowed, the token does not admit the name, the root
    /// key or prefix is unusable, the store belongs to a member, to another domain or to an
    /// enrolment by file, or it cannot be read, or the RNG failed.
    pub fn join<S: Store>(
        store: &S,
        options: JoinOptions,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Joiner, MemberError> {
        check_name(&options.name)?;
        if options.packages == 0 || options.packages > MAX_PACKAGES {
            return Err(MemberError::Packages { most: MAX_PACKAGES });
        }
        let (root_key, prefix, suite, serial, token) = match options.way {
            JoinWay::Token(token) => {
                if !token.name.admits(&options.name) {
                    let admits = token.name.to_string();
                    return Err(MemberError::TokenName { admits });
                }
                let prefix = Some(token.prefix.clone());
                (
                    *token.root_key.as_bytes(),
                    prefix,
                    Some(token.suite),
                    token.serial,
                    Some(token),
                )
            }
            JoinWay::Root {
                root_key,
                prefix,
                suite,
                serial,
            } => (root_key, prefix, suite, serial, None),
        };
        let root = VerifyingKey::from_bytes(&root_key).map_err(|_| MemberError::RootKey)?;
        let domain = DomainId::of_root(&root);
        let prefix = prefix.unwrap_or_else(|| default_prefix(&domain));
        check_prefix(&prefix).map_err(MemberError::Prefix)?;

        let enrolled = again::enrolled(store)?;
        let mut delegation = None;
        if let Some(value) = records::get(store, records::DOMAIN)? {
            migrate::check_version(store)?;
            let known: DomainRecord = records::read(records::DOMAIN, &value)?;
            if known.root_key != root_key {
                return Err(MemberError::OtherDomain);
            }
            let verified = known.delegation.delegation(&root);
            let verified =
                verified.map_err(|_| MemberError::Record(records::DOMAIN.to_string()))?;
            // One from before a recovery that this device was told of since does not count.
            if verified.serial() >= serial {
                delegation = Some((verified, known.delegation.bytes().to_vec()));
            }
        }
        let keys = match records::get(store, records::IDENTITY)? {
            Some(_) if enrolled.is_some() => {
                let keys = Keys::load(store, &domain);
                keys.map_err(|_| MemberError::AlreadyEnrolled)?
            }
            Some(_) => Keys::load(store, &domain)?,
            None => Keys::new(rng)?,
        };
        if enrolled.is_some() {
            again::check_same(&keys, &options.name, token.as_deref())?;
        }
        Ok(Joiner {
            name: options.name,
            packages: options.packages,
            extensions: options.extensions,
            root,
            domain,
            prefix,
            suite,
            serial,
            token,
            keys,
            delegation,
            sealed: None,
            ended: enrolled.is_some(),
            enrolled,
        })
    }
}

impl Joiner {
    /// The device's fingerprint, for the operator and in its topics.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.keys.identity.verifying_key())
    }

    /// The domain that it joins.
    #[must_use]
    pub const fn domain(&self) -> DomainId {
        self.domain
    }

    /// Filters to subscribe with QoS 1 after every (re)connect.
    #[must_use]
    pub fn subscriptions(&self) -> [String; 2] {
        [
            ReservedTopic::Delegation.name(&self.prefix),
            ReservedTopic::Answer(self.fingerprint()).name(&self.prefix),
        ]
    }

    /// Takes what arrived on a subscribed topic. Nothing happens any more after
    /// [`JoinAction::Joined`] or [`JoinAction::Refused`].
    ///
    /// # Errors
    /// What is this device's own fault or the domain's, and ends the joining: the RNG failed, or
    /// the domain takes no join requests.
    pub fn handle(
        &mut self,
        topic: &str,
        payload: &[u8],
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Vec<JoinAction>, MemberError> {
        if self.ended || payload.is_empty() {
            return Ok(Vec::new());
        }
        let taken = match ReservedTopic::parse(&self.prefix, topic) {
            Some(ReservedTopic::Delegation) => match self.take_delegation(payload, now) {
                Ok(()) => return self.ask(now, rng),
                Err(error) => Err(error),
            },
            Some(ReservedTopic::Answer(device)) if device == self.fingerprint() => {
                self.take_answer(payload, now)
            }
            _ => return Ok(Vec::new()),
        };
        taken.or_else(|error| {
            let topic = topic.to_string();
            Ok(vec![JoinAction::Ignored { topic, error }])
        })
    }

    fn take_delegation(&mut self, bytes: &[u8], now: Now) -> Result<(), MemberError> {
        let new = VerifiedDelegation::verify(bytes, &self.root).map_err(MemberError::Delegation)?;
        let refused = |error| Err(MemberError::Delegation(error));
        new.check_pinned(self.suite, self.serial)
            .map_err(MemberError::Delegation)?;
        if seconds(now).is_some_and(|now| !new.is_valid_at(now, DEFAULT_SKEW)) {
            return refused(ObjectError::Expired);
        }
        if let Some((current, _)) = &self.delegation
            && !new.supersedes(current).map_err(MemberError::Delegation)?
        {
            return Ok(());
        }
        self.delegation = Some((new, bytes.to_vec()));
        self.sealed = None;
        Ok(())
    }

    /// Publishes the request. The same delegation once more means a new connection, or an
    /// authority that begins anew: it gets the same bytes again.
    fn ask(
        &mut self,
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Vec<JoinAction>, MemberError> {
        let Some((delegation, bytes)) = &self.delegation else {
            return Ok(Vec::new());
        };
        let mut actions = Vec::new();
        if self.sealed.is_none() {
            if delegation.kem_keys().next().is_none() {
                return Err(MemberError::NoJoining);
            }
            let mut changes = Changes::new();
            let domain = DomainRecord {
                root_key: *self.root.as_bytes(),
                prefix: self.prefix.clone(),
                delegation: Kept::new(bytes.clone()),
                past: Vec::new(),
            };
            records::put(&mut changes, records::DOMAIN, &domain)?;
            let delegation = delegation.clone();
            let request = self.request(&delegation, &mut changes, now, rng)?;
            let number = self.keys.package.checked_add(1);
            let number = number.ok_or(MemberError::Random)?;
            let hedged = self
                .keys
                .device
                .hedge(&entropy(rng)?, Purpose::Join, number.into());
            let token = self.token.as_ref().map(|token| (&token.id, &token.secret));
            let sealed = JoinRequest::seal(&delegation, token, &request, &hedged.seed)
                .map_err(MemberError::Object)?;
            self.keys.device = hedged.next;
            self.keys.package = number;
            self.keys.put(&request, &mut changes)?;
            self.sealed = Some(sealed);
            actions.push(JoinAction::Commit(changes));
        }
        if let Some(sealed) = &self.sealed {
            let topic = self.join_topic();
            let publication = Publication::retained(topic, sealed.as_slice());
            actions.push(JoinAction::Publish(publication));
        }
        Ok(actions)
    }

    /// The request that stands, if it asks for the same; else a new one.
    fn request(
        &mut self,
        delegation: &VerifiedDelegation,
        changes: &mut Changes,
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Vec<u8>, MemberError> {
        let token = self.token.as_ref().map_or(NO_TOKEN, |token| token.id);
        if let Some(request) = self.keys.request.as_ref().filter(|_| !self.keys.replace) {
            let known = fields(request)?;
            let enough = known.packages.iter().count() >= self.packages as usize;
            let suite = sealmq_core::object::suite_of(request);
            let asks_the_same = known.name == self.name && known.token == token && enough;
            if asks_the_same && suite == Ok(delegation.suite()) {
                return Ok(request.clone());
            }
        }
        // The keys of the old request's packages stay: its answer may still be on its way.
        let first = self.keys.package.checked_add(1);
        let last = self.keys.package.checked_add(self.packages);
        let (Some(first), Some(last)) = (first, last) else {
            return Err(MemberError::Random);
        };
        let new = NewRequest {
            signer: Signer::with_encoded(&self.keys.identity, &self.extensions)
                .map_err(MemberError::Object)?,
            domain: self.domain,
            token,
            suite: delegation.suite(),
            name: &self.name,
            numbers: first..=last,
            now,
        };
        let mut device =
            DeviceSecret::new(sealmq_core::crypto::Secret::new(*self.keys.device.expose()));
        let request = new.make(&mut device, changes, rng)?;
        self.keys.device = device;
        self.keys.package = last;
        self.keys.request = Some(request.clone());
        self.keys.replace = false;
        Ok(request)
    }

    fn take_answer(&mut self, bytes: &[u8], now: Now) -> Result<Vec<JoinAction>, MemberError> {
        let request = self.keys.request.as_ref().filter(|_| !self.keys.replace);
        let (Some((delegation, delegation_bytes)), Some(request)) = (&self.delegation, request)
        else {
            // To an earlier request. An answer to this one comes again with the next connection.
            return Ok(Vec::new());
        };
        let object = Object::parse_any(request, Kind::EnrolmentRequest);
        let request = object
            .map_err(|_| MemberError::Record(records::IDENTITY.to_string()))?
            .hash();
        let clear = JoinAction::Publish(Publication::clear(self.join_topic()));
        if Object::parse(bytes, Kind::JoinRefusal).is_err() {
            let asked = Asked {
                key: *self.keys.identity.verifying_key().as_bytes(),
                request,
            };
            let file = CredentialFile {
                root_key: *self.root.as_bytes(),
                prefix: self.prefix.clone(),
                delegation: delegation_bytes.clone(),
                credential: bytes.to_vec(),
            };
            let (changes, enrolled) = asked.accept(file, None, None, now)?;
            self.ended = true;
            return Ok(vec![
                JoinAction::Commit(changes),
                clear,
                JoinAction::Joined(enrolled),
            ]);
        }
        let refusal =
            VerifiedJoinRefusal::verify(bytes, delegation).map_err(MemberError::Answer)?;
        if refusal.fields().request != request {
            return Err(MemberError::OtherDevice);
        }
        if seconds(now).is_some_and(|now| !delegation.is_valid_at(now, DEFAULT_SKEW)) {
            return Err(MemberError::Delegation(ObjectError::Expired));
        }
        let reason = refusal.fields().reason;
        if !reason.is_final() {
            return Ok(vec![JoinAction::Waiting(self.fingerprint())]);
        }
        // The next try makes another request: this refusal, repeated, would end it otherwise.
        let mut changes = Changes::new();
        records::put(&mut changes, records::REFUSED_REQUEST, &request)?;
        self.ended = true;
        Ok(vec![
            JoinAction::Commit(changes),
            clear,
            JoinAction::Refused(reason),
        ])
    }

    fn join_topic(&self) -> String {
        ReservedTopic::Join(self.fingerprint()).name(&self.prefix)
    }
}
