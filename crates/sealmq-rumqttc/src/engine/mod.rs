//! What is the same for every version of MQTT: the member, its store, and the order "commit first".

mod coverage;
mod draft;
mod incoming;
mod store;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use getrandom::SysRng;
use sealmq_core::open::Rejection;
use sealmq_core::topic::{Filter, Topic};
use sealmq_keys::member::{Action, Member, MemberEvent, Properties, SealError};
use sealmq_keys::{Changes, Publication, Store};

use crate::clock::Clock;
use crate::error::{OpenError, StoreFailure};
use crate::message::Message;
use crate::options::SealOptions;
use crate::outbox::Wire;
pub(crate) use draft::Draft;
pub(crate) use incoming::{Incoming, Token};
use store::CommitThread;

/// Waiting messages that keep their acknowledgement back. Beyond, they are acknowledged early:
/// brokers stop sending (Mosquitto after 20) while too many are open, and the credential that
/// the messages wait for comes on the same way.
const MAX_HELD: usize = 8;

pub(crate) struct Engine {
    member: Member,
    store: CommitThread,
    clock: Arc<dyn Clock>,
    /// Leases run by this where there is no clock.
    started: Instant,
    plaintext: Vec<String>,
    announce_credential: bool,
    /// Messages that wait in the member, by ticket.
    waiting: HashMap<u64, Option<Token>>,
    /// Shared subscriptions: several readers, so a gap says nothing.
    shared: Vec<String>,
}

/// What the adapter has to do, in this order.
#[allow(clippy::large_enum_variant, reason = "lives for one step only")]
pub(crate) enum Output {
    /// For the application; then acknowledge.
    Notice(Notice, Option<Token>),
    Acknowledge(Token),
    /// With QoS 1.
    Subscribe(String),
    Unsubscribe(String),
    /// With QoS 1, as it is.
    Publish(Publication),
}

/// Something for the application.
pub(crate) enum Notice {
    Message(Message),
    Rejected {
        topic: String,
        reason: Rejection,
    },
    Unsealed {
        topic: String,
        payload: Bytes,
        retained: bool,
        properties: Properties,
    },
    Cleared {
        topic: String,
    },
    Key(MemberEvent),
}

impl Engine {
    pub(crate) fn open<S>(store: S, options: &SealOptions) -> Result<Self, OpenError>
    where
        S: Store + Send + 'static,
    {
        if let Some(will) = &options.will {
            Topic::from_bytes(&will.topic).map_err(OpenError::WillTopic)?;
        }
        for filter in &options.plaintext {
            Filter::new(filter).map_err(|error| OpenError::PlaintextFilter {
                filter: filter.clone(),
                error,
            })?;
        }
        Ok(Self {
            member: Member::load(&store, options.member.clone())?,
            store: CommitThread::new(store),
            clock: Arc::clone(&options.clock),
            started: Instant::now(),
            plaintext: options.plaintext.clone(),
            announce_credential: options.announce_credential,
            waiting: HashMap::new(),
            shared: Vec::new(),
        })
    }

    pub(crate) const fn member(&self) -> &Member {
        &self.member
    }

    /// The shared subscriptions' filters, without `$share/…/`.
    pub(crate) fn set_shared(&mut self, filters: Vec<String>) {
        self.shared = filters;
    }

    /// The connection is gone: nothing that came over it can be acknowledged any more.
    pub(crate) fn disconnected(&mut self) {
        self.waiting.values_mut().for_each(|token| *token = None);
    }

    /// Timeouts and snapshots; about once a second.
    pub(crate) async fn tick(&mut self) -> Result<Vec<Output>, StoreFailure> {
        let now = self.now();
        let mut actions = self.member.tick(now);
        actions.extend(self.member.maintain(now, &mut SysRng));
        self.carry_out(actions).await
    }

    /// The time; without a clock the member learns how long the program has been running.
    pub(crate) fn now(&mut self) -> Option<u64> {
        let now = self.clock.now_ms();
        if now.is_none() {
            let uptime = self.started.elapsed().as_millis();
            self.member
                .set_uptime(u64::try_from(uptime).unwrap_or(u64::MAX));
        }
        now
    }

