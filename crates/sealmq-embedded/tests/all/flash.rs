//! The device's store: power cuts while the device works, wear over years.

use std::collections::BTreeSet;

use sealmq_core::crypto::Secret;
use sealmq_core::object::Access;
use sealmq_core::replay::{Durable, RECENT_SESSIONS, Record};
use sealmq_embedded::flash::{FlashError, FlashStore, SCRATCH_LEN};
use sealmq_embedded::{SealRefused, Sealing};
use sealmq_keys::member::OutgoingMessage;
use sealmq_keys::objects::Policy;

use crate::net::{Flash, Net, Sensor};
use crate::nor::{Noise, Nor};

const TOPIC: &str = "plant/a";

/// Header, and the enc of a session.
const SESSION: std::ops::Range<usize> = 9..41;

#[test]
fn power_cuts_repeat_no_session_no_counter_and_no_message() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    let mut noise = Noise(11);
    let (mut sent, mut sessions) = (BTreeSet::new(), BTreeSet::new());
    let mut accepted: Vec<Vec<u8>> = Vec::new();
    let mut cuts = 0;
    for round in 0..200 {
        // Some are too late for what the round does.
        net.boards[board].cut_after(noise.below(1500));
        let mut began = BTreeSet::new();
        for step in 0..3 {
            match net.seal(board, &Sealing::event(TOPIC), b"up") {
                Ok(envelope) => {
                    began.insert(envelope[SESSION].to_vec());
                    assert!(sent.insert(envelope), "the same again");
                }
                Err(SealRefused::Uncommitted) => assert!(net.boards[board].is_dead),
                Err(error) => panic!("{error}"),
            }
            let command = net.seal_host(host, &OutgoingMessage::new(TOPIC, b"down"));
            let before = net.boards[board].inbox.len();
            if !net.boards[board].is_dead {
                net.deliver(board, TOPIC, &command, false);
            }
            if net.boards[board].inbox.len() > before {
                accepted.push(command);
            }
            if round % 20 == step {
                net.now += 1000;
                net.rotate();
            }
        }
        assert!(
            began.is_disjoint(&sessions),
            "a session goes on after a start"
        );
        sessions.extend(began);
        cuts += u32::from(net.boards[board].is_dead);
        net.restart(board);
        net.connect(board);
        let inbox = net.boards[board].inbox.len();
        let again: Vec<_> = accepted.iter().rev().take(4).cloned().collect();
        for command in &again {
            net.deliver(board, TOPIC, command, false);
        }
        assert_eq!(
            net.boards[board].inbox.len(),
            inbox,
            "a replay was accepted"
        );
    }
    let rejected = &net.boards[board].rejected;
    assert!(rejected.iter().filter(|name| **name == "Replay").count() >= 200);
    println!(
        "{cuts} of 200 cut, {} sent, {} accepted",
        sent.len(),
        accepted.len()
    );
    assert!(cuts >= 50 && accepted.len() >= 200);
}

