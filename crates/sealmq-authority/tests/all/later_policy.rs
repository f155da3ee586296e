//! A later version adds a field to the policy (spec/keys.md §5): what members of this version do.
//!
//! Played is a version that has the field [`MaxPayload`], as its source would have it: a type with
//! an id, an authority that keeps the value in a record of its own and announces it, members that
//! read it out of the announcement and apply it when they send. All the rest of that version is
//! this version, loaded from the same stores: no two programs are built. What this version's own
//! code never does is to look at the field.

use sealmq_authority::{Authority, AuthorityError};
use sealmq_core::object::{Access, Extension, List, ObjectError, decode, encode};
use sealmq_core::wire::Suite;
use sealmq_keys::member::{Member, MemberEvent};
use sealmq_keys::objects::{Announcement, Policy, VerifiedDelegation};
use sealmq_keys::{Changes, ReservedTopic, Store};
use serde::{Deserialize, Serialize};

use crate::net::Net;
use crate::net::serve::{generations, renew, settle, talk};

/// The field: the longest payload in bytes that members may send in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct MaxPayload {
    bytes: u32,
}

impl MaxPayload {
    const ID: u16 = 0x0042;
    /// Where the later authority keeps it.
    const RECORD: &str = "later/plant/max-payload";

    /// The extensions of an announcement with this field.
    fn extensions(self) -> Vec<u8> {
        let (mut value, mut buffer) = ([0; 8], [0; 32]);
        let (id, value) = (Self::ID, &*encode(&self, &mut value).unwrap());
        let list = List::encode(&[Extension { id, value }], &mut buffer).unwrap();
        list.as_encoded().to_vec()
    }
}

/// An operator of the later version sets the field: in force with the next epoch.
fn set(net: &mut Net, bytes: u32) {
    let mut changes = Changes::new();
    let mut value = [0; 8];
    let value = encode(&MaxPayload { bytes }, &mut value).unwrap();
    changes.put(MaxPayload::RECORD, &*value);
    net.authority_store.commit(&changes).unwrap();
    start_later(net);
}

/// The later authority starts on the store.
fn start_later(net: &mut Net) {
    net.authority = Authority::load(&net.authority_store).unwrap();
    if let Some(value) = net.authority_store.get(MaxPayload::RECORD).unwrap() {
        let field: MaxPayload = decode(&value).unwrap();
        let extensions = field.extensions();
        let set = net.authority.set_policy_extensions("plant", &extensions);
        set.unwrap();
    }
}

/// This version's authority starts on the store.
fn start_this(net: &mut Net) {
    net.authority = Authority::load(&net.authority_store).unwrap();
}

/// What a later member reads.
fn field(member: &Member) -> Option<u32> {
    let group = member.groups().next().unwrap().id;
    let extensions = member.policy_extensions(&group);
    let field = extensions.read::<MaxPayload>(MaxPayload::ID).unwrap();
    field.map(|field| field.bytes)
}

fn fields(net: &Net) -> Vec<Option<u32>> {
    net.devices.iter().map(|d| field(&d.member)).collect()
}

/// A later member sends, or refuses to.
fn send_later(net: &mut Net, device: usize, payload: &[u8]) -> Result<(), u32> {
    match field(&net.devices[device].member) {
        Some(most) if payload.len() > most as usize => Err(most),
        _ => {
            net.send(device, "plant/a", payload);
            Ok(())
        }
    }
}

/// No member was told of an object that it does not take.
fn nothing_is_refused(net: &Net) {
    let events = net.devices.iter().flat_map(|device| &device.events);
    let mut refused = events.filter(|event| matches!(event, MemberEvent::BadReserved { .. }));
    assert!(refused.next().is_none());
}

/// `alice` and `eve` are of this version, `bob` of the later one.
fn plant(suite: Suite) -> (Net, [usize; 3]) {
    let policy = Policy {
        lease: 600,
        ..Policy::default()
    };
    let mut net = Net::with_suite(suite, policy);
    let devices = ["alice", "bob", "eve"].map(|name| net.join(name, Access::BOTH));
    (net, devices)
}

