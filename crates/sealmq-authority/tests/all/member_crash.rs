//! Crash consistency, and what a stolen store is worth.

use crate::common::{MemoryStore, TestRng};
use crate::net::{Net, START, grant};
use sealmq_core::KeyId;
use sealmq_core::crypto::{KemKeyPair, KemPublicKey, Secret, session_sender};
use sealmq_core::object::Access;
use sealmq_core::wire::Header;
use sealmq_keys::ReservedTopic;
use sealmq_keys::group::{Psk, ReaderSecret};
use sealmq_keys::member::{Member, OutgoingMessage};
use sealmq_keys::objects::{Announcement, VerifiedDelegation, VerifiedWelcome};

/// A device crashes after each of its commits in turn. What the store then holds, with what the
/// broker retains, is always a working member.
#[test]
fn every_committed_prefix_is_a_working_member() {
    let mut net = Net::new();
    let bob = net.join("bob", Access::BOTH);
    let carol = net.join("carol", Access::BOTH);
    let alice = net.enrol("alice", &[grant("plant", Access::BOTH)]);
    net.connect(alice);
    net.tick_authority();
    net.subscribe(alice, "plant/#");
    net.send(bob, "plant/a", b"1");
    net.rotate();
    net.send(carol, "plant/a", b"2");
    net.send(alice, "plant/a", b"3");
    net.remove(carol);
    net.send(bob, "plant/a", b"4");
    net.heal();
    net.tick(alice);
    let history = net.devices[alice].history.clone();
    assert!(history.len() >= 9, "{}", history.len());

    for (index, store) in history.into_iter().enumerate() {
        // Time passes before a device is up again, so its session numbers are new.
        net.now += 10_000;
        net.devices[alice].store = store;
        net.crash(alice);
        net.connect(alice);
        net.subscribe(alice, "plant/#");
        for device in [alice, bob] {
            net.inbox(device);
            net.rejections(device);
        }
        assert_eq!(net.epoch(alice), net.epoch(bob), "after commit {index}");
        net.send(bob, "plant/a", b"to alice");
        net.send(alice, "plant/a", b"to bob");
        assert_eq!(net.texts(alice), ["to alice"], "after commit {index}");
        assert_eq!(net.texts(bob), ["to bob"], "after commit {index}");
        net.rotate();
        net.send(bob, "plant/a", b"on");
        assert_eq!(net.texts(alice), ["on"], "after commit {index}");
    }
}

#[test]
fn a_damaged_store_is_refused_with_the_record_named() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    net.send(bob, "plant/a", b"x");
    net.tick(alice);
    let keys: Vec<String> = net.devices[alice].store.0.keys().cloned().collect();
    for kind in ["member/", "group/", "peer/", "replay/"] {
        assert!(keys.iter().any(|key| key.starts_with(kind)), "{kind}");
    }
    for key in keys {
        for damage in [0, 1, 2] {
            let mut store = net.devices[alice].store.clone();
            let value = store.0.get_mut(&key).unwrap();
            match damage {
                0 => value.clear(),
                1 => value[0] = 99,
                _ => value.truncate(value.len() / 2),
            }
            let error = Member::load(&store, Default::default()).err();
            let error = error.map(|e| e.to_string()).unwrap_or_default();
            let named = match (key.as_str(), damage) {
                // The record that says which version the store has.
                ("member/identity", 1) => "a later version wrote this store",
                (key, _) => key,
            };
            assert!(error.contains(named), "{key}: {error}");
        }
    }
}

