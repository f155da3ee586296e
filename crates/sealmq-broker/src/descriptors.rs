//! How many connections the process may have open.

/// For the store, the listeners, standard streams, and whatever else the program has open.
const RESERVED: usize = 64;
/// The connection, and a handle that can close it while mqtt5 has it.
const PER_CONNECTION: usize = 2;

/// Connections that fit the process's limit of open files, if there is one.
pub(crate) fn connections() -> Option<usize> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        let files = getrlimit(Resource::Nofile).current?;
        Some(fitting(usize::try_from(files).unwrap_or(usize::MAX)))
    }
    #[cfg(not(unix))]
    None
}

fn fitting(files: usize) -> usize {
    files
        .saturating_sub(RESERVED)
        .checked_div(PER_CONNECTION)
        .unwrap_or_default()
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_descriptors_each_and_some_for_the_rest() {
        assert_eq!(fitting(1024), 480);
        assert_eq!(fitting(10), 1);
        assert!(connections().is_none_or(|count| count > 0));
    }
}
