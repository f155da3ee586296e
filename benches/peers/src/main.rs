//! Prints the table of docs/speed.md, in one run on one machine:
//! `cargo run --release --manifest-path benches/peers/Cargo.toml`, with `--no-default-features` for
//! sealmq over RustCrypto.
//!
//! Each peer has one sender and one reader in a group; a message is sealed, signed by its sender and
//! opened by somebody who knows the sender already. Processor time of this thread, medians of rounds
//! in which all peers take turns.

#[allow(dead_code, reason = "the bench crate uses the rest")]
#[path = "../../src/domain.rs"]
mod domain;
mod floor;
#[allow(dead_code, reason = "the bench crate uses the rest")]
#[path = "../../src/group.rs"]
mod group;
#[allow(dead_code, reason = "the bench crate uses the rest")]
#[path = "../../src/measure.rs"]
mod measure;
mod megolm;
mod mls;
mod one_shot;
mod open_mls;
mod ours;

use std::hint::black_box;
use std::time::Duration;

use measure::Stopwatch;

/// Members of the group that gets new keys.
const MEMBERS: u32 = 100;
const ROUNDS: usize = 61;

trait Peer {
    fn name(&self) -> String;
    fn seal(&mut self, payload: &[u8]) -> Vec<u8>;
    /// Opens the next message in order; the payload's length.
    fn open(&mut self, sealed: &[u8]) -> usize;
    /// New keys for a group of [`MEMBERS`]: what it takes whoever makes them, and what is sent.
    fn rekey(&mut self) -> Option<(Duration, usize)>;
}

fn main() {
    let mut peers: Vec<Box<dyn Peer>> = vec![
        Box::new(ours::Ours::new()),
        Box::new(mls::mls_rs()),
        Box::new(open_mls::OpenMls::new()),
        Box::new(megolm::Megolm::new()),
        Box::new(one_shot::OneShot::new()),
        Box::new(floor::AwsLc::new()),
        Box::new(floor::Dalek::new()),
    ];
    println!(
        "| | seal 256 B | open 256 B | more bytes | seal 1 MiB | open 1 MiB | new keys, {MEMBERS} members |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let small = measured(&mut peers, 256, 40);
    let large = measured(&mut peers, 1 << 20, 1);
    for (peer, (small, large)) in peers.iter_mut().zip(small.iter().zip(&large)) {
        let keys = peer.rekey().map_or("".into(), |(time, bytes)| {
            format!("{}, {bytes} bytes", micros(time))
        });
        println!(
            "| {} | {} | {} | {} | {} | {} | {keys} |",
            peer.name(),
            micros(small.seal),
            micros(small.open),
            small.bytes,
            micros(large.seal),
            micros(large.open),
        );
    }
    let per = |i: usize, f: fn(&Measured) -> Duration| f(&small[i]).as_secs_f64();
    println!(
        "\nSealing 256 B is {:.2} × the floor of AWS-LC, opening {:.2} × that of verify_strict; \
         1 MiB: sealing {:.2} × the floor of AWS-LC.",
        per(0, |m| m.seal) / per(5, |m| m.seal),
        per(0, |m| m.open) / per(6, |m| m.open),
        large[0].seal.as_secs_f64() / large[5].seal.as_secs_f64(),
    );
}

struct Measured {
    seal: Duration,
    open: Duration,
    /// More than the payload has.
    bytes: usize,
}

fn measured(peers: &mut [Box<dyn Peer>], len: usize, calls: u32) -> Vec<Measured> {
    let payload = vec![0x5a; len];
    let mut times = vec![(Vec::new(), Vec::new(), 0); peers.len()];
    for _ in 0..ROUNDS {
        for (peer, (seals, opens, bytes)) in peers.iter_mut().zip(&mut times) {
            let start = Stopwatch::start();
            let sealed: Vec<_> = (0..calls).map(|_| black_box(peer.seal(&payload))).collect();
            seals.push(start.elapsed() / calls);
            *bytes = sealed[0].len() - len;
            let start = Stopwatch::start();
            for message in &sealed {
                assert_eq!(peer.open(message), len);
            }
            opens.push(start.elapsed() / calls);
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let measured = |(seals, opens, bytes)| Measured {
        seal: median(seals),
        open: median(opens),
        bytes,
    };
    times.into_iter().map(measured).collect()
}

/// Median of what a call takes, and what it returns.
fn timed(mut call: impl FnMut() -> usize) -> Option<(Duration, usize)> {
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..9 {
        let start = Stopwatch::start();
        bytes = black_box(call());
        times.push(start.elapsed());
    }
    times.sort();
    Some((times[4], bytes))
}

fn micros(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros < 100.0 {
        true => format!("{micros:.1} µs"),
        false => format!("{micros:.0} µs"),
    }
}
