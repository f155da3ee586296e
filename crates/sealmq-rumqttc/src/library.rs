//! Between rumqttc's events and the client's inputs, and back.

use std::collections::{BTreeMap, VecDeque};

use sealmq_client::{Output, Qos, SealedWill, StoreFailure};
use tokio::sync::mpsc::Sender;

use crate::eventloop::Event;
use crate::host::{Handed, Host, Library, Report};
use crate::hub::lock;
use crate::log::log;
use crate::state::States;
use crate::version::{Heard, Version};

/// Messages whose signatures are verified together, at most.
const TOGETHER: usize = 64;

/// rumqttc, but for its event loop.
pub(crate) struct Rumqttc<V: Version> {
    /// Requests to the event loop; its queue is never full.
    pub(crate) requests: V::Requests,
    pub(crate) states: States<V>,
    pub(crate) mqtt_events: bool,
    pub(crate) connack: Option<V::Mqtt>,
    /// Topic aliases that the broker has given on this connection.
    pub(crate) aliases: BTreeMap<u16, String>,
    /// What a resumed session sends first, before the queue.
    pub(crate) resume: Vec<V::Request>,
    /// For the next CONNECT.
    pub(crate) will: Option<SealedWill>,
    /// What rumqttc has read and not given yet was looked at.
    pub(crate) verified_ahead: bool,
}

/// What an event of rumqttc was about.
#[derive(PartialEq, Eq)]
enum Kind {
    Message,
    Connected,
    Other,
}

impl<V: Version> Library for Rumqttc<V> {
    type Event = Event<V>;
    type Failure = V::Failure;

    fn event(event: sealmq_client::Event) -> Event<V> {
        event.with(V::qos_to, V::reason_to)
    }

    fn log(event: &Report<Self>) {
        log(event);
    }

    fn hand(&mut self, output: Output) {
        match output {
            Output::Connect(will) => self.will = will,
            Output::Resume(resume) => self.resume.push(V::resume(resume)),
            output => {
                let _lost = V::hand(&self.requests, output);
            }
        }
    }
}

impl<V: Version> Rumqttc<V> {
    /// The topic of an incoming PUBLISH with an alias: rumqttc's event has the packet's own, which is
    /// empty from the second on.
    fn resolve(&mut self, alias: u16, topic: &mut String) {
        if !topic.is_empty() {
            self.aliases.insert(alias, topic.clone());
        } else if let Some(known) = self.aliases.get(&alias) {
            topic.clone_from(known);
        }
    }
}

impl<V: Version> Host<Rumqttc<V>> {
    /// Takes what rumqttc has read at once, the first of which it gave. Messages are handed over one by
    /// one; what else is to be done about all of it is done together.
    pub(crate) async fn on_events(
        &mut self,
        first: V::Mqtt,
        eventloop: &mut V::EventLoop,
        events: &Sender<Handed<Rumqttc<V>>>,
    ) -> Result<(), StoreFailure> {
        self.abandon();
        if !self.library.verified_ahead {
            self.verify_ahead(&first, V::events(eventloop));
        }
        let mut next = Some(first);
        while let Some(event) = next {
            let kind = self.on_event(event, eventloop);
            // As `poll` would give it.
            next = match self.may_read() {
                true => V::events(eventloop).pop_front(),
                false => None,
            };
            if kind == Kind::Connected {
                // What a resumed session sends first must not come after the queue.
                self.settle().await?;
            }
            if kind != Kind::Other || next.is_none() {
                self.pump();
                V::pending(eventloop).extend(self.library.resume.drain(..));
                self.deliver_all(events);
            }
        }
        // rumqttc reads no more before it has given these.
        self.library.verified_ahead = !V::events(eventloop).is_empty();
        Ok(())
    }

    /// Of messages that came together, before one after the other is taken. Those with a topic alias
    /// only are not looked at.
    fn verify_ahead(&self, first: &V::Mqtt, others: &VecDeque<V::Mqtt>) {
        let events = || std::iter::once(first).chain(others);
        if events().filter_map(V::message).nth(1).is_some() {
            let mut hub = self.hub();
            let time = hub.time();
            let messages = events().filter_map(V::message).take(TOGETHER);
            hub.client.verify_ahead(messages, time);
        }
    }

