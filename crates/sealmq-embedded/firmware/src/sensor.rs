//! The application: a reading a second, commands, one retained value.

use minimq::{Buffers, ConfigBuilder, Session};
use sealmq_embedded::flash::{FlashStore, SCRATCH_LEN};
use sealmq_embedded::{Sealing, Way};
use sealmq_keys::objects::TokenFields;

use crate::client::{
    Client, Failure, PACKET, PACKET_OUT, Packet, Sensor, Store, Text, WAITING, clock, receive,
    subscribe,
};
use crate::join::join;
use crate::memory::{Place, Stack};
use crate::say;
use crate::semihosting::{File, Flash, Random, command_line, uptime};
use crate::transport::Uart;

/// Microseconds between two readings.
const EVERY: u64 = 1_000_000;

// What is large has a place of its own, and is made there: nothing of it crosses the stack.
static DEVICE: Place<Option<Sensor>> = Place::new();
static PACKET_IN: Place<Packet<PACKET>> = Place::new();
static WAITS: Place<Packet<WAITING>> = Place::new();
static SCRATCH: Place<[u8; SCRATCH_LEN]> = Place::new();
static RECEIVE: Place<[u8; PACKET]> = Place::new();
static TRANSMIT: Place<[u8; PACKET_OUT]> = Place::new();

/// Returns the exit code. Arguments: name, file that is the flash, file of the token.
pub async fn run(stack: Stack) -> u32 {
    match sense(stack).await {
        Ok(()) => 0,
        Err(failure) => {
            say!("ended: {failure:?}");
            failure as u32
        }
    }
}

async fn sense(mut stack: Stack) -> Result<(), Failure> {
    let mut line = [0; 256];
    let mut words = command_line(&mut line).split_ascii_whitespace().skip(1);
    let mut word = || words.next().ok_or(Failure::Arguments);
    let (name, flash, token) = (word()?, word()?, word()?);

    let mut random = Random::seeded().ok_or(Failure::Random)?;
    let flash = File::open(flash, true).ok_or(Failure::Flash)?;
    let mut store: Store =
        FlashStore::open(Flash(flash), 0..64 * 1024, None).map_err(|_| Failure::Flash)?;
    let (device, scratch) = (DEVICE.put(None), SCRATCH.put([0; SCRATCH_LEN]));
    let (packet, waiting) = (PACKET_IN.put(Packet::EMPTY), WAITS.put(Packet::EMPTY));
    store.load(device, scratch).map_err(|_| Failure::Flash)?;
    let buffers = Buffers::new(RECEIVE.put([0; PACKET]), TRANSMIT.put([0; PACKET_OUT]));
    let config = ConfigBuilder::new(buffers).client_id(name);
    let mut session = Session::new(config.map_err(|_| Failure::Arguments)?);
    let link = session.connect(Uart).await;
    let mut link = link.map_err(|_| Failure::Network)?;
    say!("connected");
    if device.is_none() {
        let mut text = [0; 512];
        let len = File::open(token, false)
            .ok_or(Failure::Arguments)?
            .read(&mut text);
        let text = core::str::from_utf8(text.get(..len).unwrap_or_default());
        let mut fields = [0; 384];
        let fields = TokenFields::parse(text.unwrap_or_default(), &mut fields);
        let fields = fields.map_err(|_| Failure::Arguments)?;
        let way = Way::by_token(&fields, name).map_err(|_| Failure::Arguments)?;
        let (store, random) = (&mut store, &mut random);
        join(
            device,
            &mut link,
            &way,
            fields.prefix,
            store,
            random,
            packet,
            scratch,
        )
        .await?;
    }
    let device = device.as_mut().ok_or(Failure::Keys)?;
    let mut client = Client::new(device, store, random, scratch, waiting);
    let reading = Text::of(format_args!("plant/{name}/temp"));
    let state = Text::of(format_args!("plant/{name}/state"));
    let mut own = [
        Text::of(format_args!("plant/{name}/cmd")),
        Text::of("plant/setpoint"),
    ]
    .into_iter();
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
                told |= client
                    .seal(&mut link, &message, value.as_str().as_bytes())
                    .await?;
            }
        }
        if receive(&mut link, packet).await? {
            client.handle(packet, &mut |topic, payload| {
                let text = core::str::from_utf8(payload).unwrap_or("?");
                say!("opened {topic} {text}");
            })?;
        }
    }
}
