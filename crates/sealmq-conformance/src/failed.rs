use std::fmt;

/// Longest reason, in characters.
const MOST_SHOWN: usize = 300;

/// Why something did not work, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) String);

impl Failed {
    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        // Tables have one line for it, and it may quote what a broker delivered.
        let reason = reason.to_string();
        let words: Vec<_> = reason.split_whitespace().collect();
        let line = words.join(" ");
        let shown = line
            .chars()
            .filter(|letter| letter.is_ascii_graphic() || *letter == ' ');
        Self(shown.take(MOST_SHOWN).collect())
    }

    /// For `map_err`: what was being done, and how it ended.
    pub(crate) fn at<E: fmt::Display>(what: &str) -> impl FnOnce(E) -> Self {
        move |error| Self::new(format_args!("{what}: {error}"))
    }
}
