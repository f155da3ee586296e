//! Sealing in place, beside the primitives called bare.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "numbers of sessions and lengths of buffers, far from any limit"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sealmq_bench::{Floor, Group, HEADROOM, SIZES, SenderNumbers};

fn seal(c: &mut Criterion) {
    let group = Group::new(SenderNumbers::TYPICAL);
    let publisher = group.publisher();
    let floor = Floor::new();
    let mut bench = c.benchmark_group("seal");
    for (size, number) in SIZES.into_iter().zip(0..) {
        bench.throughput(Throughput::Bytes(size as u64));
        let mut session = group.start(number * 1_000_000);
        let mut sessions = number * 1_000_000;
        let mut buf = vec![0x5a; HEADROOM + size + 80];
        bench.bench_function(BenchmarkId::new("sealmq", size), |b| {
            b.iter(|| {
                if session.sealed() == 1 << 21 {
                    sessions += 1;
                    session = group.start(sessions);
                }
                group.seal(&mut session, &publisher, &mut buf, size)
            });
        });
        let mut bare = Floor::buffer(size);
        bench.bench_function(BenchmarkId::new("floor", size), |b| {
            b.iter(|| floor.seal(&mut bare));
        });
    }
}

criterion_group!(benches, seal);
criterion_main!(benches);
