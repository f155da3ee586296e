use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use sealmq_client::Event;
use sealmq_rumqttc::client::AsyncClient;
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use sealmq_rumqttc::{Message, SealOptions, Version, eventloop};
use tokio::sync::mpsc;

use super::{PATIENCE, SharedStore, within};

/// A sealed client whose events are collected.
pub struct Sealed<V: Version> {
    pub client: AsyncClient<V>,
    events: mpsc::UnboundedReceiver<Result<eventloop::Event<V>, eventloop::PollError<V>>>,
    /// Events that were passed over while looking for another one.
    pub seen: Vec<eventloop::Event<V>>,
    kept: VecDeque<eventloop::Event<V>>,
}

/// Of MQTT 5.
pub type Node = Sealed<V5>;

/// Both versions, as tests set them up.
pub trait Setup: Version {
    fn options(id: &str, broker: SocketAddr) -> Self::Options;
    /// With a session that outlives the connection.
    fn persistent(id: &str, broker: SocketAddr) -> Self::Options;
    /// With the largest packet that comes in.
    fn takes(options: &mut Self::Options, bytes: u32);
    fn filter(filter: &str, level: u8) -> Self::Filter;
    fn qos(level: u8) -> Self::Qos;
}

impl Setup for V5 {
    fn options(id: &str, broker: SocketAddr) -> Self::Options {
        super::options(id, broker)
    }

    fn persistent(id: &str, broker: SocketAddr) -> Self::Options {
        super::persistent(id, broker)
    }

    fn takes(options: &mut Self::Options, bytes: u32) {
        options.set_max_packet_size(Some(bytes));
    }

    fn filter(filter: &str, level: u8) -> Self::Filter {
        Self::Filter::new(filter, super::qos(level))
    }

    fn qos(level: u8) -> Self::Qos {
        super::qos(level)
    }
}

impl Setup for V4 {
    fn options(id: &str, broker: SocketAddr) -> Self::Options {
        let mut options = rumqttc::MqttOptions::new(id, broker.ip().to_string(), broker.port());
        options.set_keep_alive(Duration::from_secs(30));
        options.set_max_packet_size(4 << 20, 4 << 20);
        options
    }

    fn persistent(id: &str, broker: SocketAddr) -> Self::Options {
        let mut options = Self::options(id, broker);
        options.set_clean_session(false);
        options
    }

    fn takes(options: &mut Self::Options, bytes: u32) {
        options.set_max_packet_size(bytes as usize, bytes as usize);
    }

    fn filter(filter: &str, level: u8) -> Self::Filter {
        Self::Filter::new(filter.to_owned(), Self::qos(level))
    }

    fn qos(level: u8) -> Self::Qos {
        match level {
            0 => rumqttc::QoS::AtMostOnce,
            1 => rumqttc::QoS::AtLeastOnce,
            _ => rumqttc::QoS::ExactlyOnce,
        }
    }
}

impl<V: Setup> Sealed<V> {
    pub fn start(mqtt: V::Options, store: SharedStore) -> Self {
        // So that a test need not wait for the first keys itself.
        let options = SealOptions::new()
            .wait_for_keys(PATIENCE)
            .reconnect_delay(Duration::from_millis(50), Duration::from_millis(200));
        Self::with_options(mqtt, store, options)
    }

    pub fn with_options(mqtt: V::Options, store: SharedStore, options: SealOptions) -> Self {
        let (client, mut eventloop) = AsyncClient::<V>::with_options(mqtt, store, options).unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let event = eventloop.poll().await;
                let end = matches!(&event, Err(e) if !e.is_temporary());
                if sender.send(event).is_err() || end {
                    break;
                }
            }
        });
        Self {
            client,
            events,
            seen: Vec::new(),
            kept: VecDeque::new(),
        }
    }

    /// A reader that subscribed the filters, with the broker's confirmation.
    pub async fn reader(mqtt: V::Options, store: SharedStore, filters: &[&str]) -> Self {
        let mut node = Self::start(mqtt, store);
        for filter in filters {
            node.subscribe(filter).await;
        }
        node
    }

    pub async fn subscribe(&mut self, filter: &str) {
        self.subscribe_at(filter, V::qos(1)).await;
    }

    pub async fn subscribe_at(&mut self, filter: &str, qos: V::Qos) {
        self.client.subscribe(filter, qos).await.unwrap();
        self.until(|event| matches!(event, Event::Subscribed { .. }).then_some(()))
            .await;
    }

    /// The next event for which `found` gives something.
    pub async fn until<T>(&mut self, found: impl Fn(&eventloop::Event<V>) -> Option<T>) -> T {
        loop {
            let event = match self.kept.pop_front() {
                Some(event) => Ok(event),
                None => within("an event", self.events.recv())
                    .await
                    .expect("running"),
            };
            match event {
                Ok(event) => match found(&event) {
                    Some(result) => return result,
                    None => self.seen.push(event),
                },
                Err(error) => assert!(error.is_temporary(), "{error}"),
            }
        }
    }

    /// How often it was connected, by the events so far. Messages are kept for later.
    pub fn connections(&mut self) -> usize {
        while let Ok(event) = self.events.try_recv() {
            match event {
                Ok(event @ Event::Message(_)) => self.kept.push_back(event),
                Ok(event) => self.seen.push(event),
                Err(_) => {}
            }
        }
        self.seen
            .iter()
            .filter(|event| matches!(event, Event::Connected { .. }))
            .count()
    }

    /// Waits until it was connected so often.
    pub async fn connected(&mut self, times: usize) {
        within("a connection", async {
            while self.connections() < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    pub async fn message(&mut self) -> Message {
        self.until(|event| match event {
            Event::Message(message) => Some(message.clone()),
            _ => None,
        })
        .await
    }

    pub async fn rejection(&mut self) -> (String, &'static str) {
        self.until(|event| match event {
            Event::Rejected { topic, reason } => Some((topic.clone(), reason.name())),
            _ => None,
        })
        .await
    }

    /// Waits until this member can use the group's `epoch`.
    pub async fn epoch(&mut self, wanted: u64) {
        self.until(|event| match event {
            Event::Key(sealmq_rumqttc::MemberEvent::Epoch { epoch, .. }) if *epoch >= wanted => {
                Some(())
            }
            _ => None,
        })
        .await;
    }

    /// As `until`, but messages on the way are kept for later.
    pub async fn until_kept(&mut self, found: impl Fn(&eventloop::Event<V>) -> bool) {
        loop {
            match within("an event", self.events.recv())
                .await
                .expect("running")
            {
                Ok(event) if found(&event) => return,
                Ok(event @ Event::Message(_)) => self.kept.push_back(event),
                Ok(event) => self.seen.push(event),
                Err(error) => assert!(error.is_temporary(), "{error}"),
            }
        }
    }

    /// No message arrives for a while.
    pub async fn silence_of_messages(&mut self) {
        let message = tokio::time::timeout(Duration::from_millis(400), self.message()).await;
        assert!(message.is_err(), "{message:?}");
    }

    pub async fn publish(&self, topic: &str, payload: &str) {
        within(
            "publish",
            self.client
                .publish(topic, V::qos(1), false, payload.to_owned()),
        )
        .await
        .unwrap();
    }

    pub async fn flush(&self) {
        within("flush", self.client.flush()).await.unwrap();
    }
}
