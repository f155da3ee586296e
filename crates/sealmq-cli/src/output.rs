//! Standard output for results, standard error for remarks.

use std::fmt::Display;
use std::io::{self, Write as _};

use crate::failure::Failure;

/// Prints a line of the result, or several at once: a reader that has found what it wanted and leaves
/// (`sealmq group show plant | grep -q …`) must not make the command fail that has done its work.
pub(crate) fn say(lines: impl Display) -> Result<(), Failure> {
    let lines = format!("{lines}\n");
    let written = io::stdout().write_all(lines.as_bytes());
    written.map_err(|error| Failure::output(&error))
}

/// Prints a remark. When nobody listens there is nothing to be done.
pub(crate) fn note(line: impl Display) {
    let _closed = writeln!(io::stderr(), "{line}");
}
