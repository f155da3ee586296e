//! Tables of cases: one row is one vector.
//!
//! A row begins with the vector's id and its comment; then come the values that make it, and behind
//! `=>` what is expected. There are two macros, and rustfmt leaves their rows as they are written.
//!
//! [`table!`] calls a function with each row. Its last argument may stand behind an arrow:
//!
//! ```text
//! table! { bad:
//!     "domain":   "Of another domain.",  |f| f.domain = DomainId([1; 16]) => "domain";
//!     "member-0": "Members begin with 1.", |f| f.member = MemberNumber(0) => "field";
//! }
//! ```
//!
//! is `bad("domain", "Of another domain.", |f| …, "domain");` and so on. With a file behind the
//! function, which makes a [`Plan`](super::keys::objects::Plan) then, the arrow leads to the verdict:
//! `valid`, or the reason for which the object is refused, and the attacks that it is about:
//!
//! ```text
//! table! { plan => file:
//!     "last-second": "The last second.",           made(1, NOW)     => valid;
//!     "expired":     "One second after not_after.", made(1, NOW - 1) => "expired" ["A2"];
//! }
//! ```
//!
//! Without a function it is an array of tuples, for a loop.
//!
//! [`stories!`] is for vectors in which several things happen: behind the arrow they stand in their
//! order, as calls of the builder's methods.
//!
//! ```text
//! stories! { new => file:
//!     "skip": "A member that was away." => .attacks(&["A5"]).ok(1).ok(6);
//!     "fill": "Skipped epochs are filled." => .ok(1).ok(5).ok(3).known(5);
//! }
//! ```
//!
//! Both take any expression for the function: `Follower::of(&group, READER, 1)`, or a closure.

macro_rules! table {
    ($($id:literal: $($value:expr),+ $(=> $last:expr)?;)+) => {
        [$(($id, $($value),+ $(, $last)?)),+]
    };
    ($case:ident: $($id:literal: $($value:expr),+ $(=> $last:expr)?;)+) => {
        $($case($id, $($value),+ $(, $last)?);)+
    };
    ($plan:expr => $file:ident: $($id:literal: $($value:expr),+ => $verdict:tt $([$($attack:literal),+])?;)+) => {{
        let plan = $plan;
        $(plan($id, $($value),+).verdict($crate::vectors::table::verdict!($verdict), &[$($($attack),+)?], $file);)+
    }};
}

macro_rules! verdict {
    (valid) => {
        None
    };
    ($reason:literal) => {
        Some($reason)
    };
}

macro_rules! stories {
    ($new:expr => $file:ident: $($id:literal: $($value:expr),+ => $(.$step:ident($($argument:expr),*))+;)+) => {{
        let new = $new;
        $(new($id, $($value),+)$(.$step($($argument),*))+.done($file);)+
    }};
}

pub(crate) use {stories, table, verdict};
