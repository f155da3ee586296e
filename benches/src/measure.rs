use std::time::Duration;

use cpu_time::ThreadTime;

/// Counts this thread's processor time, so that other programs do not count.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(ThreadTime);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(ThreadTime::now())
    }

    /// Processor time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Times per call, and how they compare.
#[derive(Debug, Clone, Copy)]
pub struct Paired {
    /// Median time of one call of the first.
    pub ours: Duration,
    /// Median time of one call of the second.
    pub floor: Duration,
    /// Median of the ratios within each round, which what else runs on the machine disturbs less
    /// than it disturbs the two medians.
    pub ratio: f64,
}

/// Runs both in turns, `calls` times each in every round, and swaps their order from round to
/// round. Each gets the number of calls and returns what they took, so that it can prepare its
/// input outside of the measured time.
pub fn paired(
    rounds: usize,
    calls: u32,
    mut ours: impl FnMut(u32) -> Duration,
    mut floor: impl FnMut(u32) -> Duration,
) -> Paired {
    ours(calls);
    floor(calls);
    let mut times = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let (a, b) = if round % 2 == 0 {
            let a = ours(calls);
            (a, floor(calls))
        } else {
            let b = floor(calls);
            (ours(calls), b)
        };
        times.0.push(a / calls);
        times.1.push(b / calls);
        times.2.push(a.as_secs_f64() / b.as_secs_f64());
    }
    times.2.sort_by(f64::total_cmp);
    Paired {
        ours: median(times.0),
        floor: median(times.1),
        ratio: times.2[rounds / 2],
    }
}

/// Median time of one call.
pub fn per_call<T>(rounds: usize, mut call: impl FnMut() -> T) -> Duration {
    let times = (0..rounds).map(|_| {
        let start = Stopwatch::start();
        std::hint::black_box(call());
        start.elapsed()
    });
    median(times.collect())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
