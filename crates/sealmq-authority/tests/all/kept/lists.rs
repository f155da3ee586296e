//! The list by which late readers go back, in the hands of a broker and of thieves.

use sealmq_core::crypto::{Digest, IdentityKey, Secret};
use sealmq_core::object::Access;
use sealmq_keys::group::ReaderSecret;
use sealmq_keys::member::MemberEvent;
use sealmq_keys::objects::{KeptKeys, KeptKeysFields, MAX_KEPT_KEYS_LEN};
use sealmq_keys::{KeptSet, Policy};

use super::{join_late, keep, kept_topic, values, values_after_restart};
use crate::net::Net;
use crate::net::serve::settle;
use crate::thief::Thief;

/// A value, two changes of the kept keys, and the list after each.
fn plant() -> (Net, usize, Vec<Vec<u8>>) {
    let mut net = Net::new();
    let alice = net.join("alice", Access::SUBSCRIBE);
    let pump = net.join("pump", Access::PUBLISH);
    settle(&mut net);
    keep(&mut net, pump, "plant/s", "old");
    let topic = kept_topic(&net, "plant");
    let mut lists = Vec::new();
    for _ in 0..2 {
        net.heal();
        lists.push(net.retained[&topic].clone());
    }
    (net, alice, lists)
}

fn complaints(net: &mut Net, device: usize) -> usize {
    // The same complaint comes once a minute.
    net.now += 60_000;
    let events = std::mem::take(&mut net.devices[device].events);
    let bad = |event: &&MemberEvent| matches!(event, MemberEvent::BadReserved { .. });
    events.iter().filter(bad).count()
}

/// What waited for keys and opens now; it may have come twice.
fn waited(net: &mut Net, device: usize) -> Vec<String> {
    let mut texts = net.texts(device);
    texts.dedup();
    texts
}

fn deliver_list(net: &mut Net, device: usize, list: &[u8]) {
    let topic = kept_topic(net, "plant");
    net.deliver(device, &topic, list, true);
}

#[test]
fn without_it_values_wait_and_with_it_they_open() {
    let (mut net, alice, lists) = plant();
    net.retained.remove(&kept_topic(&net, "plant"));
    let bob = join_late(&mut net, "bob");
    assert!(values(&mut net, bob).is_empty());
    deliver_list(&mut net, bob, &lists[1]);
    assert_eq!(waited(&mut net, bob), ["old"]);
    // Those who were there need none, and what it brought is durable.
    for reader in [alice, bob] {
        assert_eq!(values_after_restart(&mut net, reader), ["old"]);
    }
}

#[test]
fn one_that_is_ahead_of_the_announcements_leads_back_from_what_is_there() {
    let (mut net, _, _) = plant();
    let topic = kept_topic(&net, "plant");
    net.retained.remove(&topic);
    let bob = join_late(&mut net, "bob");
    assert!(values(&mut net, bob).is_empty());
    net.disconnect(bob);
    net.heal();
    let list = net.retained.remove(&topic).unwrap();
    deliver_list(&mut net, bob, &list);
    assert_eq!(waited(&mut net, bob), ["old"]);
    // The announcement comes later, and nothing is lost by it.
    net.connect(bob);
    assert_eq!(values_after_restart(&mut net, bob), ["old"]);
}

#[test]
fn an_older_or_shorter_one_takes_nothing_away() {
    let (mut net, alice, lists) = plant();
    let bob = join_late(&mut net, "bob");
    for reader in [alice, bob] {
        deliver_list(&mut net, reader, &lists[0]);
        assert_eq!(values_after_restart(&mut net, reader), ["old"]);
    }
    // Alone it is of no use to somebody who has not got the keys that it begins with.
    net.retained
        .insert(kept_topic(&net, "plant"), lists[0].clone());
    let carol = join_late(&mut net, "carol");
    assert!(values(&mut net, carol).is_empty());
    for len in 0..lists[1].len() {
        deliver_list(&mut net, carol, &lists[1][..len]);
    }
    assert!(net.texts(carol).is_empty());
    assert!(complaints(&mut net, carol) > 0);
    deliver_list(&mut net, carol, &lists[1]);
    assert_eq!(waited(&mut net, carol), ["old"]);
}

#[test]
fn that_of_another_group_is_refused() {
    let (mut net, _, lists) = plant();
    net.add_group("yard", &["yard/#"], Policy::default());
    let yard = net.retained[&kept_topic(&net, "yard")].clone();
    net.retained.insert(kept_topic(&net, "plant"), yard);
    let bob = join_late(&mut net, "bob");
    assert!(values(&mut net, bob).is_empty());
    assert_eq!(complaints(&mut net, bob), 1);
    deliver_list(&mut net, bob, &lists[1]);
    assert_eq!(waited(&mut net, bob), ["old"]);
}

/// A list that goes on from the newest kept keys, by somebody who knows them.
fn forged(net: &Net, serial: u32, signer: u8, key: &IdentityKey) -> Vec<u8> {
    let list = net.retained[&kept_topic(net, "plant")].clone();
    let list = KeptKeys::verify(&list, &net.delegation()).unwrap();
    let fields = KeptKeysFields {
        serial,
        signer,
        ..*list.fields()
    };
    let set = |epoch, kept, byte| {
        let secret = ReaderSecret::new(Secret::new([byte; 32]));
        KeptSet {
            epoch,
            kept,
            secret: secret.kept(),
            psk: secret.psk().kept(),
        }
    };
    let sets = [
        set(fields.epoch, fields.newest, 1),
        set(1, Digest([0x66; 32]), 0x66),
    ];
    let mut out = [0; MAX_KEPT_KEYS_LEN];
    fields.sign(&sets, key, &mut out).unwrap().0.to_vec()
}

#[test]
fn one_that_a_stolen_key_signed_is_refused() {
    let (mut net, alice, _) = plant();
    let thief = Thief::with_copy_of(&net);
    let mut lineage = net.lineage();
    net.renew_delegation(true, &mut lineage);
    settle(&mut net);
    complaints(&mut net, alice);
    let before = net.devices[alice].store.clone();
    for serial in [1, 2] {
        let list = forged(&net, serial, 0, &thief.keys[0].2);
        deliver_list(&mut net, alice, &list);
        assert_eq!(complaints(&mut net, alice), 1, "serial {serial}");
    }
    // So are those that the authority itself signed under the delegation before.
    let topic = kept_topic(&net, "plant");
    let old = net.log.iter().filter(|list| list.topic == topic);
    let old: Vec<Vec<u8>> = old.map(|list| list.payload.clone()).collect();
    assert!(old.len() > 2);
    for list in &old[..old.len() - 1] {
        deliver_list(&mut net, alice, list);
        assert_eq!(complaints(&mut net, alice), 1);
    }
    assert_eq!(net.devices[alice].store.0, before.0);
    assert_eq!(values_after_restart(&mut net, alice), ["old"]);
}

/// One that is signed rightly, and whose entries are sealed under other keys, ends where it does
/// not open.
#[test]
fn one_whose_entries_do_not_open_brings_nothing() {
    let (mut net, alice, _) = plant();
    let thief = Thief::with_copy_of(&net);
    let before = net.devices[alice].store.clone();
    let list = forged(&net, 1, 0, &thief.keys[0].2);
    deliver_list(&mut net, alice, &list);
    assert_eq!(complaints(&mut net, alice), 0);
    assert_eq!(net.devices[alice].store.0, before.0);
    assert_eq!(values_after_restart(&mut net, alice), ["old"]);
}
