//! An authority and its members, against each other and against thieves, in one thread.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod authority;
mod authority_delegation;
mod authority_driving;
mod authority_extremes;
mod authority_generations;
mod authority_intake;
mod authority_joining;
mod authority_joining_attacks;
mod authority_joining_floods;
mod authority_joining_repeats;
mod authority_resume;
mod authority_rng;
mod authority_schedule;
mod authority_short_log;
mod common;
mod drafts;
mod extensions;
mod following_order;
mod joining;
mod kept;
mod later_policy;
mod member_clock;
mod member_crash;
mod member_epochs;
mod member_hostile;
mod member_insiders;
mod member_join;
mod member_leases;
mod member_messages;
mod member_packages;
mod member_replay;
mod member_returns;
mod member_short;
mod member_untold;
mod member_waiting;
mod member_walk;
mod member_welcomes;
mod net;
mod office;
mod recovery;
mod refused_lists;
mod renewals;
mod restored;
mod stolen_controller;
mod subscriptions;
mod successor;
mod thief;
mod two_devices;
mod withheld_welcomes;
