//! Kind `connections`: the numbers that order a sender's state against its wills (spec/envelope.md
//! §6, §8).

use crate::vectors::prelude::*;

const CONNECTIONS: Series = Series::new(
    "connections",
    "connections-",
    &["envelope.md §6", "envelope.md §8"],
)
.attacks(&["A25"]);

/// A sender from before its first connection on.
struct Story {
    id: String,
    comment: String,
    previous: u64,
    now: Option<u64>,
    steps: Vec<Json>,
}

impl Story {
    fn new(id: &str, comment: &str, previous: u64) -> Self {
        let (id, comment) = (id.to_owned(), comment.to_owned());
        Self {
            id,
            comment,
            previous,
            now: Some(NOW),
            steps: vec![],
        }
    }

    /// The clock from now on.
    fn at(mut self, now: Option<u64>) -> Self {
        self.now = now;
        self
    }

    fn step(mut self, step: Json, expect: Json) -> Self {
        self.steps.push(step.with("expect", expect));
        self
    }

    /// A connection with a will in the session with this number.
    fn will(self, number: u64) -> Self {
        let step = object! { connect: object! { will: true }, now: self.now };
        self.step(step, object! { will: number, connection: number })
    }

    /// A connection without one.
    fn plain(self, connection: u64) -> Self {
        let step = object! { connect: object! { will: false }, now: self.now };
        let none = None::<u64>;
        self.step(step, object! { will: none, connection: connection })
    }

    fn session(self, number: u64) -> Self {
        let step = object! { session: true, now: self.now };
        self.step(step, object! { session_number: number })
    }

    fn new_credential(self) -> Self {
        let step = object! { new_credential: true };
        self.step(step, object! { connection: 0_u8 })
    }

    fn done(self, file: &mut VectorFile) {
        let input = object! { previous: self.previous, steps: Json::Array(self.steps) };
        file.push(CONNECTIONS.case(&self.id, &self.comment, input));
    }
}

pub(crate) fn vectors(file: &mut VectorFile) {
    stories! { Story::new => file:
        "none": "A member that never sealed a will has no connections.", 0
            => .plain(0).session(NOW).plain(0).session(NOW + 1).plain(0);
        "first-will": "The number of the first will is that of its connection.", 5
            => .plain(0).session(NOW).will(NOW + 1);
        "session-after-will": "No other session gets the number of a will.", 5
            => .will(NOW).session(NOW + 1).will(NOW + 2).session(NOW + 3);
        "without-will": "From then on a connection without a will takes a number of its own.", 5
            => .will(NOW).session(NOW + 1).plain(NOW + 2).session(NOW + 3).plain(NOW + 4);
        "will-again": "And the next will takes one above it.", 5 => .will(NOW).plain(NOW + 1).will(NOW + 2);
        "clock": "They follow the clock as session numbers do.", 5
            => .will(NOW).at(Some(NOW + 60)).plain(NOW + 60).at(Some(NOW + 30)).will(NOW + 61);
        "clock-behind": "A clock that was put back.", NOW + 1000 => .will(NOW + 1001).plain(NOW + 1002);
        "no-clock": "Without a clock: one more each time.", 0
            => .at(None).plain(0).session(1).will(2).session(3).plain(4);
        "new-credential": "Under a new credential no will was sealed yet.", 5
            => .will(NOW).session(NOW + 1).new_credential().session(NOW + 2).plain(0).session(NOW + 3).plain(0);
        "new-credential-will": "Its first will begins anew, with numbers that go on.", 5
            => .will(NOW).new_credential().plain(0).will(NOW + 1).plain(NOW + 2);
        "new-credential-before-will": "A new credential before the first will changes nothing.", 5
            => .plain(0).new_credential().plain(0).will(NOW);
    }
}
