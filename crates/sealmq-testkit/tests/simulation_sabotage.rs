//! Each check of the simulation fails if what it looks for is done on purpose.

use sealmq_testkit::sim::{Crashes, Sabotage, Settings, run};

const STEPS: u64 = 500;

/// Plays a seed with this spoilt. A check that does not notice lets it pass, and the test fails.
fn spoil(seed: u64, sabotage: Sabotage) {
    let settings = Settings {
        restores: false,
        crashes: Crashes::Never,
        sabotage,
        ..Settings::hostile(seed, STEPS)
    };
    let report = run(&settings);
    println!("nobody noticed: {report:?}");
}

#[test]
#[should_panic(expected = "is behind")]
fn a_member_that_never_gets_the_newest_keys() {
    spoil(0, Sabotage::Withholding);
}

#[test]
#[should_panic(expected = ", removed at ")]
fn a_removal_that_the_authority_never_hears_of() {
    spoil(0, Sabotage::ForgottenRemoval);
}

#[test]
#[should_panic(expected = "opens a message of")]
fn a_removed_member_with_the_store_of_another() {
    spoil(0, Sabotage::LeakedStore);
}

#[test]
#[should_panic(expected = "what removed members have stored opens a later epoch")]
fn a_removed_member_with_the_keys_of_another() {
    spoil(0, Sabotage::LeakedKeys);
}

#[test]
#[should_panic(expected = " after Numbers")]
fn a_device_whose_store_is_put_back() {
    spoil(0, Sabotage::PutBack);
}

#[test]
#[should_panic(expected = "two announcements of epoch")]
fn an_authority_whose_store_is_put_back() {
    spoil(0, Sabotage::Forking);
}

#[test]
#[should_panic(expected = "merges a fork silently")]
fn members_that_do_not_report_forks() {
    spoil(3, Sabotage::Silence);
}

#[test]
#[should_panic(expected = " twice")]
fn members_that_accept_twice() {
    spoil(0, Sabotage::Echo);
}
