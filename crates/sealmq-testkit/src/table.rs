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
//! function, which makes a vector then, the arrow leads to the verdict:
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
//! stories! { Follower::of(&group, READER, 1) => file:
//!     "skip": "A member that was away." => .attacks(&["A5"]).ok(1).ok(6);
//!     "fill": "Skipped epochs are filled." => .ok(1).ok(5).ok(3).known(5);
//! }
//! ```
//!
//! For the function both take any expression: a name, a closure, `Plan::of("credential", context)`.
//! Calls that are the same for all rows stand once, in brackets behind it:
//! `Follower::of(&group, READER, 1), [.under(1).ok(1)] => file:`.

macro_rules! table {
    (@row ($case:expr) [$(.$step:ident($($argument:expr),*))*] $file:ident $verdict:tt $attacks:tt) => {
        $case$(.$step($($argument),*))*.verdict($crate::table::verdict!($verdict), &$attacks, $file)
    };
    ($($id:literal: $($value:expr),+ $(=> $last:expr)?;)+) => {
        [$(($id, $($value),+ $(, $last)?)),+]
    };
    ($case:ident: $($id:literal: $($value:expr),+ $(=> $last:expr)?;)+) => {
        $($case($id, $($value),+ $(, $last)?);)+
    };
    ($plan:expr, $common:tt => $file:ident:
        $($id:literal: $($value:expr),+ => $verdict:tt $([$($attack:literal),+])?;)+) => {{
        let plan = $plan;
        $($crate::table::table!(@row (plan($id, $($value),+)) $common $file $verdict [$($($attack),+)?]);)+
    }};
    ($plan:expr => $file:ident: $($rows:tt)+) => {
        $crate::table::table! { $plan, [] => $file: $($rows)+ }
    };
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
    (@row ($case:expr) [$(.$first:ident($($with:expr),*))*] $file:ident $(.$step:ident($($argument:expr),*))+) => {
        $case$(.$first($($with),*))*$(.$step($($argument),*))+.done($file)
    };
    ($new:expr, $common:tt => $file:ident:
        $($id:literal: $($value:expr),+ => $(.$step:ident($($argument:expr),*))+;)+) => {{
        let new = $new;
        $($crate::table::stories!(
            @row (new($id, $($value),+)) $common $file $(.$step($($argument),*))+
        );)+
    }};
    ($new:expr => $file:ident: $($rows:tt)+) => {
        $crate::table::stories! { $new, [] => $file: $($rows)+ }
    };
}

pub(crate) use {stories, table, verdict};
