//! Text in columns for terminals.

use std::fmt::Write as _;

use crate::output::acts;

/// Bytes as printable text of at most `width` characters.
pub(super) fn text(bytes: &[u8], width: usize) -> String {
    // More than enough for the width, and never megabytes.
    let start = bytes.get(..width.saturating_mul(4)).unwrap_or(bytes);
    let mut shown = String::new();
    for character in String::from_utf8_lossy(start).chars() {
        match character {
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            c if acts(c) => {
                let _infallible = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    if shown.is_empty() && bytes.is_empty() {
        shown.push_str("(empty)");
    }
    fit(&shown, width, start.len() < bytes.len())
}

/// The first bytes in hex.
pub(super) fn hex_start(bytes: &[u8], count: usize) -> String {
    let start = bytes.get(..count).unwrap_or(bytes);
    let more = if start.len() < bytes.len() { "…" } else { "" };
    format!("{}{more}", hex::encode(start))
}

fn fit(text: &str, width: usize, is_cut: bool) -> String {
    let length = text.chars().count();
    if length <= width && !is_cut {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Pads to a width in characters.
pub(super) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_fits_and_nothing_disturbs_the_terminal() {
        for bytes in [
            &b"abc"[..],
            b"",
            b"\x1b[2J\x07\0",
            &[0xff; 300_000],
            "Δp ok 😀".as_bytes(),
            &[b'x'; 24],
        ] {
            let shown = text(bytes, 24);
            assert!(shown.chars().count() <= 24, "{shown}");
            assert!(!shown.contains(char::is_control));
        }
        assert_eq!(text(b"abc", 24), "abc");
        assert_eq!(text(&[b'x'; 25], 24), format!("{}…", "x".repeat(23)));
        assert_eq!(text(b"", 24), "(empty)");
        assert_eq!(pad("Δ", 3), "Δ  ");
        assert_eq!(hex_start(&[0xab; 9], 2), "abab…");
    }
}
