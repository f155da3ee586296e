//! Whoever was removed opens no state that was sealed afterwards, whoever helps (ATTACKS A43).

use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::Policy;

use super::pool::{Pool, announced};
use super::{copy_opens, join_late, keep, values};
use crate::net::Net;
use crate::net::serve::{renew, settle};

#[test]
fn removed_readers_with_all_that_was_published_and_somebody_who_publishes() {
    for suite in [Suite::One, Suite::Two] {
        let mut net = Net::with_suite(suite, Policy::default());
        let alice = net.join("alice", Access::SUBSCRIBE);
        let pump = net.join("pump", Access::PUBLISH);
        let live = net.join("live", Access::PUBLISH);
        let eves = [
            net.join("eve", Access::BOTH),
            net.join("mallory", Access::SUBSCRIBE),
        ];
        settle(&mut net);
        let before = keep(&mut net, pump, "plant/s", "before");
        net.remove(eves[0]);
        let between = keep(&mut net, pump, "plant/t", "between");
        net.remove(eves[1]);
        let after = keep(&mut net, pump, "plant/u", "after");
        // Chains and lists go on.
        for _ in 0..2 {
            net.heal();
            net.rotate();
        }
        renew(&mut net);
        settle(&mut net);
        let mut lineage = net.lineage();
        net.renew_delegation(true, &mut lineage);
        settle(&mut net);
        let later = keep(&mut net, pump, "plant/v", "later");
        let bob = join_late(&mut net, "bob");
        for reader in [alice, bob] {
            assert_eq!(
                values(&mut net, reader),
                ["before", "between", "after", "later"]
            );
        }

        let all = announced(&net);
        for (eve, opens) in [(eves[0], 1), (eves[1], 2)] {
            let helpers = [&net.devices[live], &net.devices[pump]];
            let helpers = helpers.into_iter().map(|device| &device.store);
            let stores = [&net.devices[eve].store].into_iter().chain(helpers);
            let mut pool = Pool::of(stores, &all);
            pool.follow_lists(&net, &all);
            let sealed = [
                ("s", &before),
                ("t", &between),
                ("u", &after),
                ("v", &later),
            ];
            for (index, (topic, envelope)) in sealed.into_iter().enumerate() {
                let topic = format!("plant/{topic}");
                let found = pool.opens(&topic, envelope, &all);
                assert_eq!(found, index < opens, "{topic}");
                let copy = copy_opens(&net, &net.devices[eve], &topic, envelope);
                assert!(!copy || index < opens, "{topic}");
            }
        }
    }
}

/// Two that were removed one after the other, and a reader that joined in between.
#[test]
fn what_one_knew_before_another_came_is_of_no_use_afterwards() {
    let mut net = Net::new();
    let pump = net.join("pump", Access::PUBLISH);
    let eve = net.join("eve", Access::SUBSCRIBE);
    net.remove(eve);
    let mallory = net.join("mallory", Access::SUBSCRIBE);
    settle(&mut net);
    net.remove(mallory);
    let after = keep(&mut net, pump, "plant/s", "after");
    let all = announced(&net);
    let stores = [eve, mallory].map(|device| &net.devices[device].store);
    let mut pool = Pool::of(stores, &all);
    pool.follow_lists(&net, &all);
    assert_eq!(
        pool.kept().len() + 1,
        all.iter().filter(|of| of.kept_key.is_some()).count()
    );
    assert!(!pool.opens("plant/s", &after, &all));
}
