//! Removals do not end because many were removed before (spec/keys.md §7).

use sealmq_authority::Authority;
use sealmq_core::MemberNumber;
use sealmq_core::object::Access;
use sealmq_keys::member::MemberEvent;
use sealmq_keys::objects::MAX_REFUSED_RUN;
use sealmq_keys::{Publication, ReservedTopic};

use super::net::{Net, START, YEAR};

const MANY: u32 = 8_300;

/// That many members come and go: as records, because making them all takes long.
fn remove_many(net: &mut Net, count: u32) {
    let group = net.group("plant").0;
    let domain = net.authority_store.0.get_mut("authority/domain").unwrap();
    // The last fields: the next number to give out, and whether the delegation is an old one.
    let is_old = domain.pop().unwrap();
    let next = u32::from(domain.pop().unwrap());
    assert!(next < 128 && is_old == 0);
    domain.extend(postcard::to_allocvec(&(next + count, false)).unwrap());
    for number in next..next + count {
        let mut key = [9; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        let name = format!("gone-{number}");
        let times = (START, START + YEAR, START + YEAR, YEAR);
        let places: [u8; 0] = [];
        let grants = vec![(group, 3_u8, "", places.to_vec(), 0_u32, 0_u32, 0_u32)];
        let who = (number, &name, key, [7_u8; 32], 1_u32);
        let record = (who, times, grants, places.to_vec(), 0_u32, Some(START));
        let mut value = vec![6];
        value.extend(postcard::to_allocvec(&record).unwrap());
        let key = format!("authority/member/{number}");
        net.authority_store.0.insert(key, value);
    }
    net.authority = Authority::load(&net.authority_store).unwrap();
    net.rotate();
}

fn is_chunk(net: &Net, publication: &Publication) -> bool {
    let topic = ReservedTopic::parse(net.authority.prefix(), &publication.topic);
    matches!(topic, Some(ReservedTopic::RefusedChunk(..)))
}

fn settle(net: &mut Net, device: usize) {
    for _ in 0..4 {
        net.now += 500;
        net.tick(device);
    }
}

#[test]
fn members_are_removed_after_thousands_of_others() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let early = net.join("early", Access::BOTH);
    remove_many(&mut net, MANY);
    let late = net.join("late", Access::BOTH);
    let thief = net.join("thief", Access::BOTH);
    for (device, text) in [(early, "1"), (late, "2"), (thief, "3")] {
        net.send(device, "plant/a", text.as_bytes());
        settle(&mut net, alice);
        assert_eq!(net.texts(alice), [text]);
    }
    // What it fetches is what its senders need.
    let fetched = net.devices[alice].asked.iter();
    let fetched = fetched.filter(|topic| topic.contains("/r/")).count();
    assert!((1..=3).contains(&fetched), "{fetched}");

    // The thief seals what nobody may accept once it was removed.
    let sealed = net.send(thief, "plant/a", b"4");
    assert_eq!(net.texts(alice), ["4"]);
    let number = net.number(thief);
    let now = net.now / 1000;
    let plan = net.authority.remove(number, now, &mut net.rng).unwrap();
    assert!(plan.publications.iter().all(|p| p.payload.len() <= 65536));
    let chunks = plan.publications.iter().filter(|p| is_chunk(&net, p));
    assert_eq!(chunks.count(), 1, "one of them changes");
    net.carry_out(plan);
    settle(&mut net, alice);
    net.deliver(alice, "plant/a", &sealed, false);
    assert_eq!(net.rejections(alice), ["Revoked"], "whatever it was before");
    settle(&mut net, thief);
    let removed = |event: &MemberEvent| matches!(event, MemberEvent::Removed { .. });
    assert!(net.devices[thief].events.iter().any(removed));

    // Kept with the list: a reader that starts again waits for nothing.
    net.send(late, "plant/a", b"5");
    settle(&mut net, alice);
    assert_eq!(net.texts(alice), ["5"]);
    net.restart(alice);
    net.send(late, "plant/a", b"6");
    net.send(early, "plant/a", b"7");
    let held = net.retained.clone();
    net.retained.retain(|topic, _| !topic.contains("/r/"));
    let (sixth, seventh) = {
        let sent: Vec<&Publication> = net.log.iter().rev().take(2).collect();
        (sent[1].payload.clone(), sent[0].payload.clone())
    };
    net.deliver(alice, "plant/a", &sixth, false);
    net.deliver(alice, "plant/a", &seventh, false);
    assert_eq!(net.texts(alice), ["6", "7"]);
    net.retained = held;
}

/// While a chunk is missing nothing of its members is accepted, and all the rest is.
#[test]
fn a_chunk_that_is_missing_or_false_makes_messages_wait() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let early = net.join("early", Access::BOTH);
    remove_many(&mut net, MAX_REFUSED_RUN as u32 + 10);
    let late = net.join("late", Access::BOTH);
    let first = ReservedTopic::RefusedChunk(net.group("plant"), MemberNumber(1));
    let first = net.topic(first);
    let chunk = net.retained.remove(&first).unwrap();
    let others = net.retained.keys().filter(|topic| topic.contains("/r/"));
    assert_eq!(others.count(), 1);
    net.send(early, "plant/a", b"waits");
    net.send(late, "plant/a", b"goes");
    settle(&mut net, alice);
    assert_eq!(net.texts(alice), ["goes"]);
    let mut altered = chunk.clone();
    altered.truncate(8);
    for bad in [&altered[..], &[], &chunk[8..]] {
        net.deliver(alice, &first, bad, true);
        assert!(net.texts(alice).is_empty());
    }
    net.deliver(alice, &first, &chunk, true);
    assert_eq!(net.texts(alice), ["waits"]);
    let subscribed = net.devices[alice].subscriptions.iter();
    assert_eq!(subscribed.filter(|t| t.contains("/r/")).count(), 0);
}

/// A list that became short again has its records in it, and its chunks are cleared.
#[test]
fn records_end_with_their_credentials() {
    let mut net = Net::new();
    net.join("alice", Access::BOTH);
    remove_many(&mut net, MAX_REFUSED_RUN as u32 + 10);
    let chunks = |net: &Net| {
        let topics = net.retained.keys();
        topics.filter(|topic| topic.contains("/r/")).count()
    };
    assert_eq!(chunks(&net), 2);
    net.now += (YEAR / 2) * 1000;
    net.rotate();
    assert_eq!(chunks(&net), 2);
    let group = net.authority.groups().next().unwrap();
    assert_eq!(group.refused, MAX_REFUSED_RUN + 10);
    let mut lineage = net.lineage();
    net.renew_delegation(false, &mut lineage);
    net.now += (YEAR / 2 + 8 * 86400) * 1000;
    net.rotate();
    assert_eq!(chunks(&net), 0);
    assert_eq!(net.authority.groups().next().unwrap().refused, 0);
}