    fn on_event(&mut self, event: V::Mqtt, eventloop: &mut V::EventLoop) -> Kind {
        let heard = V::heard(&event);
        let kind = match heard {
            Heard::Publish(_) => Kind::Message,
            Heard::Connected { .. } => Kind::Connected,
            _ => Kind::Other,
        };
        if let Heard::Connected {
            session_present,
            mut limits,
        } = heard
        {
            let states = &mut self.library.states;
            states.renew(eventloop, &event, session_present);
            limits.receive_maximum = states.limit(limits.receive_maximum);
            let mut hub = self.hub();
            let time = hub.time();
            hub.client.handle_connected(session_present, limits, time);
            drop(hub);
            self.library.connack = Some(event.clone());
            self.library.aliases.clear();
            self.pass_on(event);
        } else {
            let goodbye = matches!(heard, Heard::DisconnectWritten);
            self.on_packet(heard, event);
            if goodbye {
                // Nothing may follow.
                self.drain(eventloop);
                self.hub().client.handle_disconnect_written();
            }
        }
        let wants_fresh_state = self.hub().client.wants_fresh_state();
        if wants_fresh_state && let Some(connack) = &self.library.connack {
            self.library.states.renew(eventloop, connack, true);
            V::know_aliases(eventloop, &self.library.aliases);
            self.hub().client.handle_fresh_state();
        }
        kind
    }

    /// Of a connection that has ended. What waited for a commit belongs to it as well.
    pub(crate) async fn forget(
        &mut self,
        eventloop: &mut V::EventLoop,
    ) -> Result<(), StoreFailure> {
        self.settle().await?;
        self.hang_up = false;
        V::clean(eventloop);
        self.drain(eventloop);
        Ok(())
    }

    /// The last that rumqttc has to tell of a connection.
    fn drain(&mut self, eventloop: &mut V::EventLoop) {
        self.library.verified_ahead = false;
        for event in std::mem::take(V::events(eventloop)) {
            match V::heard(&event) {
                Heard::PublishWritten(0) => self.hub().client.handle_publish_unwritten(),
                heard => self.on_packet(heard, event),
            }
        }
        // rumqttc's own plans for the next connection; the client has better ones.
        V::pending(eventloop).clear();
        self.library.resume.clear();
    }

    fn on_packet(&mut self, heard: Heard, event: V::Mqtt) {
        let mut hub = lock(&self.hub);
        let time = hub.time();
        let client = &mut hub.client;
        match heard {
            Heard::Publish(mut message) => {
                if let Some(alias) = V::alias(&event) {
                    self.library.resolve(alias, &mut message.topic);
                }
                // Of QoS 0, and nobody takes it. Key management goes on all the same.
                let may_be_lost =
                    message.qos == Qos::AtMostOnce && !client.is_reserved(&message.topic);
                if !may_be_lost || !self.waiting.loses(client.unopened()) {
                    client.handle_publish(message, time);
                }
                return;
            }
            Heard::Acknowledged { packet, how, leaks } => {
                if leaks {
                    client.handle_slot_leaked();
                }
                client.handle_acknowledged(packet, how);
            }
            Heard::Released(packet) => client.handle_released(packet),
            Heard::Subscribed(packet, answers) => client.handle_subscribed(packet, &answers, time),
            Heard::Unsubscribed(packet) => client.handle_unsubscribed(packet),
            Heard::PublishWritten(packet) => client.handle_publish_written(packet),
            Heard::SubscribeWritten(packet) => client.handle_subscribe_written(packet),
            Heard::UnsubscribeWritten(packet) => client.handle_unsubscribe_written(packet),
            Heard::Connected { .. } | Heard::DisconnectWritten | Heard::Other => {}
        }
        drop(hub);
        self.pass_on(event);
    }

    fn pass_on(&mut self, event: V::Mqtt) {
        if self.library.mqtt_events {
            self.report(Ok(sealmq_client::Event::Mqtt(Box::new(event))));
        }
    }
}
