//! A member that follows announcements, and the authority that makes them.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run as meant has to stop"
)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sealmq_bench::{Domain, NOW};
use sealmq_keys::group::{FollowContext, GroupState};

fn follow(c: &mut Criterion) {
    let mut domain = Domain::new(10);
    domain.rotate();
    domain.remove_last();
    domain.rotate();
    let fresh = domain.fresh_state();
    let context = FollowContext {
        authorities: domain.delegation(),
        prefix: domain.prefix(),
        now: Some(NOW),
        referenced: None,
        chunk: None,
    };
    let names = [
        "ordinary",
        "ordinary after one",
        "healing",
        "ordinary after healing",
    ];
    let mut state = GroupState::decode(&fresh).unwrap();
    for (name, announcement) in names.iter().zip(domain.announcements()) {
        let before = state.to_bytes().unwrap();
        c.bench_function(&format!("follow/{name}"), |b| {
            b.iter_batched_ref(
                || GroupState::decode(&before).unwrap(),
                |state| state.follow(announcement, &context).unwrap(),
                BatchSize::SmallInput,
            );
        });
        state.follow(announcement, &context).unwrap();
    }
    let mut domain = Domain::new(10);
    c.bench_function("authority/rotation", |b| b.iter(|| domain.rotate()));
}

criterion_group!(benches, follow);
criterion_main!(benches);
