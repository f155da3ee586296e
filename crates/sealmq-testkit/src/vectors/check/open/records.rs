//! What a reader remembers from before, as the records that this implementation would have stored.

use alloc::collections::BTreeMap;

use sealmq_core::replay::Record;
use sealmq_core::topic::Topic;

use super::super::Input;
const FLOORS: u8 = 8;
const SENDER: u8 = 9;
const TOPIC: u8 = 10;

/// Serials of the delegation and of the credential.
type Order = (u32, u32);

/// A mark of a vector. The one of all senders has no `credential_serial`.
#[derive(Clone, Copy)]
struct Place {
    order: Order,
    connection: u64,
    will: u8,
    number: u64,
    counter: u32,
}

/// What stands for everything that was forgotten with its sender.
#[derive(Clone, Copy)]
struct Floors {
    delegation: u32,
    will: u64,
    state: Option<Place>,
}

#[derive(Default)]
struct Sender {
    floor: Option<(Order, u64)>,
    will: Option<(Order, u64)>,
    forgotten: Option<Place>,
}

pub(super) fn records(reader: &Input<'_>) -> Vec<Record<16>> {
    let group = reader.group("group");
    let serial = reader.get("authority").number("serial");
    let mut senders = BTreeMap::<u32, Sender>::new();
    let (mut all, mut topics) = (Floors::NONE, vec![]);
    for mark in reader.list("marks") {
        let place = Place::of(&mark);
        match (mark.opt("sender", Input::number::<u32>), mark.has("topic")) {
            (Some(sender), true) => {
                let topic = mark.text("topic");
                let topic = Topic::from_bytes(&topic).unwrap().hash();
                let name = [
                    &[TOPIC][..],
                    &group.0,
                    &sender.to_be_bytes(),
                    &topic.0[..16],
                ];
                topics.push([name.concat(), place.bytes()].concat());
            }
            (Some(sender), false) => senders.entry(sender).or_default().forgotten = Some(place),
            (None, _) => all = Floors::of(&place),
        }
    }
    for will in reader.list("wills") {
        let order = (will.number("serial"), will.number("credential_serial"));
        let sender = senders.entry(will.number("sender")).or_default();
        sender.will = Some((order, will.u64("session_number")));
    }
    for floor in reader.list("floors") {
        let serial = floor.opt("serial", Input::number).unwrap_or(serial);
        let order = (serial, floor.number("credential_serial"));
        let sender = senders.entry(floor.number("sender")).or_default();
        sender.floor = Some((order, floor.u64("floor")));
    }
    let floors = [vec![FLOORS], all.bytes()].concat();
    let senders = senders.iter().map(|(number, sender)| {
        let name = [&[SENDER][..], &group.0, &number.to_be_bytes()].concat();
        let mut stored = [name, sender.bytes(&all)].concat();
        // No session is remembered, and nothing of a credential before.
        stored.resize(Record::<16>::MAX_LEN - (4 + 4 + 8 + 1), 0);
        stored
    });
    let stored = core::iter::once(floors).chain(senders).chain(topics);
    stored
        .map(|stored| Record::decode(&stored).unwrap())
        .collect()
}

impl Place {
    fn of(mark: &Input<'_>) -> Self {
        let credential = mark.opt("credential_serial", Input::number).unwrap_or(0);
        Self {
            order: (mark.number("serial"), credential),
            connection: mark.u64("connection"),
            will: mark.number("will"),
            number: mark.u64("session_number"),
            counter: mark.number("counter"),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let credential = self.order.1.to_be_bytes();
        [&credential[..], &self.without_credential()].concat()
    }

    fn without_credential(&self) -> Vec<u8> {
        [
            &[1][..],
            &self.order.0.to_be_bytes(),
            &self.connection.to_be_bytes(),
            &[self.will],
            &self.number.to_be_bytes(),
            &self.counter.to_be_bytes(),
        ]
        .concat()
    }
}

impl Floors {
    const NONE: Self = Self {
        delegation: 0,
        will: 0,
        state: None,
    };

    /// This implementation keeps the numbers of wills apart: those that are not above the mark.
    fn of(place: &Place) -> Self {
        let connection = match place.connection {
            0 => place.number,
            connection => connection,
        };
        let is_below = (1, connection, 0) <= (place.will, place.number, place.counter);
        Self {
            delegation: place.order.0,
            will: connection - u64::from(!is_below),
            state: Some(Place {
                connection,
                ..*place
            }),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let state = self.state.map_or(vec![0; 26], |s| s.without_credential());
        let (delegation, will) = (self.delegation.to_be_bytes(), self.will.to_be_bytes());
        [&delegation[..], &[0; 8], &will, &state].concat()
    }
}

impl Sender {
    /// Behind the name. What stood for all when the sender got its record stands for what it does
    /// not have of its own.
    fn bytes(&self, all: &Floors) -> Vec<u8> {
        let ((serial, floor), (will, number)) = (
            self.floor.unwrap_or_default(),
            self.will.unwrap_or_default(),
        );
        let before = match self.will {
            None => *all,
            Some(_) => Floors {
                state: all.state,
                ..Floors::NONE
            },
        };
        let order = |order: Order| [order.0.to_be_bytes(), order.1.to_be_bytes()].concat();
        let forgotten = self.forgotten.map_or(vec![0; 30], |place| place.bytes());
        [
            vec![u8::from(self.floor.is_some())],
            order(serial),
            floor.to_be_bytes().to_vec(),
            vec![u8::from(self.will.is_some())],
            order(will),
            number.to_be_bytes().to_vec(),
            forgotten,
            before.bytes(),
        ]
        .concat()
    }
}
