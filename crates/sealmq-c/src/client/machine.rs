//! The machine behind the handle.

use std::sync::Mutex;

use ::sealmq_client::{Client, DeliveryId, Event, Output, PublishId, Resume};

use crate::handle::Handle;
use crate::held::Held;
use crate::notice::{of_keys, sealmq_notice::*};
use crate::output::sealmq_kind::{self, *};
use crate::output::sealmq_output;
use crate::platform::Platform;
use crate::status::Failure;
use crate::status::sealmq_status::*;
use crate::store::Callbacks;

/// A member that talks to a broker, without the talking. Made by [`sealmq_client_open`](crate::sealmq_client_open).
pub struct sealmq_client(Mutex<Machine>);

pub(crate) struct Machine {
    pub(super) client: Client,
    pub(super) platform: Platform,
    store: Callbacks,
    held: Held,
    /// What the caller has to write before anything else comes out.
    pub(super) unwritten: Option<Unwritten>,
    /// The last output was a message, which counts as taken with the next poll.
    taken: Option<DeliveryId>,
    told_closed: bool,
}

/// A packet that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwritten {
    Publish { needs_identifier: bool },
    Subscribe,
    Unsubscribe,
    Disconnect,
}

impl Unwritten {
    const fn name(self) -> &'static str {
        match self {
            Self::Publish { .. } => "PUBLISH",
            Self::Subscribe => "SUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Disconnect => "DISCONNECT",
        }
    }
}

impl Handle for sealmq_client {
    type Inner = Machine;

    fn new(inner: Mutex<Machine>) -> Self {
        Self(inner)
    }

    fn inner(&self) -> &Mutex<Machine> {
        &self.0
    }
}

impl Machine {
    pub(super) fn new(client: Client, platform: Platform, store: Callbacks) -> Self {
        Self {
            client,
            platform,
            store,
            held: Held::default(),
            unwritten: None,
            taken: None,
            told_closed: false,
        }
    }

    /// Whether inputs make sense at all.
    pub(super) fn running(&self) -> Result<(), Failure> {
        if self.client.is_over() {
            return Err(ended());
        }
        Ok(())
    }

    /// The application has the message that was shown last.
    pub(super) fn take(&mut self) {
        if let Some(delivery) = self.taken.take() {
            self.client.handle_delivered(delivery);
        }
    }

    /// The next thing to do. What has to be durable before it is committed here.
    pub(super) fn poll(&mut self) -> Result<sealmq_output, Failure> {
        if let Some(unwritten) = self.unwritten {
            return Err(Failure::new(
                SEALMQ_ERROR_ORDER,
                format_args!(
                    "{} was handed over: say sealmq_client_written when it was written, or sealmq_client_disconnected if it could not be",
                    unwritten.name()
                ),
            ));
        }
        if self.told_closed {
            return Err(ended());
        }
        self.held = Held::default();
        self.take();
        let mut random = self.platform.random();
        while let Some(output) = self.client.poll_output(self.platform.time(), &mut random) {
            match output {
                Output::Commit(changes) => match self.store.commit(&changes) {
                    Ok(()) => self.client.committed(),
                    Err(error) => {
                        self.client.commit_failed();
                        self.told_closed = true;
                        return Err(error.into());
                    }
                },
                output => return Ok(self.show(output)),
            }
        }
        Ok(sealmq_output::new(SEALMQ_NOTHING))
    }

