//! Kind `object`: confirmations and join refusals (spec/keys.md §4, §12).

use sealmq_core::crypto::IdentityKey;
use sealmq_core::object::Extension;
use sealmq_keys::objects::{DEVICE_REPORTS, DeviceReport, DevicesSign};
use sealmq_keys::{Confirmation, ConfirmationEntry};

use super::objects::{Plan, under_authority};
use crate::vectors::fields::RefusalBody;
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

const LEAF: u32 = 17;

/// A group in epoch 3, in which sensor-7 gets a welcome.
fn group() -> Group {
    let mut group = Group::new("confirmed", 4);
    group.rotate_times(3);
    group
}

fn welcome(group: &Group) -> Digest {
    hash(&group.welcome(7, "sensor-7", LEAF, &key_package("sensor-7", 1)))
}

/// What sensor-7 confirms: the welcome for epoch 4, with the proof.
fn entry() -> ConfirmationEntry {
    let group = group();
    ConfirmationEntry {
        group: plant(),
        generation: 1,
        epoch: 4,
        package_number: 1,
        proof: group.node_key(LEAF, 4).confirm(&welcome(&group)),
    }
}

/// Two groups, ascending.
pub(crate) fn group_entries() -> Vec<ConfirmationEntry> {
    let other = ConfirmationEntry {
        group: office(),
        generation: 2,
        epoch: 30,
        package_number: 2,
        proof: digest("another proof").0,
    };
    let mut entries = vec![entry(), other];
    entries.sort_by_key(|entry| entry.group);
    entries
}

