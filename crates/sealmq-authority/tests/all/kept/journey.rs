//! A retained value of a publisher that is switched off, and what happens meanwhile.

use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::Policy;

use super::{join_late, keep, renew_credential, values, values_after_restart};
use crate::net::serve::{days, generations, renew, settle};
use crate::net::{Net, START};

const VALUE: &str = "plant/pump/temp";

/// One reader that stays, one publisher that is switched off after it published.
fn plant(suite: Suite) -> (Net, usize, usize) {
    let mut net = Net::with_suite(suite, Policy::default());
    let alice = net.join("alice", Access::SUBSCRIBE);
    let pump = net.join("pump", Access::PUBLISH);
    settle(&mut net);
    keep(&mut net, pump, VALUE, "21.5");
    assert_eq!(values(&mut net, alice), ["21.5"]);
    net.disconnect(pump);
    (net, alice, pump)
}

/// 40 rotations, 3 credentials, 2 generations and a delegation with new keys.
fn much_happens(net: &mut Net, pump: usize) {
    let mut lineage = net.lineage();
    for number in [2, 3] {
        renew_credential(net, pump);
        renew(net);
        settle(net);
        for _ in 0..30 {
            days(net, 1);
            settle(net);
        }
        assert_eq!(generations(net), [number], "the pump does not move");
        if number == 2 {
            net.renew_delegation(true, &mut lineage);
            settle(net);
        }
    }
    renew_credential(net, pump);
    let now = net.now / 1000;
    assert!(now > START + 40 * 86_400, "{now}");
    let group = net.authority.groups().next().unwrap();
    assert!(group.epoch > 60, "{}", group.epoch);
}

#[test]
fn it_opens_for_those_who_were_there_and_for_those_who_came_later() {
    for suite in [Suite::One, Suite::Two] {
        let (mut net, alice, pump) = plant(suite);
        much_happens(&mut net, pump);
        assert_eq!(values_after_restart(&mut net, alice), ["21.5"]);
        let bob = join_late(&mut net, "bob");
        assert_eq!(values(&mut net, bob), ["21.5"]);
        assert_eq!(values_after_restart(&mut net, bob), ["21.5"]);
        // The device comes back, and goes on from there.
        net.connect(pump);
        settle(&mut net);
        settle(&mut net);
        keep(&mut net, pump, VALUE, "22.5");
        for reader in [alice, bob] {
            assert_eq!(values(&mut net, reader), ["22.5"]);
        }
    }
}

#[test]
fn it_opens_for_nobody_after_its_sender_was_removed() {
    for suite in [Suite::One, Suite::Two] {
        let (mut net, alice, pump) = plant(suite);
        net.remove(pump);
        assert!(values_after_restart(&mut net, alice).is_empty());
        assert_eq!(net.rejections(alice), ["Revoked"]);
        let bob = join_late(&mut net, "bob");
        assert!(values(&mut net, bob).is_empty());
        much_happens(&mut net, alice);
        assert!(values_after_restart(&mut net, alice).is_empty());
    }
}

/// The thief has had the kept keys, and could have signed credentials.
#[test]
fn it_opens_for_nobody_after_a_recovery_until_it_is_published_again() {
    for suite in [Suite::One, Suite::Two] {
        let (mut net, alice, pump) = plant(suite);
        net.recover();
        settle(&mut net);
        settle(&mut net);
        assert!(values(&mut net, alice).is_empty());
        assert!(values_after_restart(&mut net, alice).is_empty());
        let bob = join_late(&mut net, "bob");
        assert!(values(&mut net, bob).is_empty());
        // Delegations that go on from there do not bring it back.
        let mut lineage = net.lineage();
        net.renew_delegation(false, &mut lineage);
        settle(&mut net);
        assert!(values_after_restart(&mut net, alice).is_empty());

        net.connect(pump);
        settle(&mut net);
        settle(&mut net);
        net.tick_authority();
        keep(&mut net, pump, VALUE, "21.5");
        for reader in [alice, bob] {
            assert_eq!(values_after_restart(&mut net, reader), ["21.5"]);
        }
    }
}