    /// What is published at the beginning of each connection.
    pub(crate) async fn connected(&mut self) -> Result<Vec<Output>, StoreFailure> {
        let actions = self.member.connected();
        self.carry_out(actions).await
    }

    /// Before the end: replay windows become durable.
    pub(crate) async fn flush(&mut self) -> Result<(), StoreFailure> {
        let changes = self.member.flush();
        self.commit(changes).await
    }

    /// Whether a message can be sealed with what is known now.
    pub(crate) fn check(&self, draft: &Draft) -> Result<(), SealError> {
        match self.publishing(&draft.topic) {
            // Only where certainly no group covers the topic.
            Err(SealError::NoGroup) if self.is_plaintext(&draft.topic) => return Ok(()),
            result => result?,
        }
        if draft.clears() {
            return Ok(());
        }
        draft.properties.check().map_err(SealError::Properties)?;
        self.check_times(draft)
    }

    /// Seals a message when its turn has come. The outer error is fatal.
    pub(crate) async fn seal(
        &mut self,
        draft: &Draft,
    ) -> Result<Result<Wire, SealError>, StoreFailure> {
        if draft.clears() && !draft.will {
            // Nothing to seal, and nothing to hide (spec/envelope.md §7).
            return Ok(self.check(draft).map(|()| draft.in_clear()));
        }
        let message = draft.outgoing(self.announce_credential);
        let now = self.now();
        match self.member.seal(&message, now, &mut SysRng) {
            Ok(sealed) => {
                self.commit(sealed.changes).await?;
                Ok(Ok(draft.sealed(sealed.payload)))
            }
            Err(SealError::NoGroup) if !draft.will && self.is_plaintext(&draft.topic) => {
                Ok(Ok(draft.in_clear()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn is_plaintext(&self, topic: &str) -> bool {
        matches_any(&self.plaintext, topic)
    }

    async fn carry_out(&mut self, actions: Vec<Action>) -> Result<Vec<Output>, StoreFailure> {
        let mut outputs = Vec::new();
        for action in actions {
            match action {
                Action::Commit(changes) => self.commit(changes).await?,
                Action::Subscribe(filter) => outputs.push(Output::Subscribe(filter)),
                Action::Unsubscribe(filter) => outputs.push(Output::Unsubscribe(filter)),
                Action::Publish(publication) => outputs.push(Output::Publish(publication)),
                Action::Message(ticket, received) => {
                    let token = self.waiting.remove(&ticket).flatten();
                    outputs.push(Output::Notice(self.message(*received), token));
                }
                Action::Rejected(ticket, topic, reason) => {
                    let token = self.waiting.remove(&ticket).flatten();
                    rejected(&mut outputs, topic, reason, token);
                }
                Action::Event(event) => outputs.push(Output::Notice(Notice::Key(event), None)),
                // A later version of the member machine; what it needs, it also reports.
                _ => {}
            }
        }
        Ok(outputs)
    }

    async fn commit(&mut self, changes: Changes) -> Result<(), StoreFailure> {
        if changes.is_empty() {
            Ok(())
        } else {
            self.store.commit(changes).await
        }
    }
}

/// A rejected message is acknowledged, so that it is not redelivered for ever. An own message
/// that came back is no news for the application.
fn rejected(outputs: &mut Vec<Output>, topic: String, reason: Rejection, token: Option<Token>) {
    if reason != Rejection::Own {
        outputs.push(Output::Notice(Notice::Rejected { topic, reason }, token));
    } else if let Some(token) = token {
        outputs.push(Output::Acknowledge(token));
    }
}

fn matches_any(filters: &[String], topic: &str) -> bool {
    let Ok(topic) = Topic::new(topic) else {
        return false;
    };
    filters
        .iter()
        .any(|filter| Filter::new(filter).is_ok_and(|filter| filter.matches(topic)))
}
