//! The client engine with a broker that says yes to everything: what it costs above sealing and
//! opening, without a socket.

use bytes::Bytes;
use sealmq_client::{
    Client, Draft, Event, Incoming, Limits, Options, Output, Properties, Qos, Time,
};
use sealmq_core::object::Access;
use sealmq_keys::Store as _;
use sealmq_store::MemoryStore;

use crate::domain::{CountingRng, NOW};
use crate::site::{Device, Site};

/// A client that is connected, and has sent or received a first message.
pub struct Engine {
    client: Client,
    store: MemoryStore,
    rng: CountingRng,
    uptime: u64,
    packet: u16,
    sent: Option<Bytes>,
    received: Option<usize>,
}

impl Engine {
    /// One that publishes on the topic, and one that reads it.
    #[must_use]
    pub fn pair() -> (Self, Self, String) {
        let mut site = Site::new(1, 1, 4);
        let mut sender = site.enrol("sender", Access::PUBLISH);
        let mut reader = site.enrol("reader", Access::SUBSCRIBE);
        site.tick();
        site.catch_up(&mut sender);
        site.catch_up(&mut reader);
        let topic = site.topic("temperature");
        site.introduce(&topic, &mut sender, &mut reader);
        (Self::connected(sender), Self::connected(reader), topic)
    }

    fn connected(device: Device) -> Self {
        let store = device.into_store();
        let client = Client::open(&store, &Options::default()).unwrap();
        let mut engine = Self {
            client,
            store,
            rng: CountingRng::new(17),
            uptime: 0,
            packet: 1,
            sent: None,
            received: None,
        };
        engine.client.connect(engine.time(), &mut engine.rng);
        engine.work();
        let time = engine.time();
        engine
            .client
            .handle_connected(false, Limits::default(), time);
        engine.work();
        // Until what is retained has certainly come.
        for _ in 0..200 {
            engine.uptime += 50;
            let time = engine.time();
            engine.client.handle_timeout(time, &mut engine.rng);
            engine.work();
        }
        engine
    }

    const fn time(&self) -> Time {
        Time::new(self.uptime, NOW * 1000 + self.uptime)
    }

    fn work(&mut self) {
        while let Some(output) = self.client.poll_output(self.time(), &mut self.rng) {
            match output {
                Output::Commit(changes) => {
                    self.store.commit(&changes).unwrap();
                    self.client.committed();
                }
                Output::Subscribe(filters) => {
                    let (packet, time) = (self.packet, self.time());
                    self.packet += 1;
                    self.client.handle_subscribe_written(packet);
                    let answers = vec![Ok(Qos::AtLeastOnce); filters.len()];
                    self.client.handle_subscribed(packet, &answers, time);
                }
                Output::Publish(wire) => {
                    self.client.handle_publish_written(0);
                    self.sent = Some(wire.payload);
                }
                Output::Event(Event::Message(message), _) => {
                    self.received = Some(message.payload.len());
                }
                Output::Refused { error, .. } => panic!("{error}"),
                _ => {}
            }
        }
    }

    /// Publishes with QoS 0: the envelope.
    pub fn publish(&mut self, topic: &str, payload: Bytes) -> Bytes {
        let mut draft = Draft::new(topic.to_owned(), payload).unwrap();
        draft.qos = Qos::AtMostOnce;
        let time = self.time();
        self.client.publish(draft, time);
        self.work();
        self.sent.take().expect("it was published")
    }

    /// Receives an envelope: the length of the payload.
    pub fn receive(&mut self, topic: &str, payload: Bytes) -> usize {
        let message = Incoming {
            topic: topic.to_owned(),
            payload,
            retain: false,
            qos: Qos::AtMostOnce,
            packet: 0,
            properties: Properties::default(),
        };
        let time = self.time();
        self.client.handle_publish(message, time);
        self.work();
        self.received.take().expect("it was opened")
    }
}
