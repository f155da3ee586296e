//! Keys for state open no event (ATTACKS A44): a late reader gets the state of before, and nothing
//! else.

use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::Policy;

use super::pool::{Pool, announced};
use super::{copy_opens, join_late, keep, values};
use crate::net::Net;
use crate::net::serve::settle;

#[test]
fn a_late_reader_opens_the_state_of_before_and_no_event() {
    for suite in [Suite::One, Suite::Two] {
        let mut net = Net::with_suite(suite, Policy::default());
        let alice = net.join("alice", Access::BOTH);
        let pump = net.join("pump", Access::PUBLISH);
        let eve = net.join("eve", Access::SUBSCRIBE);
        let mut events = vec![net.send(pump, "plant/e", b"first")];
        let old = keep(&mut net, pump, "plant/s", "21.5");
        net.heal();
        events.push(net.send(pump, "plant/e", b"after healing"));
        net.rotate();
        events.push(net.send(alice, "plant/e", b"after a rotation"));
        net.remove(eve);
        events.push(net.send(pump, "plant/e", b"without eve"));
        net.rotate();
        settle(&mut net);

        let bob = join_late(&mut net, "bob");
        assert_eq!(values(&mut net, bob), ["21.5"]);
        let all = announced(&net);
        // With somebody who publishes only.
        let stores = [bob, pump].map(|device| &net.devices[device].store);
        let mut pool = Pool::of(stores, &all);
        pool.follow_lists(&net, &all);
        let kept = all.iter().filter(|of| of.kept_key.is_some());
        assert_eq!(pool.kept().len(), kept.count(), "all that there were");
        assert!(pool.opens("plant/s", &old, &all), "this is how it is done");
        for event in &events {
            assert!(!pool.opens("plant/e", event, &all));
            assert!(!copy_opens(&net, &net.devices[bob], "plant/e", event));
        }

        // What she had herself opens what was there before.
        let mut eves = Pool::of([&net.devices[eve].store], &all);
        eves.follow_lists(&net, &all);
        assert!(
            eves.opens("plant/e", &events[0], &all),
            "this is how it is done"
        );
        assert!(!eves.opens("plant/e", &events[3], &all));
    }
}
