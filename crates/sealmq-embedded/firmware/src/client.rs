//! A device over minimq: what an application takes.

use core::fmt::Write;

use minimq::{Connection, InboundPublish, Publication, QoS, SubscriptionOptions, TopicFilter};
use sealmq_embedded::flash::SCRATCH_LEN;
use sealmq_embedded::{Clock, Event, SealRefused, Sealing};
use sealmq_keys::ReservedTopic;

use crate::commands::{Commands, Sensor, Store};
use crate::cost::Count;
use crate::say;
use crate::semihosting::{Random, now, uptime};
use crate::transport::{Uart, within};

pub type Link<'a, 'b> = Connection<'a, 'b, Uart>;

/// Longest packet that comes: an announcement with a cover of about 70 entries. The broker drops
/// longer ones, because the client tells it this size.
pub const PACKET: usize = 4096;
/// Longest packet that goes.
pub const PACKET_OUT: usize = 2048;
/// Longest topic.
const TOPIC: usize = 128;

/// What ends the firmware: its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// What it was started with makes no sense.
    Arguments = 2,
    Flash = 3,
    Random = 4,
    /// The connection ended.
    Network = 5,
    /// The authority refused it.
    Refused = 6,
    Keys = 7,
}

/// A topic on the stack.
pub struct Text {
    bytes: [u8; TOPIC],
    len: usize,
}

impl Text {
    pub const EMPTY: Self = Self {
        bytes: [0; TOPIC],
        len: 0,
    };

    pub fn of(what: impl core::fmt::Display) -> Self {
        let mut text = Self::EMPTY;
        // What is too long is no topic of this device.
        let _ = write!(text, "{what}");
        text
    }

    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..self.len)
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let place = self.bytes.get_mut(self.len..).unwrap_or_default();
        let place = place.get_mut(..text.len()).ok_or(core::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// The time, by the board's clock.
pub fn clock() -> Clock {
    Clock {
        now: Some(now()),
        uptime: Some(uptime() / 1000),
    }
}

/// Waits for a PUBLISH, not for long.
pub async fn receive<'l>(
    link: &'l mut Link<'_, '_>,
) -> Result<Option<InboundPublish<'l>>, Failure> {
    match within(10, link.poll()).await {
        Some(progress) => progress.map_err(|_| Failure::Network),
        None => Ok(None),
    }
}

pub async fn subscribe(link: &mut Link<'_, '_>, filter: &str) -> Result<(), Failure> {
    let options = SubscriptionOptions::default().maximum_qos(QoS::AtLeastOnce);
    let filter = TopicFilter::new(filter).options(options);
    let sent = link.subscribe(&[filter], &[]).await;
    sent.map(drop).map_err(|_| Failure::Network)
}

pub async fn publish(
    link: &mut Link<'_, '_>,
    topic: &str,
    payload: &[u8],
    retain: bool,
) -> Result<(), Failure> {
    let publication = Publication::bytes(topic, payload).qos(QoS::AtLeastOnce);
    let publication = if retain {
        publication.retain()
    } else {
        publication
    };
    let sent = link.publish(publication).await;
    sent.map(drop).map_err(|_| Failure::Network)
}

/// The device, its flash, and what is still to do on a connection.
pub struct Client {
    pub device: &'static mut Sensor,
    pub store: &'static mut Store,
    pub random: Random,
    scratch: &'static mut [u8; SCRATCH_LEN],
    /// Subscriptions of the device that were made.
    made: usize,
    connected: bool,
    /// Where what is on its way goes, of what the device publishes.
    sent: Option<ReservedTopic>,
    commands: Commands,
}

impl Client {
    pub fn new(
        device: &'static mut Sensor,
        store: &'static mut Store,
        random: Random,
        scratch: &'static mut [u8; SCRATCH_LEN],
    ) -> Self {
        Self {
            device,
            store,
            random,
            scratch,
            made: 0,
            connected: false,
            sent: None,
            commands: Commands::new(),
        }
    }

    /// Stores what is due: nothing that rests on it goes out before.
    pub fn save(&mut self) -> Result<(), Failure> {
        let saved = self.store.save(self.device, self.scratch);
        saved.map_err(|_| Failure::Flash)
    }

