//! Messages that come: opened, stored as seen, and then used. In a program that only publishes,
//! `no_commands` stands here.

use sealmq_embedded::Device;
use sealmq_embedded::flash::FlashStore;

use crate::client::{Failure, Text, clock};
use crate::cost::Count;
use crate::memory::Place;
use crate::say;
use crate::semihosting::Flash;

/// One group, two senders and topics at hand.
pub type Sensor = Device<1, 2, 2, 2, 512>;
pub type Store = FlashStore<Flash, 45>;

/// Longest envelope: a message of 1 KiB.
const ENVELOPE: usize = 1280;

static WAITING: Place<Envelope> = Place::new(Envelope::EMPTY);

/// An envelope that waits for keys.
struct Envelope {
    topic: Text,
    payload: [u8; ENVELOPE],
    /// 0: none.
    len: usize,
    retained: bool,
}

impl Envelope {
    const EMPTY: Self = Self {
        topic: Text::EMPTY,
        payload: [0; ENVELOPE],
        len: 0,
        retained: false,
    };

    /// What is too long does not wait.
    fn put(&mut self, topic: &str, retained: bool, payload: &[u8]) {
        if let Some(place) = self.payload.get_mut(..payload.len()) {
            place.copy_from_slice(payload);
            self.len = payload.len();
            self.topic = Text::of(topic);
            self.retained = retained;
        }
    }
}

pub struct Commands {
    waiting: &'static mut Envelope,
}

impl Commands {
    pub fn new() -> Self {
        Self {
            waiting: WAITING.take(),
        }
    }

    /// What to subscribe.
    pub fn topics(name: &str) -> impl Iterator<Item = Text> {
        let topics = [
            Text::of(format_args!("plant/{name}/cmd")),
            Text::of("plant/setpoint"),
        ];
        topics.into_iter()
    }

    /// Takes what the broker delivered.
    pub fn handle(
        &mut self,
        device: &mut Sensor,
        store: &mut Store,
        (topic, retained, envelope): (&str, bool, &mut [u8]),
    ) -> Result<(), Failure> {
        if open(device, store, (topic, retained, envelope))? {
            // The latest: the broker delivers no other again.
            self.waiting.put(topic, retained, envelope);
        }
        Ok(())
    }

    /// Keys have come.
    pub fn try_waiting(&mut self, device: &mut Sensor, store: &mut Store) -> Result<(), Failure> {
        let waiting = &mut *self.waiting;
        let bytes = waiting.payload.get_mut(..waiting.len).unwrap_or_default();
        let envelope = (waiting.topic.as_str(), waiting.retained, bytes);
        if waiting.len > 0 && !open(device, store, envelope)? {
            waiting.len = 0;
        }
        Ok(())
    }
}

/// Opens in place; `true` if the envelope, which is as it was then, may open later.
fn open(
    device: &mut Sensor,
    store: &mut Store,
    (topic, retained, envelope): (&str, bool, &mut [u8]),
) -> Result<bool, Failure> {
    let at = clock();
    let count = Count::begin();
    match device.open(topic, retained, at, envelope) {
        Ok(message) => {
            count.end("open");
            store.save_seen(device).map_err(|_| Failure::Flash)?;
            let text = core::str::from_utf8(message.payload()).unwrap_or("?");
            say!("opened {topic} {text}");
            Ok(false)
        }
        Err(rejection) if rejection.may_wait() => Ok(true),
        Err(rejection) => {
            say!("rejected {topic} {}", rejection.name());
            Ok(false)
        }
    }
}