/// Every run of 32 bytes in every value of a store.
fn windows(store: &MemoryStore) -> Vec<[u8; 32]> {
    let all = store.0.values().flat_map(|value| value.windows(32));
    let mut all: Vec<[u8; 32]> = all.map(|window| window.try_into().unwrap()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What somebody with the announcement tries with 32 bytes: are they, or do they lead to, the
/// group's private key, or the ephemeral key of this envelope?
fn opens(bytes: &[u8; 32], announcement: &Announcement<'_>, enc: &[u8; 32]) -> bool {
    let group_key = announcement.head().group_key;
    let secret = || Secret::new(*bytes);
    let as_reader_secret = ReaderSecret::new(secret()).group_key_pair().public() == group_key;
    let as_kem_seed = KemKeyPair::derive(&secret()).public() == group_key;
    // The sender's own way back: the seed of its ephemeral key.
    let psk = Psk::new(secret());
    let as_session_seed = KemKeyPair::derive(&secret()).public() == KemPublicKey(*enc)
        || session_sender(&group_key, &psk.session(), announcement.hash(), &secret())
            .is_ok_and(|(other, _)| other == *enc);
    as_reader_secret || as_kem_seed || as_session_seed
}

#[test]
fn a_publish_only_store_opens_nothing_not_even_its_own_messages() {
    let mut net = Net::new();
    let sensor = net.join("sensor", Access::PUBLISH);
    let reader = net.join("reader", Access::SUBSCRIBE);
    net.send(sensor, "plant/a", b"known");
    let envelope = net.send(sensor, "plant/a", b"21.5");
    assert_eq!(net.texts(reader), ["known", "21.5"]);
    net.devices[reader].member.tick(Some(net.now));

    let header = Header::parse(&envelope).unwrap();
    let (group, epoch) = (net.group("plant"), net.epoch(reader).unwrap());
    let topic = net.topic(ReservedTopic::Announcement(group, epoch));
    let root = sealmq_core::crypto::VerifyingKey::from_bytes(net.authority.root_key()).unwrap();
    let delegation = VerifiedDelegation::verify(net.authority.delegation(), &root).unwrap();
    let bytes = net.retained[&topic].clone();
    let announcement = Announcement::verify(&bytes, &delegation, net.authority.prefix()).unwrap();
    assert_eq!(KeyId::of(announcement.hash()), header.key_id);

    let finds = |store: &MemoryStore| {
        windows(store)
            .iter()
            .any(|window| opens(window, &announcement, &header.enc))
    };
    // The search works: the reader's store does open the message.
    assert!(finds(&net.devices[reader].store));
    // Everything that was ever in the sensor's store, and what it holds now.
    let mut all = MemoryStore::default();
    for (index, store) in net.devices[sensor].history.iter().enumerate() {
        for (key, value) in &store.0 {
            all.0.insert(format!("{index}/{key}"), value.clone());
        }
    }
    assert!(!finds(&all));
    // It does hold the psk, without which it could not publish: the windows are the real ones.
    let psk_check = announcement.head().psk_check;
    assert!(
        windows(&all)
            .iter()
            .any(|w| Psk::new(Secret::new(*w)).check() == psk_check)
    );
}

#[test]
fn a_recorded_welcome_stays_closed_once_installed() {
    let mut net = Net::new();
    let alice = net.enrol("alice", &[grant("plant", Access::BOTH)]);
    let topic = net.topic(ReservedTopic::Welcome(
        net.number(alice),
        net.group("plant"),
    ));
    let recorded = net.retained[&topic].clone();
    net.tick_authority();
    net.connect(alice);
    assert!(net.epoch(alice).is_some());

    let root = sealmq_core::crypto::VerifyingKey::from_bytes(net.authority.root_key()).unwrap();
    let delegation = VerifiedDelegation::verify(net.authority.delegation(), &root).unwrap();
    let welcome = VerifiedWelcome::verify(&recorded, &delegation).unwrap();
    let opened = |store: &MemoryStore| {
        let seeds = windows(store);
        seeds.iter().any(|seed| {
            welcome
                .open(&KemKeyPair::derive(&Secret::new(*seed)).into())
                .is_ok()
        })
    };
    assert!(opened(&net.devices[alice].history[0]), "the search works");
    assert!(!opened(&net.devices[alice].store));
}

#[test]
fn epochs_outside_the_window_are_gone_from_the_store() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    net.send(bob, "plant/a", b"old");
    let early = net.devices[alice].store.clone();
    let psk_check = |net: &Net| {
        let topic = ReservedTopic::Announcement(net.group("plant"), net.epoch(alice).unwrap());
        let bytes = &net.retained[&net.topic(topic)];
        let root = sealmq_core::crypto::VerifyingKey::from_bytes(net.authority.root_key()).unwrap();
        let delegation = VerifiedDelegation::verify(net.authority.delegation(), &root).unwrap();
        let head = *Announcement::verify(bytes, &delegation, net.authority.prefix())
            .unwrap()
            .head();
        head.psk_check
    };
    let old = psk_check(&net);
    let held = |store: &MemoryStore| {
        let mut windows = windows(store).into_iter();
        windows.any(|w| ReaderSecret::new(Secret::new(w)).psk().check() == old)
    };
    assert!(held(&early));
    net.rotate();
    net.rotate();
    assert!(held(&net.devices[alice].store), "the window is two epochs");
    net.rotate();
    assert!(!held(&net.devices[alice].store));
}

/// The RNG's output is known to the thief, the store too: the seeds of earlier sessions are not
/// in it, because the device secret moved on.
#[test]
fn the_device_secret_of_today_does_not_give_yesterdays_seeds() {
    let mut net = Net::new();
    let bob = net.join("bob", Access::BOTH);
    net.devices[bob].rng = TestRng::new(5);
    let before = net.devices[bob].store.0["member/device"].clone();
    let envelope = net
        .seal(bob, &OutgoingMessage::new("plant/a", b"x"))
        .unwrap();
    let after = net.devices[bob].store.0["member/device"].clone();
    let enc = Header::parse(&envelope).unwrap().enc;
    let number = START;
    let ephemeral = |device: &[u8]| {
        let mut random = [0; 32];
        rand_core::TryRng::try_fill_bytes(&mut TestRng::new(5), &mut random).unwrap();
        let entropy = sealmq_core::crypto::Entropy::take(&mut random).unwrap();
        let secret = Secret::new(device[1..33].try_into().unwrap());
        let hedged = sealmq_core::crypto::DeviceSecret::new(secret).hedge(
            &entropy,
            sealmq_core::crypto::Purpose::Session,
            number,
        );
        let key = KemKeyPair::derive(&Secret::new([1; 32])).public();
        let hash = sealmq_core::crypto::Digest([0; 32]);
        let psk = sealmq_core::crypto::SessionPsk::derive(&Secret::new([2; 32]));
        session_sender(&key, &psk, &hash, &hedged.seed).unwrap().0
    };
    assert_eq!(
        ephemeral(&before),
        enc,
        "with the old secret it can be computed"
    );
    assert_ne!(ephemeral(&after), enc);
}
