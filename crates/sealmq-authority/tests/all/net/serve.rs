//! An authority that listens: it takes what members publish and does what is due.

use sealmq_authority::GroupInfo;
use sealmq_keys::member::Member;
use sealmq_keys::{ReservedTopic, Store};

use super::Net;
use crate::common::{MemoryStore, TestRng};

pub fn group(net: &Net) -> GroupInfo {
    net.authority.groups().next().unwrap()
}

pub fn generations(net: &Net) -> Vec<u32> {
    group(net).generations.iter().map(|g| g.number).collect()
}

/// The authority gets what members have published, then does what is due.
pub fn serve(net: &mut Net) {
    let prefix = net.authority.prefix().to_owned();
    let written: Vec<(String, Vec<u8>)> = net
        .retained
        .iter()
        .filter(|(topic, _)| {
            matches!(
                ReservedTopic::parse(&prefix, topic),
                Some(ReservedTopic::Confirm(_) | ReservedTopic::Packages(_))
            )
        })
        .map(|(topic, payload)| (topic.clone(), payload.clone()))
        .collect();
    for (topic, payload) in written {
        let now = net.now / 1000;
        let plan = net.authority.handle(&topic, &payload, now, &mut net.rng);
        net.carry_out(plan.unwrap());
    }
    net.tick_authority();
}

/// A new generation, with welcomes for those who have packages.
pub fn renew(net: &mut Net) {
    let now = net.now / 1000;
    let plan = net.authority.renew_generation("plant", now, &mut net.rng);
    net.carry_out(plan.unwrap());
    net.tick_authority();
}

pub fn days(net: &mut Net, days: u64) {
    net.now += days * 86_400_000;
    net.tick_authority();
}

/// Members tick, and the authority takes what they say.
pub fn settle(net: &mut Net) {
    for device in 0..net.devices.len() {
        if net.devices[device].online {
            net.tick(device);
        }
    }
    serve(net);
}

pub fn talk(net: &mut Net, from: usize, to: &[usize], text: &str) {
    net.send(from, "plant/a", text.as_bytes());
    for reader in to {
        assert_eq!(net.texts(*reader), [text], "reader {reader}");
    }
}

/// Of a device that nobody plays.
pub fn request_of(rng: &mut TestRng, number: u32, now: u64) -> Vec<u8> {
    let mut store = MemoryStore::default();
    let name = format!("device-{number}");
    let (changes, file) = Member::request(&store, &name, 2, Some(now * 1000), rng).unwrap();
    store.commit(&changes).unwrap();
    sealmq_keys::objects::decode_request(&file).unwrap()
}
