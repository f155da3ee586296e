use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sealmq_client::{
    Client, ClientError, Draft, FlushId, GivenUp, InOrder, PublishId, Subscription, Time,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::notice::Outcome;

/// What clients ask the driver to do.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "the large one is the rule, and a box would be an allocation for each message"
)]
pub(crate) enum Command {
    /// With whoever waits for the answer; nobody after `try_publish`: then an error becomes an event.
    Publish(Request, Option<Reply>),
    Subscribe(Vec<Subscription>),
    Unsubscribe(String),
    Flush(oneshot::Sender<()>),
    Disconnect(oneshot::Sender<()>),
}

/// Tells whether a message was accepted.
pub(crate) type Reply = oneshot::Sender<Result<(), ClientError>>;

/// A message to be sealed.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) draft: Draft,
    pub(crate) room: OwnedSemaphorePermit,
    /// Whoever wants to know what becomes of it.
    pub(crate) notice: Option<oneshot::Sender<Outcome>>,
}

/// Who waits in a call for what.
#[derive(Default)]
pub(crate) struct Calls {
    asking: InOrder<PublishId, Reply>,
    /// Places among those that `publish` accepts.
    room: InOrder<PublishId, OwnedSemaphorePermit>,
    notices: InOrder<PublishId, oneshot::Sender<Outcome>>,
    flushes: BTreeMap<FlushId, oneshot::Sender<()>>,
    pub(crate) goodbye: Option<oneshot::Sender<()>>,
    outstanding: Arc<AtomicUsize>,
}

impl Calls {
    pub(crate) fn outstanding(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.outstanding)
    }

    /// Before anybody is answered.
    pub(crate) fn count(&self, outstanding: usize) {
        self.outstanding.store(outstanding, Ordering::Release);
    }

    pub(crate) fn command(&mut self, command: Command, client: &mut Client, time: Time) {
        match command {
            Command::Publish(request, reply) => {
                let id = self.publish(request, client, time);
                if let Some(reply) = reply {
                    self.asking.insert(id, reply);
                }
            }
            Command::Subscribe(subscriptions) => client.subscribe(subscriptions),
            Command::Unsubscribe(filter) => client.unsubscribe(filter),
            Command::Flush(reply) => {
                self.flushes.insert(client.flush(), reply);
            }
            Command::Disconnect(reply) => {
                self.goodbye = Some(reply);
                client.disconnect(time);
            }
        }
    }

    fn publish(&mut self, request: Request, client: &mut Client, time: Time) -> PublishId {
        let Request {
            draft,
            room,
            notice,
        } = request;
        let id = client.publish(draft, time);
        self.room.insert(id, room);
        if let Some(notice) = notice {
            self.notices.insert(id, notice);
        }
        id
    }

    /// `None`: the message was accepted. Otherwise the answer comes later.
    pub(crate) fn publish_now(
        &mut self,
        request: Request,
        client: &mut Client,
        time: Time,
    ) -> Option<oneshot::Receiver<Result<(), ClientError>>> {
        let id = self.publish(request, client, time);
        self.count(client.outstanding());
        if client.has_accepted(id) {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        self.asking.insert(id, reply);
        Some(answer)
    }

    /// Callers that left are not waited for.
    pub(crate) fn abandon(&mut self, client: &mut Client) {
        self.asking.retain(|id, reply| {
            if reply.is_closed() {
                client.abandon(*id);
            }
            !reply.is_closed()
        });
    }

    /// A caller that left has had its message accepted all the same.
    pub(crate) fn accepted(&mut self, id: PublishId) {
        if let Some(reply) = self.asking.remove(&id) {
            let _caller_left = reply.send(Ok(()));
        }
    }

    /// The error, if no call waits for it any more.
    pub(crate) fn refused(&mut self, id: PublishId, error: ClientError) -> Option<ClientError> {
        self.room.remove(&id);
        let notice = self.notices.remove(&id);
        let Some(reply) = self.asking.remove(&id) else {
            if let Some(notice) = notice {
                let _dropped = notice.send(Err(GivenUp::NotPublished(error.clone())));
            }
            return Some(error);
        };
        let _caller_left = reply.send(Err(error));
        None
    }

    pub(crate) fn done(&mut self, id: PublishId, outcome: Outcome) {
        self.room.remove(&id);
        if let Some(notice) = self.notices.remove(&id) {
            let _dropped = notice.send(outcome);
        }
    }

    pub(crate) fn flushed(&mut self, id: FlushId) {
        if let Some(reply) = self.flushes.remove(&id) {
            let _caller_left = reply.send(());
        }
    }
}
