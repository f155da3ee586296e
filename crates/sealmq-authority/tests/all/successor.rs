//! A new delegation at a member: what of the old one still counts, and for how long (threat model A15).

use crate::net::{Net, START, YEAR};
use crate::thief::{Thief, announced};
use sealmq_authority::RootKey;
use sealmq_core::object::Access;
use sealmq_keys::Publication;
use sealmq_keys::member::{MemberEvent, OutgoingMessage, SealError};
use sealmq_keys::objects::{Announcement, Policy, Roles};

/// The next delegation, until `not_after`; the publications are given back.
fn delegate(net: &mut Net, new_keys: bool, not_after: u64) -> Vec<Publication> {
    let now = net.now / 1000;
    let (request, plan) = net
        .authority
        .request_delegation(new_keys, false, now, &mut net.rng)
        .unwrap();
    net.carry_out(plan);
    let root = RootKey::from_seed(&net.root.seed());
    let object = root
        .delegate(&request, 2, now, not_after, Roles::ALL)
        .unwrap();
    let plan = net
        .authority
        .install_delegation(&object, new_keys, now, &mut net.rng)
        .unwrap();
    net.withhold(plan)
}

/// Publishes what stands on topics of this kind; the rest is given back.
fn publish_only(net: &mut Net, all: Vec<Publication>, kind: &str) -> Vec<Publication> {
    let (these, rest) = all.into_iter().partition(|p| p.topic.ends_with(kind));
    let these: Vec<Publication> = these;
    assert!(!these.is_empty());
    these.into_iter().for_each(|p| net.publish(p));
    rest
}

fn seal(net: &mut Net, device: usize) -> Result<Vec<u8>, SealError> {
    net.seal(device, &OutgoingMessage::new("plant/a", b"x"))
}

fn awaits(result: Result<Vec<u8>, SealError>) -> bool {
    matches!(result, Err(SealError::AwaitsAnnouncement { serial: 2, .. }))
}

#[test]
fn after_stolen_keys_were_replaced_nobody_uses_what_they_signed() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    net.rotate();
    let thief = Thief::with_copy_of(&net);
    let epoch = net.authority.groups().next().unwrap().epoch;
    let last = announced(&net, epoch);
    let last = Announcement::verify(&last, &thief.delegation, net.authority.prefix()).unwrap();
    let forged = thief.announce(&net, &last, epoch + 5);
    net.publish(forged);
    assert_eq!(net.epoch(alice), Some(epoch + 5));
    let under_the_thief = seal(&mut net, bob).unwrap();

    // The broker shows the successor, and nothing else of it.
    let rest = delegate(&mut net, true, START + 10 * YEAR);
    let rest = publish_only(&mut net, rest, "/delegation");
    let event = |e: &MemberEvent| matches!(e, MemberEvent::AwaitsAnnouncement { serial: 2, .. });
    assert!(net.devices[alice].events.iter().any(event));
    assert!(awaits(seal(&mut net, alice)));
    net.deliver(alice, "plant/a", &under_the_thief, false);
    assert!(net.texts(alice).is_empty());
    let rest = publish_only(&mut net, rest, "/credential");
    assert!(awaits(seal(&mut net, alice)), "the credential alone");
    net.restart(alice);
    net.connect(alice);
    assert!(awaits(seal(&mut net, alice)), "after a restart");
    net.deliver(alice, "plant/a", &under_the_thief, false);
    net.now += 2 * YEAR * 1000;
    assert!(seal(&mut net, alice).is_err());
    net.now -= 2 * YEAR * 1000;
    assert!(net.texts(alice).is_empty());

    rest.into_iter().for_each(|p| net.publish(p));
    net.tick_authority();
    net.send(alice, "plant/a", b"again");
    assert_eq!(net.texts(bob), ["again"]);
}

#[test]
fn a_credential_of_a_replaced_key_seals_nothing() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    net.rotate();
    let rest = delegate(&mut net, true, START + YEAR);
    let (credentials, rest): (Vec<_>, Vec<_>) = rest
        .into_iter()
        .partition(|p| p.topic.ends_with("/credential"));
    rest.into_iter().for_each(|p| net.publish(p));
    net.tick_authority();
    assert!(
        !net.devices[alice]
            .member
            .groups()
            .any(|g| g.awaits_delegation)
    );
    let refused = seal(&mut net, alice);
    assert!(matches!(
        refused,
        Err(SealError::AwaitsCredential { serial: 2 })
    ));
    credentials.into_iter().for_each(|p| net.publish(p));
    assert!(seal(&mut net, alice).is_ok());
}