pub(crate) fn confirmation(
    entries: &[ConfirmationEntry],
    change: impl FnOnce(&mut Confirmation<'_>),
) -> Vec<u8> {
    confirmation_by(&identity("sensor-7"), entries, change)
}

fn confirmation_by(
    signer: &IdentityKey,
    entries: &[ConfirmationEntry],
    change: impl FnOnce(&mut Confirmation<'_>),
) -> Vec<u8> {
    let entries = elements(entries);
    let mut fields = Confirmation {
        domain: domain(),
        member: MemberNumber(7),
        entries: List::from_encoded(&entries).unwrap(),
    };
    change(&mut fields);
    sign(Kind::Confirmation, &fields_body(&fields), signer)
}

/// What the authority knows: the leaf's key, and the welcome that it issued last.
pub(crate) fn confirmation_context() -> Json {
    let group = group();
    let proves = object! {
        group: plant().0,
        leaf_key: *group.node_key(LEAF, 4).expose(),
        welcome: welcome(&group),
    };
    object! { domain: domain().0, member: 7_u8, identity: public("sensor-7"), proves: proves }
}

pub(crate) fn join_refusal(change: impl FnOnce(&mut RefusalBody)) -> Vec<u8> {
    join_refusal_by(&issuer(1), change)
}

fn join_refusal_by(signer: &IdentityKey, change: impl FnOnce(&mut RefusalBody)) -> Vec<u8> {
    let mut fields = (domain(), 1, ISSUER, digest("request of sensor-7"), 1);
    change(&mut fields);
    sign(Kind::JoinRefusal, &fields_body(&fields), signer)
}

pub(crate) fn vectors(file: &mut VectorFile) {
    confirmations(file);
    reports(file);
    proofs(file);
    refusals(file);
}

fn confirmations(file: &mut VectorFile) {
    let own = identity("sensor-7");
    let with =
        |change: fn(&mut ConfirmationEntry)| confirmation(&[altered(&entry(), change)], |_| {});
    let of = |change: fn(&mut Confirmation<'_>)| confirmation(&[entry()], change);
    let numbered = |count: u8| {
        let group = |n: u8| if n == 0 { plant() } else { GroupId([n; 16]) };
        let entries = (0..count).map(|n| ConfirmationEntry {
            group: group(n),
            ..entry()
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|entry| entry.group);
        confirmation(&entries, |_| {})
    };
    let descending: Vec<_> = group_entries().into_iter().rev().collect();
    let large = [body_of(&of(|_| {}), Kind::Confirmation), &[0; 8192]].concat();
    let no_proofs = object! { domain: domain().0, member: 7_u8, identity: public("sensor-7") };
    table! { Plan::of("confirmation", confirmation_context()) => file:
        "one-group": "One group.", with(|_| {}) => valid ["A3"];
        "64-groups": "The most groups.", numbered(64) => valid ["A3"];
    }
    table! { Plan::of("confirmation", no_proofs) => file:
        "no-group": "It confirms nothing.", confirmation(&[], |_| {}) => "field" ["A3"];
    }
    table! { Plan::of("confirmation", confirmation_context()), [.attacks(&["A3"])] => file:
        "65-groups": "More groups than a member can be in.", numbered(65) => "field";
        "group-twice": "A group twice.", confirmation(&[entry(), entry()], |_| {}) => "field";
        "descending": "Groups descend.", confirmation(&descending, |_| {}) => "field";
        "epoch-0": "Epochs begin with 1.", with(|e| e.epoch = 0) => "field";
        "package-0": "Packages begin with 1.", with(|e| e.package_number = 0) => "field";
        "other-member": "It names another member than the topic.", of(|f| f.member = MemberNumber(8)) => "field";
        "domain": "Of another domain.", of(|f| f.domain = DomainId([1; 16])) => "domain";
        "insider": "Another member confirms for this one.",
            confirmation_by(&identity("insider-8"), &[entry()], |_| {}) => "signature";
        "size": "Above 8192 bytes.", sign(Kind::Confirmation, &large, &own) => "size";
    }
}

/// What is said of member 9, that two devices use its identity.
fn report(change: impl FnOnce(&mut DeviceReport)) -> DeviceReport {
    let mut report = DeviceReport {
        member: MemberNumber(9),
        serial: 1,
        credential_serial: 3,
        sign: DevicesSign::Turns,
        group: plant(),
        first: NOW,
        second: NOW + 60,
        at: NOW + 120,
    };
    change(&mut report);
    report
}

fn extended(id: u16, value: &[u8]) -> Vec<u8> {
    let right = confirmation(&[entry()], |_| {});
    let body_of = body_of(&right, Kind::Confirmation);
    let list = elements(&[Extension { id, value }]);
    let body = [&body_of[..body_of.len() - 1], &blob(&list)].concat();
    sign(Kind::Confirmation, &body, &identity("sensor-7"))
}

fn reporting(reports: &[DeviceReport]) -> Vec<u8> {
    extended(DEVICE_REPORTS, &blob(&elements(reports)))
}

fn reports(file: &mut VectorFile) {
    let one = |change: fn(&mut DeviceReport)| reporting(&[report(change)]);
    let shared = |second| {
        reporting(&[report(|r| {
            (r.sign, r.second) = (DevicesSign::SharedNumber, second);
        })])
    };
    let of = |numbers: &[u32]| {
        let number = |n: &u32| report(|r| r.member = MemberNumber(*n));
        reporting(&numbers.iter().map(number).collect::<Vec<_>>())
    };
    let last = (1 << 35) - 1;
    table! { Plan::of("confirmation", confirmation_context()), [.attacks(&["F25"])] => file:
        "report": "Two devices use the identity of another member.", one(|_| {}) => valid;
        "report-shared": "Its sessions have one number.", shared(NOW) => valid;
        "reports-8": "Of as many as it may name.", of(&[1, 2, 3, 4, 5, 6, 8, 9]) => valid;
        "report-extremes": "The lowest and the highest numbers, without a clock.",
            one(|r| (r.serial, r.credential_serial, r.first, r.second, r.at) = (0, 0, 1, (1 << 35) - 1, 0)) => valid;
        "reports-none": "An empty list.", reporting(&[]) => "field";
        "reports-9": "Of more than it may name.", of(&[1, 2, 3, 4, 5, 6, 8, 9, 10]) => "field";
        "report-itself": "Of itself.", one(|r| r.member = MemberNumber(7)) => "field";
        "report-twice": "Twice of one.", of(&[9, 9]) => "field";
        "reports-descending": "Members descend.", of(&[9, 8]) => "field";
        "report-member-0": "Members begin with 1.", one(|r| r.member = MemberNumber(0)) => "field";
        "report-member-high": "A member number of 2^28.", one(|r| r.member = MemberNumber(1 << 28)) => "field";
        "report-session-0": "Sessions begin with 1.", one(|r| r.first = 0) => "field";
        "report-session-high": "A session number of 2^35.", one(|r| r.second = 1 << 35) => "field";
        "report-turns-equal": "Turns of one number.", one(|r| r.second = NOW) => "field";
        "report-turns-descending": "The higher session first.", one(|r| r.second = NOW - 1) => "field";
        "report-shared-not": "A shared number, and two.", shared(last) => "field";
        "report-sign": "There is no such sign.",
            extended(DEVICE_REPORTS, &blob(&changed_sign())) => "encoding";
        "report-trailing": "A byte behind the list.",
            extended(DEVICE_REPORTS, &trailing(&blob(&elements(&[report(|_| {})])))) => "encoding";
        "report-elsewhere": "As another extension it is none.", extended(3, b"anything") => valid;
    }
}

/// A report whose sign is of a later version.
fn changed_sign() -> Vec<u8> {
    // Member, serial and credential serial have one byte each.
    altered(&elements(&[report(|_| {})]), |bytes| bytes[3] = 2)
}

/// Only who opened the welcome has the leaf's key, and the proof is for that welcome.
fn proofs(file: &mut VectorFile) {
    let group = group();
    let welcome = welcome(&group);
    let proven = |proof: [u8; 32]| confirmation(&[ConfirmationEntry { proof, ..entry() }], |_| {});
    let (leaf, node) = (group.node_key(LEAF, 4), |node| group.node_key(node, 4));
    table! { Plan::of("confirmation", confirmation_context()), [.attacks(&["A3", "A31"])] => file:
        "proof-other-leaf": "Proved with another leaf's key.", proven(node(18).confirm(&welcome)) => "proof";
        "proof-other-welcome": "The proof is for an older welcome.",
            proven(leaf.confirm(&digest("an older welcome"))) => "proof";
        "proof-other-epoch": "Proved with the key of the epoch after.",
            proven(leaf.ratchet().confirm(&welcome)) => "proof";
        "proof-inner-node": "Proved with the key of the leaf's parent.",
            proven(node(LEAF / 2).confirm(&welcome)) => "proof";
        "proof-zeros": "No proof.", proven([0; 32]) => "proof";
    }
    let elsewhere = ConfirmationEntry {
        group: office(),
        ..entry()
    };
    table! { Plan::of("confirmation", confirmation_context()) => file:
        "proof-other-group": "Another group only.", confirmation(&[elsewhere], |_| {}) => "proof";
    }
}

fn refusals(file: &mut VectorFile) {
    let context = || under_authority().with("request", digest("request of sensor-7"));
    let plan = Plan::of("join_refusal", context());
    for reason in 2..=6 {
        let object = join_refusal(|f| f.4 = reason);
        plan(&format!("reason-{reason}"), "A final reason.", object).valid(file);
    }
    table! { Plan::of("join_refusal", context()), [.attacks(&["C4"])] => file:
        "reason-0": "Reasons begin with 1.", join_refusal(|f| f.4 = 0) => "field";
        "reason-7": "There is no reason 7.", join_refusal(|f| f.4 = 7) => "field";
        "domain": "Of another domain.", join_refusal(|f| f.0 = DomainId([1; 16])) => "domain";
        "other-request": "It answers another request.",
            join_refusal(|f| f.3 = digest("request of insider-8")) => "recipient";
        "controller": "Signed by a key without the role `issue`.",
            join_refusal_by(&controller(1), |f| f.2 = CONTROLLER) => "role";
        "other-serial": "Names another delegation.", join_refusal(|f| f.1 = 2) => "role";
        "other-device": "Signed by a device.", join_refusal_by(&identity("insider-8"), |_| {}) => "signature";
    }
}
