//! What members claim of others in their confirmations: bounded, and believed as far as it goes.

use sealmq_authority::{AuthorityEvent, GrantSpec};
use sealmq_core::object::{Access, Extension, Kind, List, Signer, encode, sign_object};
use sealmq_core::wire::Suite;
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::objects::{
    Confirmation, ConfirmationEntry, DEVICE_REPORTS, DeviceReport, DeviceReports, DevicesSign,
};
use sealmq_keys::{ReservedTopic, Store as _};

use crate::common::desk::{Desk, NOW, YEAR, grants};
use crate::common::device::{Device, numbered};

fn enrol(desk: &mut Desk, n: u32, access: Access) -> (Device, MemberNumber) {
    let device = numbered(n, desk.authority.domain());
    let mut grants = grants(&["plant"]);
    grants[0].access = access;
    let number = enrol_as(desk, &device, n, &grants);
    (device, number)
}

fn enrol_as(desk: &mut Desk, device: &Device, n: u32, grants: &[GrantSpec]) -> MemberNumber {
    let request = device.request(&format!("device-{n}"), 4, NOW);
    let (enrolled, plan) = desk
        .authority
        .enrol(&request, grants, YEAR, NOW, &mut desk.rng)
        .unwrap();
    desk.commit(plan);
    enrolled.number
}

fn group(desk: &Desk, name: &str) -> GroupId {
    desk.authority.groups().find(|g| g.name == name).unwrap().id
}

fn report(desk: &Desk, member: MemberNumber) -> DeviceReport {
    DeviceReport {
        member,
        serial: 1,
        credential_serial: 1,
        sign: DevicesSign::SharedNumber,
        group: group(desk, "plant"),
        first: 5,
        second: 5,
        at: NOW,
    }
}

/// A confirmation of something that was never issued, which says this of others.
fn said(desk: &Desk, by: &(Device, MemberNumber), reports: &[DeviceReport]) -> Vec<u8> {
    let entry = ConfirmationEntry {
        group: group(desk, "plant"),
        generation: 9,
        epoch: 1,
        package_number: 1,
        proof: [0; 32],
    };
    let (mut list, mut value, mut extensions) = ([0; 256], [0; 2048], [0; 2048]);
    let mut encoded = [0; 2048];
    let reports = List::encode(reports, &mut encoded).unwrap();
    let value = encode(&DeviceReports { reports }, &mut value).unwrap();
    let extension = Extension {
        id: DEVICE_REPORTS,
        value,
    };
    let extensions = List::encode(&[extension], &mut extensions).unwrap();
    let confirmation = Confirmation {
        domain: desk.authority.domain(),
        member: by.1,
        entries: List::encode(&[entry], &mut list).unwrap(),
    };
    let signer = Signer::extended(&by.0.identity, extensions).unwrap();
    let mut out = vec![0; 8192];
    // Without the checks that an honest member makes.
    let signed = sign_object(Kind::Confirmation, &confirmation, signer, &mut out);
    signed.unwrap().0.to_vec()
}

fn say(desk: &mut Desk, by: &(Device, MemberNumber), reports: &[DeviceReport]) -> usize {
    let object = said(desk, by, reports);
    let changes = desk.handle(ReservedTopic::Confirm(by.1), &object, NOW);
    assert_eq!(desk.refusals(), 0);
    changes
}

fn reporters(desk: &Desk, member: MemberNumber) -> usize {
    let mut members = desk.authority.members();
    let said = members.find(|m| m.number == member).unwrap().two_devices;
    said.map_or(0, |said| said.reporters.len())
}

