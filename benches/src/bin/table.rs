//! Measures and prints the table of the README:
//! `cargo run --release -p sealmq-bench --bin table [--features aws-lc]`. `messages` behind it prints
//! what concerns messages only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a benchmark that cannot run as meant has to stop"
)]

use std::alloc::System;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use sealmq_bench::{
    Domain, Engine, Floor, Group, HEADROOM, Paired, Reader, SIZES, SenderNumbers, Stopwatch,
    paired, per_call,
};
use sealmq_core::seal::SenderSession;
use sealmq_core::wire::{Header, varint_len};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// About so long does one side of a round take: short enough that both sides of a pair see the
/// same machine.
const ROUND: Duration = Duration::from_millis(2);
const ROUNDS: usize = 151;

fn main() {
    let group = Group::new(SenderNumbers::TYPICAL);
    messages(&group);
    above(&group);
    if std::env::args().nth(1).as_deref() == Some("messages") {
        return;
    }
    sessions(&group);
    overhead();
    groups();
}

fn messages(group: &Group) {
    println!("### Messages\n");
    println!(
        "Processor time, medians of {ROUNDS} interleaved rounds. The floor is the same SHA-256 of"
    );
    println!(
        "the transcript, Ed25519 over 64 bytes and AES-256-GCM of the plaintext, called bare, of {};",
        Floor::LIBRARY
    );
    println!(
        "to open, dalek's `verify_strict` with the same hash and cipher. Of a known sender there is a table;\nin bursts {BURST} of its messages came together.\n"
    );
    println!(
        "| payload | seal | floor | ratio | open | of a known sender | in bursts | floor | ratio | of a known sender | in bursts |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for size in SIZES {
        let seal = seal(group, size);
        let [first, known, bursts] =
            [From::Anybody, From::Known, From::KnownInBursts].map(|from| open(group, size, from));
        println!(
            "| {} | {} | {} | {:.2} | {} | {} | {} | {} | {:.2} | {:.2} | {:.2} |",
            human_size(size),
            micros(seal.ours),
            micros(seal.floor),
            seal.ratio,
            micros(first.ours),
            micros(known.ours),
            micros(bursts.ours),
            micros(known.floor),
            first.ratio,
            known.ratio,
            bursts.ratio,
        );
    }
}

/// What is above: the client engine over all of it at 256 B, and at 1 MiB all of it over the hash
/// and the cipher.
fn above(group: &Group) {
    const SIZE: usize = 256;
    let payload = Bytes::from_static(&[0x5a; SIZE]);
    let calls = calls(SIZE);
    let (mut sender, mut reader, topic) = Engine::pair();
    let mut session = group.start(6);
    let publisher = group.publisher();
    let mut buf = vec![0x5a; HEADROOM + SIZE + 80];
    let sealing = paired(
        ROUNDS,
        calls,
        |calls| {
            let start = Stopwatch::start();
            for _ in 0..calls {
                black_box(sender.publish(&topic, payload.clone()));
            }
            start.elapsed()
        },
        |calls| {
            let start = Stopwatch::start();
            for _ in 0..calls {
                black_box(group.seal(&mut session, &publisher, &mut buf, SIZE));
            }
            start.elapsed()
        },
    );
    let mut known = known_reader(group, &mut session, SIZE);
    let opening = paired(
        ROUNDS,
        calls,
        |calls| {
            let envelopes: Vec<_> = (0..calls)
                .map(|_| sender.publish(&topic, payload.clone()))
                .collect();
            let start = Stopwatch::start();
            for envelope in envelopes {
                assert_eq!(reader.receive(&topic, envelope), SIZE);
            }
            start.elapsed()
        },
        |calls| {
            let mut envelopes: Vec<_> = (0..calls)
                .map(|_| group.envelope(&mut session, SIZE))
                .collect();
            let start = Stopwatch::start();
            for envelope in &mut envelopes {
                assert_eq!(known.open(envelope).unwrap().payload().len(), SIZE);
            }
            start.elapsed()
        },
    );
    let large = SIZES[SIZES.len() - 1];
    let floor = Floor::new();
    let mut buf = vec![0x5a; HEADROOM + large + 80];
    let mut bare = Floor::buffer(large);
    let bulk = paired(
        ROUNDS,
        1,
        |_| {
            let start = Stopwatch::start();
            black_box(group.seal(&mut session, &publisher, &mut buf, large));
            start.elapsed()
        },
        |_| {
            let start = Stopwatch::start();
            floor.hash_and_encrypt(black_box(&mut bare));
            start.elapsed()
        },
    );
    println!("\n| what | | over | | ratio |");
    println!("|---|---:|---|---:|---:|");
    for (what, over, all) in [
        ("client engine, publish 256 B", "seal", sealing),
        (
            "client engine, receive 256 B",
            "open, known sender",
            opening,
        ),
        ("seal 1 MiB", "SHA-256 and AES-256-GCM alone", bulk),
    ] {
        println!(
            "| {what} | {} | {over} | {} | {:.2} |",
            micros(all.ours),
            micros(all.floor),
            all.ratio
        );
    }
}