/// Thirty days of ten years: a message a minute that comes in, each stored before it is used; a
/// new session and an epoch each day, a heartbeat every six hours.
#[test]
fn ten_years_of_a_message_a_minute_are_within_ten_thousand_erase_cycles() {
    const DAYS: u32 = 30;
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    let command = net.seal_host(host, &OutgoingMessage::new(TOPIC, b"on"));
    net.deliver(board, TOPIC, &command, false);
    let command = net.seal_host(host, &OutgoingMessage::new(TOPIC, b"on"));
    let at = net.clock(board);
    let this = &mut net.boards[board];
    let mut envelope = command.clone();
    assert!(this.device.open(TOPIC, false, at, &mut envelope).is_ok());
    let record = std::iter::from_fn(|| this.device.next_seen()).find_map(|change| match change {
        Durable::Put(record @ Record::Sender(_)) => Some(record),
        _ => None,
    });
    let mut bytes = [0; Record::<2>::MAX_LEN];
    let len = record.unwrap().encode(&mut bytes).unwrap();
    // Number, enc, highest counter and window of each session, the newest first.
    let recent = 8 + 32 + 4 + 16;
    let sessions = len - RECENT_SESSIONS * recent;
    let flash = Flash::new(16);
    let region = flash.region();
    let mut store: FlashStore<Flash, 53> =
        FlashStore::open(flash, region, Some(&Secret::new([1; 32]))).unwrap();
    let mut scratch = [0; SCRATCH_LEN];
    for day in 0..DAYS {
        bytes.copy_within(sessions..len - recent, sessions + recent);
        bytes[sessions + 4..sessions + 8].copy_from_slice(&(2_000_000_000 + day).to_be_bytes());
        for minute in 0..1440_u32 {
            let window = sessions + 40..sessions + 60;
            bytes[window.clone()].fill(0xff);
            bytes[window][..4].copy_from_slice(&(200 + minute).to_be_bytes());
            let record = Record::decode(&bytes[..len]).unwrap();
            store.put_seen(&Durable::Put(record)).unwrap();
            if minute % 360 == 0 {
                store.put_own(0, &[day as u8; 1600], &mut scratch).unwrap();
            }
        }
        store.put_own(0, &[!day as u8; 1600], &mut scratch).unwrap();
        store.put_own(1, &[day as u8; 300], &mut scratch).unwrap();
    }
    let flash = store.into_driver();
    let most = flash.erases.iter().max().unwrap() * 3653 / DAYS;
    println!("64 KiB in pages of 4 KiB: {most} erase cycles in ten years");
    assert!(most <= 10_000);
}

#[test]
fn another_device_key_reads_nothing() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let flash = net.boards[board].flash();
    let open =
        |key: Option<&Secret>| FlashStore::<Flash, 53>::open(flash.clone(), flash.region(), key);
    let mut scratch = [0; SCRATCH_LEN];
    let mut place: Option<Sensor> = None;
    let right = Secret::new([7; 32]);
    for key in [Some(&Secret::new([8; 32])), None] {
        let same = open(Some(&right)).unwrap().load(&mut place, &mut scratch);
        assert!(same.is_ok() && place.is_some());
        let other = open(key).unwrap().load(&mut place, &mut scratch);
        assert!(matches!(
            other.err(),
            Some(FlashError::Damaged | FlashError::Start(_))
        ));
        // Whatever comes of it, what was in the place is gone.
        assert!(place.is_none());
    }
    let same = open(Some(&right)).unwrap().load(&mut place, &mut scratch);
    same.unwrap();
    let device = place.unwrap();
    assert_eq!(device.number(), net.boards[board].device.number());
    assert_eq!(scratch, [0; SCRATCH_LEN]);
    // Nothing of the identity key stands there in clear.
    let mut record = [0; SCRATCH_LEN];
    let id = sealmq_embedded::RecordId::Identity;
    let len = device.record(id, &mut record).unwrap();
    let seed = &record[1..len.min(33)];
    assert!(!flash.bytes.windows(seed.len()).any(|window| window == seed));
}

#[test]
fn flash_that_was_never_used_is_empty() {
    let flash: Flash = Nor::new(16);
    let region = flash.region();
    let mut store: FlashStore<Flash, 53> = FlashStore::open(flash, region, None).unwrap();
    let mut scratch = [0; SCRATCH_LEN];
    let mut place: Option<Sensor> = None;
    store.load(&mut place, &mut scratch).unwrap();
    assert!(place.is_none());
    let mut joining = None;
    store.load_joining(&mut joining, &mut scratch).unwrap();
    assert!(joining.is_none());
    assert_eq!(store.own(3, &mut scratch), Ok(0));
    store.put_own(3, b"ssid", &mut scratch).unwrap();
    assert_eq!(store.own(3, &mut scratch), Ok(4));
    assert_eq!(&scratch[..4], b"ssid");
    assert_eq!(store.own(8, &mut scratch), Err(FlashError::Slots));
}