#[test]
fn what_cannot_be_known_is_not_heard() {
    let mut desk = Desk::with_groups(Suite::One);
    let reader = enrol(&mut desk, 1, Access::SUBSCRIBE);
    let blind = enrol(&mut desk, 2, Access::PUBLISH);
    let sensor = enrol(&mut desk, 3, Access::PUBLISH);
    let right = report(&desk, sensor.1);
    let office = group(&desk, "office");
    let wrong = [
        DeviceReport {
            member: MemberNumber(900),
            ..right
        },
        DeviceReport {
            member: MemberNumber(1 << 27),
            ..right
        },
        DeviceReport { serial: 2, ..right },
        DeviceReport { serial: 0, ..right },
        DeviceReport {
            credential_serial: 2,
            ..right
        },
        DeviceReport {
            credential_serial: 0,
            ..right
        },
        DeviceReport {
            group: office,
            ..right
        },
        DeviceReport {
            group: GroupId([9; 16]),
            ..right
        },
    ];
    for report in wrong {
        assert_eq!(say(&mut desk, &reader, &[report]), 0, "{report:?}");
    }
    assert_eq!(say(&mut desk, &blind, &[right]), 0, "it reads nothing");
    let of_a_reader = report(&desk, reader.1);
    assert_eq!(say(&mut desk, &sensor, &[of_a_reader]), 0);
    assert_eq!(reporters(&desk, sensor.1), 0);
    // Of itself, twice, none, more than eight, out of order, or a number that cannot be.
    let many: Vec<_> = (10..19).map(|n| report(&desk, MemberNumber(n))).collect();
    let bad: [&[DeviceReport]; 7] = [
        &[report(&desk, reader.1)],
        &[right, right],
        &[],
        &many,
        &[report(&desk, MemberNumber(900)), right],
        &[DeviceReport { second: 6, ..right }],
        &[DeviceReport {
            sign: DevicesSign::Turns,
            ..right
        }],
    ];
    for reports in bad {
        let object = said(&desk, &reader, reports);
        assert_eq!(
            desk.handle(ReservedTopic::Confirm(reader.1), &object, NOW),
            0
        );
        assert_eq!(desk.refusals(), 1, "{reports:?}");
    }
    // And what can.
    assert!(say(&mut desk, &reader, &[right]) > 0);
    assert_eq!(reporters(&desk, sensor.1), 1);
    assert_eq!(say(&mut desk, &reader, &[right]), 0, "said before");
    let told = |e: &AuthorityEvent| matches!(e, AuthorityEvent::TwoDevices { .. });
    assert!(!desk.events.iter().any(told));
}

/// One liar, and many: what is kept is bounded, and survives a start.
#[test]
fn liars_are_bounded() {
    let mut desk = Desk::with_groups(Suite::One);
    let mut liar = enrol(&mut desk, 1, Access::BOTH);
    let victims: Vec<MemberNumber> = (2..=100)
        .map(|n| enrol(&mut desk, n, Access::BOTH).1)
        .collect();
    for chunk in victims.chunks(8) {
        let reports: Vec<_> = chunk.iter().map(|v| report(&desk, *v)).collect();
        say(&mut desk, &liar, &reports);
    }
    let named = |desk: &Desk| victims.iter().filter(|v| reporters(desk, **v) > 0).count();
    assert_eq!(named(&desk), 64);
    desk.reload();
    assert_eq!(named(&desk), 64);
    let stored = |desk: &Desk| desk.store.list("authority/reported/").unwrap();
    assert_eq!(stored(&desk).len(), 64);
    // Of one member eight are remembered.
    for n in 101..=120 {
        liar = enrol(&mut desk, n, Access::BOTH);
        let claim = report(&desk, victims[0]);
        say(&mut desk, &liar, &[claim]);
    }
    assert_eq!(reporters(&desk, victims[0]), 8);
    assert!(stored(&desk).iter().all(|(_, value)| value.len() < 80));
    // With those that it is about it ends.
    let plan = desk.authority.remove_all(&victims, NOW, &mut desk.rng);
    desk.commit(plan.unwrap());
    assert_eq!(named(&desk), 0);
    let (_, other) = enrol(&mut desk, 121, Access::BOTH);
    let claim = report(&desk, other);
    say(&mut desk, &liar, &[claim]);
    assert_eq!(stored(&desk).len(), 1, "what ended is forgotten");
}
