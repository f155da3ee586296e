//! Each check of the simulation fails if what it looks for is done on purpose.

#![allow(clippy::panic, reason = "tests")]

use std::panic::catch_unwind;

use sealmq_testkit::sim::{Crashes, Sabotage, Settings, run};

const STEPS: u64 = 500;
/// In so many seeds harm has to be noticed; most within the first, but each change of what a seed
/// plays moves that.
const SEEDS: u64 = 40;

/// Plays seeds with this spoilt, until a check says so in these words.
fn noticed(sabotage: Sabotage, words: &str) {
    for seed in 0..SEEDS {
        let settings = Settings {
            restores: sabotage == Sabotage::ShortLog,
            thief: matches!(sabotage, Sabotage::Silence | Sabotage::ForgottenSuccessor),
            crashes: if matches!(sabotage, Sabotage::SentFirst | Sabotage::LateMarks) {
                Crashes::OneIn(5)
            } else {
                Crashes::Never
            },
            sensors: sabotage == Sabotage::ForgottenNumbers,
            sabotage,
            ..Settings::hostile(seed, STEPS)
        };
        let Err(panic) = catch_unwind(|| run(&settings)) else {
            println!("seed {seed}: nobody noticed");
            continue;
        };
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref().copied());
        println!("seed {seed}: {said:?}");
        if said.is_some_and(|said| said.contains(words)) {
            return;
        }
    }
    panic!("{sabotage:?} is never noticed by the check that says \"{words}\"");
}

#[test]
fn a_member_that_never_gets_the_newest_keys() {
    noticed(Sabotage::Withholding, "is behind");
}

#[test]
fn a_removal_that_the_authority_never_hears_of() {
    noticed(Sabotage::ForgottenRemoval, ", removed at ");
}

#[test]
fn a_removed_member_with_the_store_of_another() {
    noticed(Sabotage::LeakedStore, "opens a message of");
}

#[test]
fn a_removed_member_with_the_keys_of_another() {
    noticed(
        Sabotage::LeakedKeys,
        "what removed members have stored opens a later epoch",
    );
}

#[test]
fn a_device_whose_store_is_put_back() {
    noticed(Sabotage::PutBack, " after Numbers");
}

#[test]
fn an_authority_whose_store_is_put_back() {
    noticed(Sabotage::Forking, "two announcements of epoch");
}

#[test]
fn members_that_do_not_report_forks() {
    noticed(Sabotage::Silence, "merges a fork silently");
}

#[test]
fn members_that_accept_twice() {
    noticed(Sabotage::Echo, " twice");
}

#[test]
fn members_that_forget_the_successor_of_stolen_keys() {
    noticed(Sabotage::ForgottenSuccessor, "whose keys were replaced");
}

#[test]
fn an_operator_who_says_that_a_short_log_is_whole() {
    noticed(Sabotage::ShortLog, "was removed and is a member again");
}

#[test]
fn an_authority_that_follows_a_number_far_above_its_own() {
    noticed(Sabotage::Jump, "numbers jump from");
}

#[test]
fn members_that_keep_the_keys_of_packages() {
    noticed(Sabotage::KeptPackages, "opens the welcome of");
}

#[test]
fn members_that_forget_which_wills_they_have_seen() {
    noticed(Sabotage::ForgottenWills, "accepts will ");
}

#[test]
fn members_that_forget_which_values_they_had_as_retained() {
    noticed(Sabotage::ForgottenValues, ", live: ");
}

#[test]
fn readers_that_forget_what_they_have_seen_of_state_when_they_start_anew() {
    noticed(Sabotage::ForgottenMarks, ", retained: ");
}

#[test]
fn readers_that_show_state_before_its_mark_is_durable() {
    noticed(Sabotage::LateMarks, ", retained: ");
}

#[test]
fn kept_keys_that_open_events() {
    noticed(
        Sabotage::SharedDerivation,
        "has the keys of events of before",
    );
}

#[test]
fn a_chain_of_kept_keys_that_goes_forward() {
    noticed(Sabotage::ForwardChain, "has the keys of state");
}

#[test]
fn publishers_that_do_not_seal_their_values_again() {
    noticed(Sabotage::NotSealedAgain, "has not sealed its value");
}

#[test]
fn publishers_that_begin_connections_without_a_number() {
    noticed(Sabotage::NoConnections, ", retained: ");
}

#[test]
fn a_client_that_sends_before_its_commit() {
    noticed(Sabotage::SentFirst, "a nonce twice");
}

#[test]
fn a_client_that_does_not_settle_after_a_connect() {
    noticed(
        Sabotage::Unsettled,
        "seals while announcements are on their way",
    );
}

#[test]
fn a_broker_that_loses_the_records_of_sessions() {
    noticed(Sabotage::LostRecords, "does not hear");
}

#[test]
fn a_sensor_that_does_not_store_the_numbers_of_its_sessions() {
    noticed(Sabotage::ForgottenNumbers, " after Numbers");
}
