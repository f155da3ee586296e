//! Renewals of credentials and delegations, and what is under way meanwhile.

use sealmq_core::object::Access;
use sealmq_keys::member::OutgoingMessage;

use crate::net::{Net, YEAR};

const DAY: u64 = 86_400;

/// Seals messages that arrive later.
fn seal(net: &mut Net, device: usize, texts: &[&str]) -> Vec<Vec<u8>> {
    let seal = |text: &&str| {
        let message = OutgoingMessage::new("plant/a", text.as_bytes());
        net.seal(device, &message).unwrap()
    };
    texts.iter().map(seal).collect()
}

fn deliver(net: &mut Net, device: usize, envelopes: &[Vec<u8>]) {
    for envelope in envelopes {
        net.deliver(device, "plant/a", envelope, false);
    }
}

fn renew(net: &mut Net, device: usize, valid: u64) {
    let (number, now) = (net.number(device), net.now / 1000);
    let plan = net.authority.renew(number, valid, now).unwrap();
    net.carry_out(plan);
}

fn pair(net: &mut Net) -> (usize, usize) {
    let alice = net.join("alice", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    net.send(bob, "plant/a", b"known");
    assert_eq!(net.texts(alice), ["known"]);
    net.rejections(alice);
    (alice, bob)
}

#[test]
fn renewals_lose_nothing_that_is_under_way() {
    let mut net = Net::new();
    let (alice, bob) = pair(&mut net);
    // A credential.
    let under_way = seal(&mut net, bob, &["1", "2", "3"]);
    renew(&mut net, bob, YEAR);
    net.send(bob, "plant/a", b"after");
    deliver(&mut net, alice, &under_way[..1]);
    assert_eq!(net.texts(alice), ["after", "1"]);
    net.restart(alice);
    deliver(&mut net, alice, &under_way);
    assert_eq!(net.texts(alice), ["2", "3"]);
    assert_eq!(net.rejections(alice), ["Replay"]);
    net.connect(alice);
    net.subscribe(alice, "plant/#");
    // Twice: only the credential that was known before the newest counts.
    let first = seal(&mut net, bob, &["4"]);
    renew(&mut net, bob, YEAR);
    let second = seal(&mut net, bob, &["5"]);
    renew(&mut net, bob, YEAR);
    deliver(&mut net, alice, &first);
    deliver(&mut net, alice, &second);
    assert_eq!(net.texts(alice), ["4"]);
    assert_eq!(net.rejections(alice), ["Revoked"]);

    // The delegation, with new keys and with the same ones.
    let mut lineage = net.lineage();
    for new_keys in [true, false] {
        let under_way = seal(&mut net, bob, &["6", "7", "8"]);
        net.now += 10_000;
        net.renew_delegation(new_keys, &mut lineage);
        net.tick_authority();
        net.send(bob, "plant/a", b"under the next one");
        deliver(&mut net, alice, &under_way[..2]);
        net.restart(alice);
        deliver(&mut net, alice, &under_way);
        assert_eq!(net.texts(alice), ["under the next one", "6", "7", "8"]);
        assert_eq!(net.rejections(alice), ["Replay", "Replay"]);
        net.connect(alice);
        net.subscribe(alice, "plant/#");
    }
}

/// What was under way is given to a reader while the new delegation is all that it has heard of.
#[test]
fn what_comes_before_the_renewed_credential_waits_for_it() {
    let mut net = Net::new();
    let (alice, bob) = pair(&mut net);
    let under_way = seal(&mut net, bob, &["1", "2"]);
    let mut lineage = net.lineage();
    let request = net.request_delegation(true);
    let object = net.delegate(&request, Some(&lineage));
    let now = net.now / 1000;
    let plan = net
        .authority
        .install_delegation(&object, false, now, &mut net.rng);
    let mut publications = net.withhold(plan.unwrap());
    lineage.append(&net.delegation());
    let delegation = publications.remove(0);
    net.publish(delegation);
    net.restart(alice);
    deliver(&mut net, alice, &under_way);
    assert_eq!(net.devices[alice].member.stats().waiting, 2);
    net.connect(alice);
    publications
        .into_iter()
        .for_each(|publication| net.publish(publication));
    net.tick_authority();
    net.tick(alice);
    assert_eq!(net.texts(alice), ["1", "2"]);
}

#[test]
fn an_older_credential_ends_with_its_time_with_the_list_and_with_a_recovery() {
    // Its own time.
    let mut net = Net::new();
    let (alice, bob) = pair(&mut net);
    renew(&mut net, bob, DAY);
    net.send(bob, "plant/a", b"known");
    let under_way = seal(&mut net, bob, &["1", "2"]);
    renew(&mut net, bob, YEAR);
    net.send(bob, "plant/a", b"known");
    assert_eq!(net.texts(alice), ["known", "known"]);
    net.now += DAY * 1000;
    deliver(&mut net, alice, &under_way[..1]);
    assert_eq!(net.texts(alice), ["1"]);
    net.now += 1000;
    deliver(&mut net, alice, &under_way[1..]);
    assert_eq!(net.rejections(alice), ["Stale"]);

    // A removal.
    let under_way = seal(&mut net, bob, &["3"]);
    renew(&mut net, bob, YEAR);
    net.remove(bob);
    deliver(&mut net, alice, &under_way);
    assert_eq!(net.rejections(alice), ["Revoked"]);

    // A delegation that continues nothing, and one after a theft.
    for theft in [false, true] {
        let mut net = Net::new();
        let (alice, bob) = pair(&mut net);
        let under_way = seal(&mut net, bob, &["4"]);
        if theft {
            net.recover();
        } else {
            net.break_delegation(true);
        }
        net.tick_authority();
        net.tick(bob);
        net.tick(alice);
        net.tick_authority();
        net.send(bob, "plant/a", b"5");
        deliver(&mut net, alice, &under_way);
        assert_eq!(net.texts(alice), ["5"]);
        let rejections = net.rejections(alice);
        let waits = net.devices[alice].member.stats().waiting;
        // After a theft not even the keys are there.
        assert!(
            rejections == ["Revoked"] || (theft && waits == 1),
            "{rejections:?}"
        );
    }
}