    /// Does one thing of the device's that is due: a subscription or a publication. `false`: none.
    /// Only while nothing is on its way.
    pub async fn settle(&mut self, link: &mut Link<'_, '_>) -> Result<bool, Failure> {
        if let Some(topic) = self.sent.take() {
            self.device.acknowledged(&topic);
        }
        let prefix = Text::of(self.device.prefix());
        let next = self.device.subscriptions().nth(self.made);
        if let Some(filter) = next {
            self.made += 1;
            subscribe(link, Text::of(filter.under(prefix.as_str())).as_str()).await?;
            return Ok(true);
        }
        if !self.connected {
            self.connected = true;
            self.device.connected();
        }
        if let Some(filter) = self.device.poll_unsubscribe() {
            let filter = Text::of(filter.under(prefix.as_str()));
            let sent = link.unsubscribe(&[filter.as_str()], &[]).await;
            return sent.map(|_| true).map_err(|_| Failure::Network);
        }
        if let Some(filter) = self.device.poll_subscribe() {
            subscribe(link, Text::of(filter.under(prefix.as_str())).as_str()).await?;
            return Ok(true);
        }
        if let Some(sent) = self.device.poll_transmit(clock(), self.scratch) {
            self.sent = Some(sent.topic);
            let topic = Text::of(sent.topic.under(prefix.as_str()));
            let payload = self.scratch.get(..sent.len).unwrap_or_default();
            publish(link, topic.as_str(), payload, sent.retain).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Takes what arrived.
    pub fn handle(&mut self, publish: &InboundPublish<'_>) -> Result<(), Failure> {
        let (topic, payload) = (publish.topic(), publish.payload());
        // The client gives it to read only.
        let Some(copy) = self.scratch.get_mut(..payload.len()) else {
            return Ok(());
        };
        copy.copy_from_slice(payload);
        if !self.device.is_reserved(topic) {
            let message = (topic, publish.retained(), copy);
            return self.commands.handle(self.device, self.store, message);
        }
        let handled = self.device.handle(topic, copy, clock());
        self.save()?;
        match handled {
            Ok(Some(event)) => {
                say!("event {}", name(&event));
                self.commands.try_waiting(self.device, self.store)
            }
            Ok(None) => Ok(()),
            Err(error) => {
                say!("ignored {topic}: {error}");
                Ok(())
            }
        }
    }

    /// Seals a message straight into the client's transmit buffer. `false`: it may not be sent now.
    pub async fn seal(
        &mut self,
        link: &mut Link<'_, '_>,
        message: &Sealing<'_>,
        payload: &[u8],
    ) -> Result<bool, Failure> {
        match self.device.prepare(message, clock(), &mut self.random) {
            Ok(()) => {}
            Err(SealRefused::Random) => return Err(Failure::Random),
            Err(refused) => {
                say!("not sealed: {refused}");
                return Ok(false);
            }
        }
        self.save()?;
        let device = &mut *self.device;
        let seal = |out: &mut [u8]| {
            let at = clock();
            let room = device.room(message, payload.len(), at)?;
            let place = room.headroom..room.headroom + payload.len();
            let body = out.get_mut(place.clone()).ok_or(SealRefused::NotPrepared)?;
            body.copy_from_slice(payload);
            let end = place.end + room.tailroom;
            let whole = out.get_mut(..end).ok_or(SealRefused::NotPrepared)?;
            let count = Count::begin();
            let envelope = device.seal(message, at, whole, place)?;
            count.end("seal");
            let len = envelope.len();
            whole.copy_within(envelope, 0);
            Ok::<usize, SealRefused>(len)
        };
        let publication = Publication::new(message.topic, seal).qos(QoS::AtLeastOnce);
        let publication = if message.retain {
            publication.retain()
        } else {
            publication
        };
        match link.publish(publication).await {
            Ok(_) => Ok(true),
            Err(minimq::PubError::Payload(refused)) => {
                say!("not sealed: {refused}");
                Ok(false)
            }
            Err(minimq::PubError::Session(_)) => Err(Failure::Network),
        }
    }
}

/// For the console: what derives `Debug` is not formatted by this firmware.
const fn name(event: &Event) -> &'static str {
    match event {
        Event::Delegation(_) => "Delegation",
        Event::Credential(_) => "Credential",
        Event::Joined { .. } => "Joined",
        Event::Epoch { .. } => "Epoch",
        Event::Filled(_) => "Filled",
        Event::LeftOut { removed: true, .. } => "Removed",
        Event::LeftOut { removed: false, .. } => "LeftOut",
        Event::Lease(_) => "Lease",
        Event::Sender(_) => "Sender",
        Event::List(_) => "List",
        Event::Kept(_) => "Kept",
        Event::Session(_) => "Session",
        _ => "another",
    }
}
