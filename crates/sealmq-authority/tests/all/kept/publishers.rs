//! A device that only publishes opens no state, neither others' nor its own.

use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::Policy;
use sealmq_keys::member::{MemberOptions, OutgoingMessage};

use super::pool::{Pool, announced};
use super::{copy_opens, keep, values, values_after_restart};
use crate::net::Net;
use crate::net::serve::settle;

fn will() -> OutgoingMessage<'static> {
    OutgoingMessage {
        will: true,
        ..OutgoingMessage::new("plant/will", b"gone")
    }
}

#[test]
fn who_publishes_only_opens_neither_its_own_state_nor_others() {
    for suite in [Suite::One, Suite::Two] {
        let mut net = Net::with_suite(suite, Policy::default());
        let options = MemberOptions {
            accept_own: true,
            ..MemberOptions::default()
        };
        let pump = net.join_with("pump", Access::PUBLISH, options);
        let other = net.join("other", Access::PUBLISH);
        let alice = net.join("alice", Access::SUBSCRIBE);
        settle(&mut net);
        let mut sealed = vec![
            ("plant/own", keep(&mut net, pump, "plant/own", "own")),
            ("plant/other", keep(&mut net, other, "plant/other", "other")),
        ];
        net.heal();
        net.rotate();
        sealed.push(("plant/own", keep(&mut net, pump, "plant/own", "own again")));
        sealed.push(("plant/will", net.seal(pump, &will().retained()).unwrap()));
        assert!(values(&mut net, pump).is_empty());
        assert!(values_after_restart(&mut net, pump).is_empty());
        assert_eq!(values(&mut net, alice), ["other", "own again"]);

        let all = announced(&net);
        let stores = [pump, other].map(|device| &net.devices[device].store);
        let mut pool = Pool::of(stores, &all);
        pool.follow_lists(&net, &all);
        assert!(pool.kept().is_empty());
        assert_eq!(pool.epochs(), 0);
        for (topic, envelope) in &sealed {
            assert!(!pool.opens(topic, envelope, &all), "{topic}");
            assert!(
                !copy_opens(&net, &net.devices[pump], topic, envelope),
                "{topic}"
            );
        }
    }
}