#[test]
fn members_of_this_version_follow_a_later_policy() {
    for suite in [Suite::One, Suite::Two] {
        let (mut net, [alice, bob, eve]) = plant(suite);
        assert_eq!(fields(&net), [None; 3], "the default");
        set(&mut net, 8);
        assert_eq!(fields(&net), [None; 3], "from the next epoch on");
        net.rotate();
        assert_eq!(fields(&net), [Some(8); 3]);
        // Applied by those who know it, and no obstacle to the others.
        assert_eq!(send_later(&mut net, bob, b"too long, says bob"), Err(8));
        assert_eq!(send_later(&mut net, bob, b"short"), Ok(()));
        for reader in [alice, eve] {
            assert_eq!(net.texts(reader), ["short"]);
        }
        talk(&mut net, alice, &[bob, eve], "longer than that");

        // Rotation, a removal, somebody new, a change of the field.
        net.rotate();
        net.remove(eve);
        let epoch = net.epoch(alice);
        assert_eq!(net.epoch(eve), epoch.map(|epoch| epoch - 1));
        let carol = net.join("carol", Access::BOTH);
        talk(&mut net, bob, &[alice, carol], "to all");
        set(&mut net, 32);
        net.heal();
        assert_eq!(send_later(&mut net, bob, b"not too long, says bob"), Ok(()));
        for reader in [alice, carol] {
            assert_eq!(net.texts(reader), ["not too long, says bob"]);
        }
        assert!(net.texts(eve).is_empty());

        // What a member was not there for.
        net.disconnect(alice);
        for bytes in [40, 41, 42] {
            set(&mut net, bytes);
            net.rotate();
        }
        net.connect(alice);
        net.subscribe(alice, "plant/#");
        let (now, later) = (net.epoch(alice), net.epoch(bob));
        assert_eq!((now, field(&net.devices[alice].member)), (later, Some(42)));
        talk(&mut net, alice, &[bob, carol], "and back");

        // Heartbeats, and the move to a new tree.
        settle(&mut net);
        renew(&mut net);
        settle(&mut net);
        net.now += 600_000;
        net.tick_authority();
        settle(&mut net);
        settle(&mut net);
        assert_eq!(generations(&net), [2]);
        for device in [alice, carol] {
            net.restart(device);
            net.connect(device);
            net.subscribe(device, "plant/#");
        }
        talk(&mut net, bob, &[alice, carol], "after restarts");
        assert_eq!(field(&net.devices[carol].member), Some(42));
        nothing_is_refused(&net);
    }
}

/// What either version has stored, the other one opens and goes on with.
#[test]
fn stores_go_from_one_version_to_the_other_and_back() {
    for suite in [Suite::One, Suite::Two] {
        let (mut net, [alice, bob, _]) = plant(suite);
        set(&mut net, 8);
        net.rotate();

        // Bob is put back to this version, which follows two epochs, is killed, and followed by
        // the later version again: it has what was announced in between, without a broker.
        net.crash(bob);
        net.connect(bob);
        net.subscribe(bob, "plant/#");
        set(&mut net, 16);
        net.rotate();
        net.heal();
        talk(&mut net, alice, &[bob], "to this version");
        net.crash(bob);
        assert_eq!(field(&net.devices[bob].member), Some(16));
        assert_eq!(send_later(&mut net, bob, b"longer than sixteen"), Err(16));
        net.connect(bob);
        net.subscribe(bob, "plant/#");

        // An authority of this version starts on the store: the field's default holds, and its
        // record stays for the time after.
        start_this(&mut net);
        net.rotate();
        assert_eq!(fields(&net), [None; 3]);
        assert_eq!(send_later(&mut net, bob, b"longer than sixteen"), Ok(()));
        start_later(&mut net);
        net.rotate();
        assert_eq!(fields(&net), [Some(16); 3]);
        nothing_is_refused(&net);
    }
}

/// Whoever has no member machine reads it from the announcement; beside extensions of everything
/// that the authority signs, and never a value of another form.
#[test]
fn it_is_read_from_verified_announcements_only() {
    let (mut net, [alice, ..]) = plant(Suite::One);
    let other = |id| {
        let mut buffer = [0; 32];
        let value = b"\x85\x00".as_slice();
        let list = List::encode(&[Extension { id, value }], &mut buffer).unwrap();
        list.as_encoded().to_vec()
    };
    net.authority.set_extensions(&other(9)).unwrap();
    let set = net
        .authority
        .set_policy_extensions("plant", &MaxPayload { bytes: 8 }.extensions());
    set.unwrap();
    net.rotate();
    let delegation = VerifiedDelegation::verify(
        &net.retained[&net.topic(ReservedTopic::Delegation)],
        &net.root.verifying_key(),
    );
    let (delegation, prefix) = (delegation.unwrap(), net.authority.prefix().to_owned());
    let epoch = net.epoch(alice).unwrap();
    let topic = net.topic(ReservedTopic::Announcement(net.group("plant"), epoch));
    let bytes = net.retained[&topic].clone();
    let announcement = Announcement::verify(&bytes, &delegation, &prefix).unwrap();
    let extensions = announcement.extensions();
    assert_eq!(
        extensions.read(MaxPayload::ID),
        Ok(Some(MaxPayload { bytes: 8 }))
    );
    assert_eq!(
        extensions.iter().map(|e| e.id).collect::<Vec<_>>(),
        [9, MaxPayload::ID]
    );
    assert_eq!(extensions.read::<MaxPayload>(9), Err(ObjectError::Encoding));
    // A broker's own value is none.
    let at = bytes.windows(3).position(|w| w == [0x42, 1, 8]).unwrap();
    let mut altered = bytes.clone();
    altered[at + 2] = 9;
    let refused = Announcement::verify(&altered, &delegation, &prefix);
    assert_eq!(refused.err(), Some(ObjectError::Signature));

    let unknown = net.authority.set_policy_extensions("office", &[]);
    assert!(matches!(unknown, Err(AuthorityError::NoSuchGroup(_))));
    assert!(net.authority.set_policy_extensions("plant", &[7]).is_err());
}