    fn show(&mut self, output: Output) -> sealmq_output {
        let mut shown = sealmq_output::new(SEALMQ_NOTHING);
        let held = &mut self.held;
        shown.kind = match output {
            Output::Event(event, delivery) => {
                self.taken = delivery;
                return self.show_event(event);
            }
            Output::Connect(will) => {
                shown.fresh = self.client.wants_fresh_session();
                if let Some(will) = will {
                    held.wire(will.wire, &mut shown);
                    shown.delay_s = will.delay.unwrap_or(0);
                }
                SEALMQ_CONNECT
            }
            Output::Disconnect => {
                self.unwritten = Some(Unwritten::Disconnect);
                SEALMQ_DISCONNECT
            }
            Output::HangUp => SEALMQ_HANG_UP,
            Output::Publish(wire) => {
                held.wire(wire, &mut shown);
                let needs_identifier = shown.qos > 0;
                self.unwritten = Some(Unwritten::Publish { needs_identifier });
                SEALMQ_PUBLISH
            }
            Output::Resume(Resume::Publish(packet, wire)) => {
                held.wire(wire, &mut shown);
                shown.packet = packet;
                SEALMQ_RESUME_PUBLISH
            }
            Output::Resume(Resume::Release(packet)) => {
                shown.packet = packet;
                SEALMQ_RESUME_RELEASE
            }
            Output::Subscribe(filters) => {
                held.filters(filters, &mut shown);
                self.unwritten = Some(Unwritten::Subscribe);
                SEALMQ_SUBSCRIBE
            }
            Output::Unsubscribe(filter) => {
                shown.topic = held.text(&filter);
                self.unwritten = Some(Unwritten::Unsubscribe);
                SEALMQ_UNSUBSCRIBE
            }
            Output::Acknowledge(delivery) => {
                shown.packet = delivery.packet;
                shown.qos = delivery.qos as u8;
                SEALMQ_ACKNOWLEDGE
            }
            Output::Accepted(id) => of_publish(id, SEALMQ_ACCEPTED, &mut shown),
            Output::Refused { id, topic, error } => {
                shown.topic = held.text(&topic);
                shown.status = (&error).into();
                shown.text = held.text(&error.to_string());
                of_publish(id, SEALMQ_REFUSED, &mut shown)
            }
            Output::Done(id, Ok(_)) => of_publish(id, SEALMQ_DONE, &mut shown),
            Output::Done(id, Err(why)) => {
                shown.text = held.text(&why.to_string());
                of_publish(id, SEALMQ_GIVEN_UP, &mut shown)
            }
            Output::Flushed(id) => {
                shown.id = id.number();
                SEALMQ_FLUSHED
            }
            Output::Closed => {
                self.told_closed = true;
                SEALMQ_CLOSED
            }
            Output::Commit(_) => SEALMQ_NOTHING, // was carried out
        };
        shown
    }

    fn show_event(&mut self, event: Event) -> sealmq_output {
        let mut shown = sealmq_output::new(SEALMQ_NOTICE);
        let held = &mut self.held;
        let (notice, text) = match event {
            Event::Message(message) => {
                held.message(message);
                shown.kind = SEALMQ_MESSAGE;
                shown.message = held.shown();
                return shown;
            }
            Event::Unsealed {
                topic,
                payload,
                retained,
                properties,
            } => {
                held.clear_message(&topic, payload, retained, properties);
                shown.kind = SEALMQ_UNSEALED;
                shown.message = held.shown();
                return shown;
            }
            Event::Cleared { topic } => {
                shown.kind = SEALMQ_CLEARED;
                shown.topic = held.text(&topic);
                return shown;
            }
            Event::Rejected { topic, reason } => {
                shown.kind = SEALMQ_REJECTED;
                shown.status = SEALMQ_ERROR_REJECTED;
                shown.topic = held.text(&topic);
                shown.text = held.text(&reason.to_string());
                return shown;
            }
            Event::Subscribed { filter, qos } => {
                shown.kind = SEALMQ_SUBSCRIBED;
                shown.topic = held.text(&filter);
                shown.qos = qos as u8;
                return shown;
            }
            Event::SubscribeRefused { filter, reason } => {
                shown.kind = SEALMQ_SUBSCRIBE_REFUSED;
                shown.topic = held.text(&filter);
                shown.code = reason;
                return shown;
            }
            Event::Unsubscribed { filter } => {
                shown.kind = SEALMQ_UNSUBSCRIBED;
                shown.topic = held.text(&filter);
                return shown;
            }
            Event::Connected { .. } => (SEALMQ_NOTICE_CONNECTED, "connected".to_owned()),
            Event::Key(event) => of_keys(&event),
            Event::PublishRefused { topic, reason } => {
                shown.topic = held.text(&topic);
                (SEALMQ_NOTICE_NOT_PUBLISHED, reason)
            }
            Event::NotPublished { topic, error } => {
                shown.topic = held.text(&topic);
                (SEALMQ_NOTICE_NOT_PUBLISHED, error.to_string())
            }
            Event::NoWill { error } => (SEALMQ_NOTICE_NO_WILL, error.to_string()),
            Event::BrokerLimit(limit) => (SEALMQ_NOTICE_BROKER, limit.to_string()),
            Event::Disconnected => (SEALMQ_NOTICE_OTHER, "disconnected".to_owned()),
            Event::Overflow { lost } => (SEALMQ_NOTICE_OTHER, format!("{lost} reports lost")),
            Event::Mqtt(never) => match never {},
            _ => (SEALMQ_NOTICE_OTHER, String::new()),
        };
        (shown.notice, shown.text) = (notice, held.text(&text));
        shown
    }
}

fn of_publish(id: PublishId, kind: sealmq_kind, shown: &mut sealmq_output) -> sealmq_kind {
    shown.id = id.number();
    kind
}

fn ended() -> Failure {
    Failure::new(
        SEALMQ_ERROR_ENDED,
        "the client has ended: free it, and open another one",
    )
}
