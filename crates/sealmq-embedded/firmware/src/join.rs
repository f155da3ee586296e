//! The first start: by a token, over the same connection.

use sealmq_embedded::flash::SCRATCH_LEN;
use sealmq_embedded::{Answer, Joined, Joining, Way};
use sealmq_keys::objects::TokenFields;

use crate::client::{Failure, Link, Text, clock, publish, receive, subscribe};
use crate::commands::{Sensor, Store};
use crate::say;
use crate::semihosting::{File, Random, uptime};
use crate::transport::block_on;

/// Longest delegation, and longest credential.
const OBJECT: usize = 512;
/// Room for a sealed request; the rest of the scratch is for storing it.
const REQUEST: usize = 1536;
/// The request goes out again after so many microseconds.
const PAUSE: u64 = 10_000_000;

/// What the broker keeps for who joins, in the scratch.
struct Objects<'s> {
    delegation: &'s mut [u8],
    delegation_len: usize,
    credential: &'s mut [u8],
    credential_len: usize,
}

impl Objects<'_> {
    fn delegation(&self) -> &[u8] {
        self.delegation
            .get(..self.delegation_len)
            .unwrap_or_default()
    }

    fn credential(&self) -> &[u8] {
        self.credential
            .get(..self.credential_len)
            .unwrap_or_default()
    }
}

/// Joins as `name`, by the token in a file. A step after the other: the futures of those that are
/// done are not on the stack while the device is made.
pub fn join(
    place: &mut Option<Sensor>,
    link: &mut Link<'_, '_>,
    (name, token): (&str, &str),
    store: &mut Store,
    random: &mut Random,
    scratch: &mut [u8; SCRATCH_LEN],
) -> Result<(), Failure> {
    let mut fields = [0; 384];
    let fields = read_token(token, scratch, &mut fields)?;
    let way = Way::by_token(&fields, name).map_err(|_| Failure::Arguments)?;
    let mut joining = None;
    let joining = begin(&mut joining, store, random, scratch)?;
    let topic = Text::of(joining.topic().under(fields.prefix));
    let (delegation, rest) = scratch.split_at_mut(OBJECT);
    let (credential, rest) = rest.split_at_mut(OBJECT);
    let mut objects = Objects {
        delegation,
        delegation_len: 0,
        credential,
        credential_len: 0,
    };
    block_on(|| {
        let names = (fields.prefix, topic.as_str());
        let kept = (&mut *store, rest);
        ask(&mut *joining, link, &way, names, kept, random, &mut objects)
    })?;
    let joined = Joined {
        root_key: way.root_key.as_bytes(),
        prefix: fields.prefix,
        delegation: objects.delegation(),
        credential: objects.credential(),
    };
    let accepted = joining.accept(place, joined, clock());
    let device = accepted.map_err(|_| Failure::Keys)?;
    let saved = store.save(device, scratch);
    saved.map_err(|_| Failure::Flash)?;
    say!("joined as member {}", device.number());
    block_on(|| publish(link, topic.as_str(), &[], true))
}

fn read_token<'b>(
    path: &str,
    text: &mut [u8],
    fields: &'b mut [u8],
) -> Result<TokenFields<'b>, Failure> {
    let mut file = File::open(path, false).ok_or(Failure::Arguments)?;
    let len = file.read(text);
    let text = core::str::from_utf8(text.get(..len).unwrap_or_default());
    TokenFields::parse(text.unwrap_or_default(), fields).map_err(|_| Failure::Arguments)
}

fn begin<'p>(
    place: &'p mut Option<Joining>,
    store: &mut Store,
    random: &mut Random,
    scratch: &mut [u8],
) -> Result<&'p mut Joining, Failure> {
    let loaded = store.load_joining(place, scratch);
    loaded.map_err(|_| Failure::Flash)?;
    if place.is_none() {
        *place = Some(Joining::begin(random).map_err(|_| Failure::Random)?);
    }
    place.as_mut().ok_or(Failure::Random)
}

/// Asks until a credential came.
async fn ask(
    joining: &mut Joining,
    link: &mut Link<'_, '_>,
    way: &Way<'_>,
    (prefix, topic): (&str, &str),
    (store, scratch): (&mut Store, &mut [u8]),
    random: &mut Random,
    objects: &mut Objects<'_>,
) -> Result<(), Failure> {
    let [delegation, answer] = joining
        .subscriptions()
        .map(|filter| Text::of(filter.under(prefix)));
    subscribe(link, delegation.as_str()).await?;
    subscribe(link, answer.as_str()).await?;
    let mut again = None;
    loop {
        if again.is_some_and(|at| at <= uptime()) && link.session().is_publish_quiescent() {
            let (request, rest) = scratch.split_at_mut(REQUEST);
            let len = joining
                .ask(way, objects.delegation(), clock(), random, request)
                .map_err(|_| Failure::Keys)?;
            let saved = store.save_joining(joining, rest);
            saved.map_err(|_| Failure::Flash)?;
            let request = request.get(..len).unwrap_or_default();
            publish(link, topic, request, true).await?;
            say!("asked");
            again = Some(uptime() + PAUSE);
        }
        let Some(arrived) = receive(link).await? else {
            continue;
        };
        let payload = arrived.payload();
        if payload.len() > OBJECT {
            continue;
        }
        if arrived.topic() == delegation.as_str() {
            if let Some(place) = objects.delegation.get_mut(..payload.len()) {
                place.copy_from_slice(payload);
                objects.delegation_len = payload.len();
                again = Some(0);
            }
        } else if arrived.topic() == answer.as_str() && !payload.is_empty() {
            match joining.answer(way, objects.delegation(), clock(), payload) {
                Ok(Answer::Credential) => {
                    if let Some(place) = objects.credential.get_mut(..payload.len()) {
                        place.copy_from_slice(payload);
                        objects.credential_len = payload.len();
                        return Ok(());
                    }
                }
                Ok(Answer::Refused(reason)) => {
                    say!("refused: {reason}");
                    return Err(Failure::Refused);
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
}
