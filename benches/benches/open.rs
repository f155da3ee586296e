//! Opening in place in a known session, beside the primitives called bare.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run as meant has to stop"
)]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sealmq_bench::{Floor, Group, Reader, SIZES, SenderNumbers};

fn open(c: &mut Criterion) {
    let group = Group::new(SenderNumbers::TYPICAL);
    let floor = Floor::new();
    let mut bench = c.benchmark_group("open");
    for (size, number) in SIZES.into_iter().zip(0..) {
        bench.throughput(Throughput::Bytes(size as u64));
        let mut session = group.start(number);
        let mut reader = Reader::new(&group);
        bench.bench_function(BenchmarkId::new("sealmq", size), |b| {
            b.iter_batched_ref(
                || group.envelope(&mut session, size),
                |envelope| reader.open(envelope).unwrap().payload().len(),
                BatchSize::LargeInput,
            );
        });
        let mut bare = Floor::buffer(size);
        floor.seal(&mut bare);
        bench.bench_function(BenchmarkId::new("floor", size), |b| {
            b.iter_batched_ref(
                || bare.clone(),
                |buf| floor.open(buf),
                BatchSize::LargeInput,
            );
        });
    }
}

criterion_group!(benches, open);
criterion_main!(benches);