/// A reader that has a table of the sender.
fn known_reader(group: &Group, session: &mut SenderSession, size: usize) -> Reader {
    let mut reader = Reader::new(group);
    reader.keep_tables();
    for _ in 0..32 {
        let _ = reader.open(&mut group.envelope(session, size)).unwrap();
    }
    reader
}

/// How many calls make a round.
fn calls(size: usize) -> u32 {
    let floor = Floor::new();
    let mut buf = Floor::buffer(size);
    let once = per_call(9, || floor.seal(&mut buf));
    u32::try_from(ROUND.as_nanos() / once.as_nanos().max(1))
        .unwrap()
        .clamp(1, 200)
}

fn seal(group: &Group, size: usize) -> Paired {
    let mut session = group.start(0);
    let publisher = group.publisher();
    let floor = Floor::new();
    let mut buf = vec![0x5a; HEADROOM + size + 80];
    // The same length of body as ours.
    let body = group.envelope(&mut group.start(1), size).len() - 42 - 80;
    let mut bare = Floor::buffer(body);
    paired(
        ROUNDS,
        calls(size),
        |calls| {
            let start = Stopwatch::start();
            for _ in 0..calls {
                black_box(group.seal(&mut session, &publisher, &mut buf, size));
            }
            start.elapsed()
        },
        |calls| {
            let start = Stopwatch::start();
            for _ in 0..calls {
                floor.seal(black_box(&mut bare));
            }
            start.elapsed()
        },
    )
}

/// How many come together in a burst.
const BURST: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The reader has no table of the sender.
    Anybody,
    Known,
    /// The same, of messages that came together.
    KnownInBursts,
}

fn open(group: &Group, size: usize, from: From) -> Paired {
    let mut session = group.start(2);
    let mut reader = match from {
        From::Known | From::KnownInBursts => known_reader(group, &mut session, 0),
        From::Anybody => Reader::new(group),
    };
    let _ = reader
        .open(&mut group.envelope(&mut session, size))
        .unwrap();
    // Steady state: from here on an X25519 would give wrong keys, and nothing would open.
    reader.lose_group_key();
    let floor = Floor::new();
    let body = group.envelope(&mut group.start(1), size).len() - 42 - 80;
    let mut bare = Floor::buffer(body);
    floor.seal(&mut bare);
    // Opening destroys the envelope, so each call gets a copy that was made before.
    paired(
        ROUNDS,
        calls(size),
        |calls| {
            let mut envelopes: Vec<_> = (0..calls)
                .map(|_| group.envelope(&mut session, size))
                .collect();
            let together = match from {
                From::KnownInBursts => BURST,
                From::Known | From::Anybody => envelopes.len(),
            };
            let start = Stopwatch::start();
            for burst in envelopes.chunks_mut(together) {
                if from == From::KnownInBursts {
                    reader.verify_ahead(burst);
                }
                for envelope in burst {
                    let opened = reader.open(envelope).expect("opens without X25519");
                    assert_eq!(opened.payload().len(), size);
                }
            }
            start.elapsed()
        },
        |calls| {
            let mut envelopes: Vec<_> = (0..calls).map(|_| bare.clone()).collect();
            let start = Stopwatch::start();
            for envelope in &mut envelopes {
                floor.open(black_box(envelope));
            }
            start.elapsed()
        },
    )
}

fn sessions(group: &Group) {
    let mut number = 10;
    let start = per_call(301, || {
        number += 1;
        group.start(number)
    });
    let mut reader = Reader::new(group);
    let (mut first, mut next) = (Vec::new(), Vec::new());
    for _ in 0..301 {
        number += 1;
        let mut session = group.start(number);
        for times in [&mut first, &mut next] {
            let mut envelope = group.envelope(&mut session, 256);
            let start = Stopwatch::start();
            let _ = black_box(reader.open(&mut envelope).unwrap());
            times.push(start.elapsed());
        }
    }
    first.sort();
    next.sort();
    let more = first[150].saturating_sub(next[150]);

    // The control of what `open` above relies on: without the session's keys nothing opens.
    let mut session = group.start(5);
    let mut stranger = Reader::new(group);
    stranger.lose_group_key();
    assert!(
        stranger
            .open(&mut group.envelope(&mut session, 64))
            .is_err()
    );

    let (sealing, opening) = allocations(group);
    assert_eq!((sealing, opening), (0, 0), "heap allocations in core");
    println!("\n### Sessions and memory\n");
    println!("| what | |");
    println!("|---|---:|");
    println!("| starting a session, sender | {} |", micros(start));
    println!(
        "| first message of a session, reader: more than any other | {} |",
        micros(more)
    );
    println!("| X25519 while opening in a known session | 0 |");
    println!("| heap allocations in 1000 seals | {sealing} |");
    println!("| heap allocations in 1000 opens in a known session | {opening} |");
}

