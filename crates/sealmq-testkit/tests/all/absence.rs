//! State of publishers that are switched off for a long time.

use std::time::Instant;

use sealmq_testkit::sim::absence;

/// Daily rotation and all other settings as they are by default; somebody is removed now and then,
/// credentials and the delegation are renewed.
#[test]
fn values_of_publishers_that_are_off_for_sixty_days_are_read_by_who_joins_then() {
    let start = Instant::now();
    let report = absence(200, 60);
    println!("{:.1?}: {:#?}", start.elapsed(), report.totals);
    for (what, times) in [
        ("values read by a reader that joined in the end", 400),
        ("values read by a reader that was off", 400),
        ("values read by a reader that was there", 400),
        ("removed", 6),
        ("delegations continued", 2),
    ] {
        assert_eq!(report.totals[what], times, "{what}");
    }
    assert!(report.totals["epoch: Scheduled"] >= 58);
    let renewed = report.authority_events["Renewed"];
    assert!(renewed >= 3 * 200, "{renewed} credentials renewed");
}
