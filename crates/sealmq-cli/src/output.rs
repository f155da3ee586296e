//! Standard output for results, standard error for remarks.

use std::fmt::Display;
use std::io::{self, Write as _};

use crate::failure::Failure;

/// Prints a line of the result.
pub(crate) fn say(line: impl Display) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").map_err(|error| Failure::output(&error))
}

/// Prints a remark. When nobody listens there is nothing to be done.
pub(crate) fn note(line: impl Display) {
    let _closed = writeln!(io::stderr(), "{line}");
}