#[test]
fn a_renewal_with_the_same_keys_prolongs_nothing_that_was_signed_before() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    net.rotate();
    net.now += (YEAR - 100) * 1000;
    net.rotate();
    let rest = delegate(&mut net, false, START + 10 * YEAR);
    publish_only(&mut net, rest, "/delegation");
    net.restart(alice);
    assert!(seal(&mut net, alice).is_ok(), "routine: it goes on");
    net.now = (START + YEAR) * 1000;
    assert!(seal(&mut net, alice).is_ok(), "in the last second");
    net.now += 1000;
    assert!(
        seal(&mut net, alice).is_err(),
        "the older delegation is over"
    );
}

/// Whether it is a renewal or a recovery, members do not know.
#[test]
fn a_renewal_with_the_same_keys_prolongs_nothing_that_a_thief_signed() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    net.rotate();
    let thief = Thief::with_copy_of(&net);
    let epoch = net.authority.groups().next().unwrap().epoch;
    let last = announced(&net, epoch);
    let last = Announcement::verify(&last, &thief.delegation, net.authority.prefix()).unwrap();
    let (end, previous) = (START + 20 * YEAR, *last.hash());
    let forged = thief.announce_until(end, 0, &net, &last, epoch + 1, previous);
    net.publish(forged);
    assert_eq!(net.epoch(alice), Some(epoch + 1));

    net.now = (START + YEAR - 100) * 1000;
    let rest = delegate(&mut net, false, START + 10 * YEAR);
    let rest = publish_only(&mut net, rest, "/delegation");
    publish_only(&mut net, rest, "/credential");
    net.now = (START + YEAR) * 1000;
    let in_time = seal(&mut net, bob).unwrap();
    net.deliver(alice, "plant/a", &in_time, false);
    assert_eq!(net.texts(alice), ["x"], "in the last second");
    net.now += 1000;
    let refused = seal(&mut net, alice);
    let until_then = START + YEAR;
    assert!(
        matches!(refused, Err(SealError::KeysExpired { not_after, .. }) if not_after == until_then),
        "{refused:?}"
    );
}

#[test]
fn without_a_clock_and_without_leases_nothing_is_sealed_or_read() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    net.rotate();
    let envelope = seal(&mut net, bob).unwrap();
    let this = &mut net.devices[alice];
    this.member.set_uptime(1000);
    let message = OutgoingMessage::new("plant/a", b"x");
    let refused = this.member.seal(&message, None, &mut this.rng);
    assert!(matches!(refused, Err(SealError::NeedsLeases { .. })));
    let (opened, _) = this.member.open("plant/a", &envelope, false, None);
    assert!(matches!(opened, sealmq_keys::member::Delivery::Rejected(_)));
    let actions = this.member.tick(None);
    let said = actions.iter().any(|action| {
        matches!(
            action,
            sealmq_keys::member::Action::Event(MemberEvent::NeedsLeases { .. })
        )
    });
    assert!(said);
}

/// A stolen key's policy sets how long the answer of its helper lasts.
#[test]
fn an_answer_of_an_older_serial_lasts_no_longer_than_its_announcement() {
    let mut net = Net::with_policy(Policy {
        lease: 30 * 86_400,
        ..Policy::default()
    });
    let alice = net.join("alice", Access::BOTH);
    net.rotate();
    net.prove_lease(alice);
    let message = OutgoingMessage::new("plant/a", b"x");
    let this = &mut net.devices[alice];
    assert!(this.member.seal(&message, None, &mut this.rng).is_ok());

    let rest = delegate(&mut net, false, START + 10 * YEAR);
    rest.into_iter().for_each(|p| net.publish(p));
    net.rotate();
    let this = &mut net.devices[alice];
    let refused = this.member.seal(&message, None, &mut this.rng);
    assert!(
        matches!(refused, Err(SealError::NoLease { .. })),
        "{refused:?}"
    );
}
