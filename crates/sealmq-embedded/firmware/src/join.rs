//! The first start: by a token, over the same connection.

use sealmq_embedded::flash::SCRATCH_LEN;
use sealmq_embedded::{Answer, Joined, Joining, Way};

use crate::client::{
    Failure, Link, PACKET, Packet, Sensor, Store, Text, clock, publish, receive, subscribe,
};
use crate::say;
use crate::semihosting::{Random, uptime};

/// Longest delegation.
const DELEGATION: usize = 512;
/// The request goes out again after so many microseconds.
const PAUSE: u64 = 10_000_000;

pub async fn join(
    place: &mut Option<Sensor>,
    link: &mut Link<'_, '_>,
    way: &Way<'_>,
    prefix: &str,
    store: &mut Store,
    random: &mut Random,
    packet: &mut Packet<PACKET>,
    scratch: &mut [u8; SCRATCH_LEN],
) -> Result<(), Failure> {
    let known = store.load_joining(scratch).map_err(|_| Failure::Flash)?;
    let mut joining = match known {
        Some(joining) => joining,
        None => Joining::begin(random).map_err(|_| Failure::Random)?,
    };
    let topic = Text::of(joining.topic().under(prefix));
    let [delegation, answer] = joining
        .subscriptions()
        .map(|filter| Text::of(filter.under(prefix)));
    subscribe(link, delegation.as_str()).await?;
    subscribe(link, answer.as_str()).await?;
    let mut pinned = ([0; DELEGATION], 0);
    let mut again = None;
    loop {
        if again.is_some_and(|at| at <= uptime()) && link.session().is_publish_quiescent() {
            let delegation = pinned.0.get(..pinned.1).unwrap_or_default();
            let len = joining
                .ask(way, delegation, clock(), random, &mut packet.payload)
                .map_err(|_| Failure::Keys)?;
            let saved = store.save_joining(&joining, scratch);
            saved.map_err(|_| Failure::Flash)?;
            let request = packet.payload.get(..len).unwrap_or_default();
            publish(link, topic.as_str(), request, true).await?;
            say!("asked");
            again = Some(uptime() + PAUSE);
        }
        if !receive(link, packet).await? || packet.len == 0 {
            continue;
        }
        if packet.topic.as_str() == delegation.as_str() {
            if let Some(place) = pinned.0.get_mut(..packet.len) {
                place.copy_from_slice(packet.bytes());
                pinned.1 = packet.len;
                again = Some(0);
            }
        } else if packet.topic.as_str() == answer.as_str() {
            let delegation = pinned.0.get(..pinned.1).unwrap_or_default();
            match joining.answer(way, delegation, clock(), packet.bytes()) {
                Ok(Answer::Credential) => {
                    let joined = Joined {
                        root_key: way.root_key.as_bytes(),
                        prefix,
                        delegation,
                        credential: packet.bytes(),
                    };
                    let device = joining
                        .accept(place, joined, clock())
                        .map_err(|_| Failure::Keys)?;
                    let saved = store.save(device, scratch);
                    saved.map_err(|_| Failure::Flash)?;
                    publish(link, topic.as_str(), &[], true).await?;
                    say!("joined as member {}", device.number());
                    return Ok(());
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
