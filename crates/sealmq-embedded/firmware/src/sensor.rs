//! The application: a reading a second, commands, one retained value.

use core::mem::MaybeUninit;

use minimq::{Buffers, ConfigBuilder, Session};
use sealmq_embedded::Sealing;
use sealmq_embedded::flash::{FlashStore, SCRATCH_LEN};

use crate::client::{Client, Failure, Link, PACKET, PACKET_OUT, Text, clock, receive, subscribe};
use crate::commands::{Commands, Sensor, Store};
use crate::join::join;
use crate::memory::{Place, Stack};
use crate::say;
use crate::semihosting::{File, Flash, Random, command_line, uptime};
use crate::transport::{Uart, block_on};

/// Microseconds between two readings.
const EVERY: u64 = 1_000_000;

// What is large has a place of its own, and is made there: nothing of it crosses the stack.
static DEVICE: Place<MaybeUninit<Option<Sensor>>> = Place::new(MaybeUninit::uninit());
static STORE: Place<MaybeUninit<Store>> = Place::new(MaybeUninit::uninit());
static SESSION: Place<MaybeUninit<Session<'static>>> = Place::new(MaybeUninit::uninit());
static SCRATCH: Place<[u8; SCRATCH_LEN]> = Place::new([0; SCRATCH_LEN]);
static RECEIVE: Place<[u8; PACKET]> = Place::new([0; PACKET]);
static TRANSMIT: Place<[u8; PACKET_OUT]> = Place::new([0; PACKET_OUT]);

/// Arguments: name, file that is the flash, file of the token.
pub fn run(stack: Stack) -> Result<(), Failure> {
    let mut line = [0; 256];
    let mut words = command_line(&mut line).split_ascii_whitespace().skip(1);
    let mut word = || words.next().ok_or(Failure::Arguments);
    let (name, flash, token) = (word()?, word()?, word()?);

    let mut random = Random::seeded().ok_or(Failure::Random)?;
    let store = open(flash)?;
    let (place, scratch) = (DEVICE.take().write(None), SCRATCH.take());
    store.load(place, scratch).map_err(|_| Failure::Flash)?;
    let session = begin(name)?;
    let link = block_on(|| session.connect(Uart));
    let mut link = link.map_err(|_| Failure::Network)?;
    say!("connected");
    if place.is_none() {
        join(place, &mut link, (name, token), store, &mut random, scratch)?;
    }
    let device = place.as_mut().ok_or(Failure::Keys)?;
    let client = Client::new(device, store, random, scratch);
    block_on(|| sense(client, link, name, stack))
}

// Functions of their own: what they make is on the stack once.

#[inline(never)]
fn open(path: &str) -> Result<&'static mut Store, Failure> {
    let flash = File::open(path, true).ok_or(Failure::Flash)?;
    let store = FlashStore::open(Flash(flash), 0..64 * 1024, None);
    Ok(STORE.take().write(store.map_err(|_| Failure::Flash)?))
}

#[inline(never)]
fn begin(name: &str) -> Result<&'static mut Session<'static>, Failure> {
    let buffers = Buffers::new(RECEIVE.take(), TRANSMIT.take());
    let config = ConfigBuilder::new(buffers).client_id(name);
    let session = Session::new(config.map_err(|_| Failure::Arguments)?);
    Ok(SESSION.take().write(session))
}

async fn sense(
    mut client: Client,
    mut link: Link<'_, '_>,
    name: &str,
    mut stack: Stack,
) -> Result<(), Failure> {
    crate::cost::bare();
    let reading = Text::of(format_args!("plant/{name}/temp"));
    let state = Text::of(format_args!("plant/{name}/state"));
    let mut own = Commands::topics(name);
    let (mut next, mut is_due, mut count) = (0, false, 0_u32);
    let (mut told, mut stated) = (false, false);
    loop {
        if uptime() >= next {
            next = uptime() + EVERY;
            is_due = true;
            let maintained = client.device.maintain(clock(), &mut client.random);
            maintained.map_err(|_| Failure::Random)?;
            client.save()?;
            if let Some(most) = stack.grown() {
                say!("stack {most}");
            }
        }
        // One packet at a time is on its way.
        if link.session().is_publish_quiescent() && !client.settle(&mut link).await? {
            if let Some(filter) = own.next() {
                subscribe(&mut link, filter.as_str()).await?;
            } else if told && !stated {
                let message = Sealing::value(state.as_str());
                stated = client.seal(&mut link, &message, b"on").await?;
            } else if is_due {
                is_due = false;
                count += 1;
                let message = Sealing {
                    announce: !told,
                    ..Sealing::event(reading.as_str())
                };
                let value = Text::of(format_args!("{name} {count}"));
                let value = if cfg!(feature = "cost") {
                    Text::of(format_args!("{:64}", value.as_str()))
                } else {
                    value
                };
                told |= client
                    .seal(&mut link, &message, value.as_str().as_bytes())
                    .await?;
            }
        }
        if let Some(publish) = receive(&mut link).await? {
            client.handle(&publish)?;
        }
    }
}
