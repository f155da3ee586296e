//! Leases: until when the newest announcement is good (spec/keys.md §8).

use crate::sim::{NOW, Sim, VALIDITY, dump};
use sealmq_core::crypto::Digest;
use sealmq_keys::*;

const READER: u32 = 17;
const LEASE: u32 = 100;

fn leased(lease: u32) -> (Sim, GroupState) {
    let mut sim = Sim::new(4);
    sim.policy.lease = lease;
    let mut member = sim.join(READER);
    assert_eq!(
        (member.good_until(), member.good_until_uptime()),
        (None, None)
    );
    for epoch in 1..=2 {
        sim.rotate();
        sim.follow(&mut member, epoch).unwrap();
    }
    (sim, member)
}

fn claim(sim: &Sim, epoch: u64, lease: u32) -> LeaseClaim {
    LeaseClaim {
        epoch,
        announcement: sim.epoch(epoch).hash,
        lease,
    }
}

/// Issued at NOW + 2, good until NOW + 2 + VALIDITY.
const ISSUED: u64 = NOW + 2;

#[test]
fn heartbeats_renew_the_newest_announcement_only() {
    let (mut sim, mut member) = leased(LEASE);
    let good_until = |member: &GroupState| {
        let view = member.current().unwrap();
        assert_eq!(Some(view.good_until), member.good_until());
        assert_eq!(view.not_after, ISSUED + VALIDITY);
        view.good_until
    };
    assert_eq!(good_until(&member), ISSUED + 100);
    let now = Some(ISSUED + 50);
    assert_eq!(
        member.renew(&claim(&sim, 2, LEASE), ISSUED + 40, now),
        Renewal::Renewed
    );
    assert_eq!(good_until(&member), ISSUED + 140);
    // Restarts keep it.
    member = GroupState::decode(&dump(&member)).unwrap();
    assert_eq!(good_until(&member), ISSUED + 140);

    // What changes nothing: known and older ones, of another announcement, of the future.
    let before = dump(&member);
    let other = LeaseClaim {
        announcement: Digest([7; 32]),
        ..claim(&sim, 2, LEASE)
    };
    let fork = |epoch| {
        Renewal::Fork(Fork {
            epoch,
            known: sim.epoch(epoch).hash,
            other: Digest([7; 32]),
        })
    };
    let ahead = LeaseClaim { epoch: 3, ..other };
    let skew = u64::from(sim.policy.skew);
    for (claim, issued_at, expected) in [
        (claim(&sim, 2, LEASE), ISSUED + 40, Renewal::Known),
        (claim(&sim, 2, LEASE), ISSUED + 39, Renewal::Known),
        (claim(&sim, 2, LEASE), 0, Renewal::Known),
        (claim(&sim, 1, LEASE), ISSUED + 50, Renewal::Older),
        (other, ISSUED + 50, fork(2)),
        (LeaseClaim { epoch: 1, ..other }, ISSUED + 50, fork(1)),
        (
            LeaseClaim { epoch: 0, ..other },
            ISSUED + 50,
            Renewal::Older,
        ),
        (ahead, ISSUED + 50, Renewal::Ahead { epoch: 3 }),
        (claim(&sim, 2, LEASE), ISSUED + 51 + skew, Renewal::Future),
        (claim(&sim, 2, LEASE), u64::MAX, Renewal::Future),
    ] {
        assert_eq!(member.renew(&claim, issued_at, now), expected);
        assert_eq!(dump(&member), before);
    }

    // A longer lease than the policy's counts as the policy's; a shorter one as it is.
    let at = ISSUED + 60;
    assert_eq!(member.renew(&claim(&sim, 2, 99), at, now), Renewal::Renewed);
    assert_eq!(good_until(&member), ISSUED + 159);
    assert_eq!(
        member.renew(&claim(&sim, 2, u32::MAX), at, now),
        Renewal::Renewed
    );
    assert_eq!(good_until(&member), ISSUED + 160);
    // Nothing outlives the announcement.
    let late = ISSUED + VALIDITY - 1;
    member.renew(&claim(&sim, 2, LEASE), late, Some(late));
    assert_eq!(good_until(&member), ISSUED + VALIDITY);

    // The next announcement stands for itself.
    sim.rotate();
    sim.follow(&mut member, 3).unwrap();
    assert_eq!(member.good_until(), Some(NOW + 3 + 100));
    let hidden = member.renew(&claim(&sim, 2, LEASE), late, Some(late));
    assert_eq!(hidden, Renewal::Older);
    assert_eq!(member.good_until(), Some(NOW + 3 + 100));
}

#[test]
fn without_leases_only_the_announcements_end_counts() {
    let (sim, mut member) = leased(0);
    assert_eq!(member.good_until(), Some(ISSUED + VALIDITY));
    let before = dump(&member);
    let now = Some(ISSUED + VALIDITY);
    assert_eq!(
        member.renew(&claim(&sim, 2, 1000), ISSUED + VALIDITY, now),
        Renewal::Known
    );
    assert_eq!(member.answered(&claim(&sim, 2, 1000), 5), Renewal::Known);
    assert_eq!(member.good_until(), Some(ISSUED + VALIDITY));
    assert_eq!(member.good_until_uptime(), None);
    assert_eq!(dump(&member), before);
}

#[test]
fn a_device_without_a_clock_counts_from_its_question() {
    let (mut sim, mut member) = leased(LEASE);
    // Neither an announcement nor a heartbeat starts a lease on the uptime.
    assert_eq!(
        member.renew(&claim(&sim, 2, LEASE), u64::MAX / 2, None),
        Renewal::Renewed
    );
    assert_eq!(member.good_until_uptime(), None);
    assert_eq!(
        member.answered(&claim(&sim, 1, LEASE), 5_000),
        Renewal::Older
    );
    assert_eq!(member.good_until_uptime(), None);
    assert_eq!(
        member.answered(&claim(&sim, 2, u32::MAX), 5_000),
        Renewal::Renewed
    );
    assert_eq!(member.good_until_uptime(), Some(105_000));
    // A shorter lease from a later question, and one from an earlier question.
    assert_eq!(member.answered(&claim(&sim, 2, 98), 7_000), Renewal::Known);
    assert_eq!(member.answered(&claim(&sim, 2, 100), 4_999), Renewal::Known);
    assert_eq!(
        member.answered(&claim(&sim, 2, 100), 5_001),
        Renewal::Renewed
    );
    assert_eq!(member.good_until_uptime(), Some(105_001));
    // A newer announcement takes nothing away: what was answered was at most as old.
    sim.rotate();
    sim.follow(&mut member, 3).unwrap();
    assert_eq!(member.good_until_uptime(), Some(105_001));
    // Uptime starts again with the device.
    let restarted = GroupState::decode(&dump(&member)).unwrap();
    assert_eq!(restarted.good_until_uptime(), None);
}