fn allocations(group: &Group) -> (usize, usize) {
    const MESSAGES: usize = 1000;
    let mut session = group.start(3);
    let publisher = group.publisher();
    let mut bufs = vec![vec![0x5a; HEADROOM + 256 + 80]; MESSAGES];
    let mut places = Vec::with_capacity(MESSAGES);
    let region = Region::new(ALLOCATOR);
    for buf in &mut bufs {
        places.push(group.seal(&mut session, &publisher, buf, 256));
    }
    let change = region.change();
    let sealing = change.allocations + change.reallocations;
    let mut reader = Reader::new(group);
    // The first of a session makes room for its window.
    let _ = reader.open(&mut group.envelope(&mut session, 256)).unwrap();
    let region = Region::new(ALLOCATOR);
    for (buf, place) in bufs.iter_mut().zip(places) {
        let _ = black_box(reader.open(&mut buf[place]).unwrap());
    }
    let change = region.change();
    (sealing, change.allocations + change.reallocations)
}

fn overhead() {
    let typical = Parts::of(SenderNumbers::TYPICAL, 0);
    // 2^14 is the first counter of three bytes.
    let largest = Parts::of(SenderNumbers::LARGEST, 1 << 14);
    assert!(
        largest.total() <= 148,
        "{} bytes of overhead",
        largest.total()
    );
    println!("\n### Bytes around a payload (full form, without properties and padding)\n");
    println!("| part | typical | largest |");
    println!("|---|---:|---:|");
    for ((name, typical), (_, largest)) in typical.0.iter().zip(&largest.0) {
        println!("| {name} | {typical} | {largest} |");
    }
    println!(
        "| **together** | **{}** | **{}** |",
        typical.total(),
        largest.total()
    );
}

/// Bytes of each part of a real envelope.
struct Parts(Vec<(&'static str, usize)>);

impl Parts {
    fn of(numbers: SenderNumbers, counter: u32) -> Self {
        const PAYLOAD: usize = 5;
        let group = Group::new(numbers);
        let mut session = group.start(0);
        let mut envelope = group.envelope(&mut session, PAYLOAD);
        while session.sealed() <= counter {
            envelope = group.envelope(&mut session, PAYLOAD);
        }
        let header = Header::parse(&envelope).unwrap();
        assert_eq!(header.counter, counter);
        let len = envelope.len();
        let mut reader = Reader::without_clock(&group);
        let opened = reader.open(&mut envelope).unwrap();
        let parts = Self(vec![
            (
                "form, key id, enc, mac",
                header.encoded_len() - varint_len(counter.into()),
            ),
            ("counter", varint_len(counter.into())),
            ("flags", 1),
            ("sender number", varint_len(opened.sender().0.into())),
            ("credential hint", 1),
            ("session number", varint_len(opened.session_number())),
            ("time", varint_len(opened.sent_at().unwrap())),
            (
                "topic sequence",
                varint_len(opened.sequence().unwrap().into()),
            ),
            ("signature", 64),
            ("tag", len - opened.payload_range().end - 64),
        ]);
        assert_eq!(parts.total(), len - PAYLOAD, "a part is missing");
        parts
    }

    fn total(&self) -> usize {
        self.0.iter().map(|(_, bytes)| bytes).sum()
    }
}

fn groups() {
    let mut rows = Vec::new();
    for members in [10, 10_000] {
        let mut domain = Domain::new(members);
        let rotation = domain.rotate();
        let removal = domain.remove_last();
        let after = domain.rotate();
        rows.push((members, rotation, removal, after));
    }
    let (small, large) = (rows[0], rows[1]);
    assert_eq!(
        (small.1, small.3),
        (large.1, large.3),
        "a rotation costs the same in any group"
    );
    println!("\n### Bytes that the authority publishes\n");
    println!("| members | rotation | removal of one | refused list | rotation after it |");
    println!("|---:|---:|---:|---:|---:|");
    for (members, rotation, (announcement, list), after) in rows {
        println!("| {members} | {rotation} | {announcement} | {list} | {after} |");
    }
}

fn micros(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 100.0 {
        format!("{micros:.1} µs")
    } else {
        format!("{micros:.0} µs")
    }
}

fn human_size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}
