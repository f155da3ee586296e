use std::fmt;

/// Why something did not work, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) String);

impl Failed {
    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        // Tables have one line for it.
        let reason = reason.to_string();
        let words: Vec<_> = reason.split_whitespace().collect();
        Self(words.join(" "))
    }

    /// For `map_err`: what was being done, and how it ended.
    pub(crate) fn at<E: fmt::Display>(what: &str) -> impl FnOnce(E) -> Self {
        move |error| Self::new(format_args!("{what}: {error}"))
    }
}
