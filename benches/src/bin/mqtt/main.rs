//! rumqttc and sealmq-rumqttc side by side, through one broker:
//! `cargo run --release -p sealmq-bench --bin mqtt [-- HOST:PORT]`.
//!
//! Without an address, Mosquitto is started. Publisher and subscriber are processes of their own,
//! so that the processor time and the allocations of each are its own; both sides take turns.
//! `SEALMQ_BENCH_MESSAGES` and `SEALMQ_BENCH_ROUNDS` set other numbers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a benchmark that cannot run as meant has to stop"
)]

mod broker;
mod domain;
mod roles;

use std::alloc::System;
use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use broker::Broker;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Messages that are measured in each run, after a tenth of them to warm up.
const MESSAGES: usize = 20_000;
/// Bytes of each payload.
const PAYLOAD: usize = 256;
/// Runs of each kind, in turns; the table shows medians.
const ROUNDS: usize = 5;

/// What one process did for one message.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// Messages per second.
    rate: f64,
    /// Microseconds of processor time, of the program and of the kernel for it.
    micros: f64,
    allocations: f64,
    /// Bytes allocated.
    bytes: f64,
}

#[derive(Clone, Copy)]
struct Run {
    publisher: Cost,
    subscriber: Cost,
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    if let Some("publish" | "subscribe") = args.first().map(String::as_str) {
        return roles::run(&args);
    }
    let number = |name, usual| env::var(name).map_or(usual, |number| number.parse().unwrap());
    let messages = number("SEALMQ_BENCH_MESSAGES", MESSAGES);
    let rounds = number("SEALMQ_BENCH_ROUNDS", ROUNDS);
    let broker = Broker::new(args.first().map(String::as_str));
    let folder = tempfile::tempdir().unwrap();
    domain::create(folder.path(), &broker.address);
    println!("### rumqttc and sealmq-rumqttc, through {}\n", broker.name);
    println!(
        "{PAYLOAD} B, MQTT 5, at most {} messages on their way; medians of {rounds} runs of {messages} messages, in turns.\n",
        roles::WINDOW
    );
    println!(
        "| | messages/s | publisher: CPU µs | allocations | subscriber: CPU µs | allocations |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for qos in ["0", "1"] {
        let mut sides = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            for side in [round % 2, (round + 1) % 2] {
                let kind = ["plain", "sealed"][side];
                sides[side].push(run(kind, qos, messages, folder.path(), &broker.address));
            }
        }
        let [plain, sealed] = sides.map(|runs| median(&runs));
        row(&format!("rumqttc, QoS {qos}"), &plain);
        row(&format!("sealmq-rumqttc, QoS {qos}"), &sealed);
        println!(
            "| sealed / plain | {:.2} | {:.2} | | {:.2} | |",
            sealed.subscriber.rate / plain.subscriber.rate,
            sealed.publisher.micros / plain.publisher.micros,
            sealed.subscriber.micros / plain.subscriber.micros
        );
    }
}

fn row(name: &str, run: &Run) {
    println!(
        "| {name} | {:.0} | {:.1} | {:.1} ({:.0} B) | {:.1} | {:.1} ({:.0} B) |",
        run.subscriber.rate,
        run.publisher.micros,
        run.publisher.allocations,
        run.publisher.bytes,
        run.subscriber.micros,
        run.subscriber.allocations,
        run.subscriber.bytes,
    );
}

/// What the subscriber took goes straight to the publisher's standard input.
fn run(kind: &str, qos: &str, messages: usize, folder: &Path, address: &str) -> Run {
    let messages = messages.to_string();
    let child = |role: &str, input: Stdio, output: Stdio| {
        Command::new(env::current_exe().unwrap())
            .args([role, kind, qos, &messages, address])
            .arg(folder)
            .stdin(input)
            .stdout(output)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut subscriber = child("subscribe", Stdio::null(), Stdio::piped());
    let mut taken = subscriber.stdout.take().unwrap();
    // Subscribed.
    taken.read_exact(&mut [0]).expect("the subscriber runs");
    let publisher = child("publish", taken.into(), Stdio::null());
    Run {
        publisher: result(publisher),
        subscriber: result(subscriber),
    }
}

/// Four numbers on the last line that a child writes.
fn result(mut child: Child) -> Cost {
    let mut last = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        last = line.unwrap();
    }
    assert!(child.wait().unwrap().success(), "{last}");
    let numbers: Vec<f64> = last
        .split(' ')
        .map(|number| number.parse().unwrap_or_else(|_| panic!("{last}")))
        .collect();
    Cost {
        rate: numbers[0],
        micros: numbers[1],
        allocations: numbers[2],
        bytes: numbers[3],
    }
}

fn median(runs: &[Run]) -> Run {
    let of = |part: fn(&Run) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(part).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Run {
        publisher: Cost {
            rate: of(|run| run.publisher.rate),
            micros: of(|run| run.publisher.micros),
            allocations: of(|run| run.publisher.allocations),
            bytes: of(|run| run.publisher.bytes),
        },
        subscriber: Cost {
            rate: of(|run| run.subscriber.rate),
            micros: of(|run| run.subscriber.micros),
            allocations: of(|run| run.subscriber.allocations),
            bytes: of(|run| run.subscriber.bytes),
        },
    }
}
