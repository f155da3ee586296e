//! A device over minimq: what an application takes.

use core::fmt::Write;

use minimq::{Connection, Publication, QoS, SubscriptionOptions, TopicFilter};
use sealmq_embedded::flash::{FlashStore, SCRATCH_LEN};
use sealmq_embedded::{Clock, Device, SealRefused, Sealing};

use crate::say;
use crate::semihosting::{Flash, Random, now, uptime};
use crate::transport::{Uart, within};

/// One group, two senders and topics at hand.
pub type Sensor = Device<1, 2, 2, 2, 512>;
pub type Store = FlashStore<Flash, 45>;
pub type Link<'a, 'b> = Connection<'a, 'b, Uart>;

/// Longest packet that comes: an announcement with a cover of about 70 entries. The broker drops
/// longer ones, because the client tells it this size.
pub const PACKET: usize = 4096;
/// Longest packet that goes.
pub const PACKET_OUT: usize = 2048;
/// Longest topic.
const TOPIC: usize = 128;
/// Longest envelope that waits for keys, of 1 KiB.
pub const WAITING: usize = 1280;

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
    pub fn of(what: impl core::fmt::Display) -> Self {
        let mut text = Self {
            bytes: [0; TOPIC],
            len: 0,
        };
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

/// One PUBLISH of up to `N` bytes, copied out of the client's buffer, which gives it to read only.
pub struct Packet<const N: usize> {
    pub topic: Text,
    pub payload: [u8; N],
    pub len: usize,
    pub retained: bool,
}

impl<const N: usize> Packet<N> {
    pub const EMPTY: Self = Self {
        topic: Text {
            bytes: [0; TOPIC],
            len: 0,
        },
        payload: [0; N],
        len: 0,
        retained: false,
    };

    pub fn bytes(&self) -> &[u8] {
        self.payload.get(..self.len).unwrap_or_default()
    }

    /// `false` if it is too long.
    pub fn put(&mut self, topic: &str, retained: bool, payload: &[u8]) -> bool {
        let Some(place) = self.payload.get_mut(..payload.len()) else {
            return false;
        };
        place.copy_from_slice(payload);
        self.len = payload.len();
        self.topic = Text::of(topic);
        self.retained = retained;
        true
    }
}

/// Waits for a PUBLISH, not for long; `false` if none came.
pub async fn receive(
    link: &mut Link<'_, '_>,
    packet: &mut Packet<PACKET>,
) -> Result<bool, Failure> {
    let Some(progress) = within(10, link.poll()).await else {
        return Ok(false);
    };
    let publish = progress.map_err(|_| Failure::Network)?;
    Ok(publish
        .is_some_and(|publish| packet.put(publish.topic(), publish.retained(), publish.payload())))
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
    pub store: Store,
    pub random: Random,
    scratch: &'static mut [u8; SCRATCH_LEN],
    /// Subscriptions of the device that were made.
    made: usize,
    connected: bool,
    /// An envelope that waits for keys; empty if none does.
    waiting: &'static mut Packet<WAITING>,
}

impl Client {
    pub fn new(
        device: &'static mut Sensor,
        store: Store,
        random: Random,
        scratch: &'static mut [u8; SCRATCH_LEN],
        waiting: &'static mut Packet<WAITING>,
    ) -> Self {
        Self {
            device,
            store,
            random,
            scratch,
            made: 0,
            connected: false,
            waiting,
        }
    }

    /// Stores what is due: nothing that rests on it goes out before.
    pub fn save(&mut self) -> Result<(), Failure> {
        let saved = self.store.save(self.device, self.scratch);
        saved.map_err(|_| Failure::Flash)
    }

    /// Does one thing of the device's that is due: a subscription or a publication. `false`: none.
    pub async fn settle(&mut self, link: &mut Link<'_, '_>) -> Result<bool, Failure> {
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
        if let Some(filter) = self.device.poll_subscribe() {
            subscribe(link, Text::of(filter.under(prefix.as_str())).as_str()).await?;
            return Ok(true);
        }
        if let Some(sent) = self.device.poll_transmit(self.scratch) {
            let topic = Text::of(sent.topic.under(prefix.as_str()));
            let payload = self.scratch.get(..sent.len).unwrap_or_default();
            publish(link, topic.as_str(), payload, sent.retain).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Takes a packet; `opened` gets the payload of a message, after it was stored as seen.
    pub fn handle(
        &mut self,
        packet: &mut Packet<PACKET>,
        opened: &mut impl FnMut(&str, &[u8]),
    ) -> Result<(), Failure> {
        if !self.device.is_reserved(packet.topic.as_str()) {
            if open(self.device, &mut self.store, packet, opened)? {
                // The latest: the broker delivers no other again.
                self.waiting
                    .put(packet.topic.as_str(), packet.retained, packet.bytes());
            }
            return Ok(());
        }
        let handled = self
            .device
            .handle(packet.topic.as_str(), packet.bytes(), clock());
        self.save()?;
        match handled {
            Ok(Some(event)) => {
                say!("event {event:?}");
                if self.waiting.len > 0
                    && !open(self.device, &mut self.store, self.waiting, opened)?
                {
                    self.waiting.len = 0;
                }
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                say!("ignored {}: {error}", packet.topic.as_str());
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
            let envelope = device.seal(message, at, whole, place)?;
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

/// Opens in place; `true` if the envelope, which is as it was then, may open later.
fn open<const N: usize>(
    device: &mut Sensor,
    store: &mut Store,
    packet: &mut Packet<N>,
    opened: &mut impl FnMut(&str, &[u8]),
) -> Result<bool, Failure> {
    let topic = packet.topic.as_str();
    let bytes = packet.payload.get_mut(..packet.len).unwrap_or_default();
    match device.open(topic, packet.retained, clock(), bytes) {
        Ok(message) => {
            store.save_seen(device).map_err(|_| Failure::Flash)?;
            opened(topic, message.payload());
            Ok(false)
        }
        Err(rejection) if rejection.may_wait() => Ok(true),
        Err(rejection) => {
            say!("rejected {topic} {}", rejection.name());
            Ok(false)
        }
    }
}
