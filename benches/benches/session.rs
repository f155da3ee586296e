//! Starting a session, and opening its first message.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run as meant has to stop"
)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sealmq_bench::{Group, Reader, SenderNumbers};

fn session(c: &mut Criterion) {
    let group = Group::new(SenderNumbers::TYPICAL);
    let mut numbers = 0_u64..;
    c.bench_function("session/start", |b| {
        b.iter(|| group.start(numbers.next().unwrap()))
    });
    let mut reader = Reader::new(&group);
    c.bench_function("session/first message, 256 B", |b| {
        b.iter_batched_ref(
            || group.envelope(&mut group.start(numbers.next().unwrap()), 256),
            |envelope| reader.open(envelope).unwrap().payload().len(),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, session);
criterion_main!(benches);
