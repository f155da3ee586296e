use core::fmt;

/// A member's or group's name is not in the closed alphabet (spec/keys.md §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameError;

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name has 1 to 64 characters from A-Z a-z 0-9 . _ -")
    }
}

impl core::error::Error for NameError {}

/// Longest name in bytes.
pub const MAX_NAME_LEN: usize = 64;

/// Checks a name of a member or group: 1 to 64 characters from `A–Z a–z 0–9 . _ -`.
///
/// The alphabet is closed because names meet topics: no `/`, `+`, `#`, `%` can ever come from one.
///
/// ```
/// assert!(sealmq_core::check_name("boiler-7.north").is_ok());
/// assert!(sealmq_core::check_name("a/b").is_err());
/// ```
///
/// # Errors
/// Empty, too long, or another character.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > MAX_NAME_LEN || !name.bytes().all(allowed) {
        return Err(NameError);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_alphabet() {
        for good in ["a", "A9._-", &"x".repeat(64)] {
            assert_eq!(check_name(good), Ok(()));
        }
        for bad in [
            "",
            "a b",
            "+",
            "#",
            "%c",
            "a/b",
            "é",
            "a\0",
            &"x".repeat(65),
        ] {
            assert_eq!(check_name(bad), Err(NameError));
        }
    }
}
