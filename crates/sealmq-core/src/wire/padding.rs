/// How much a sender pads (spec/envelope.md §4, from the announcement's policy). A reader takes
/// any amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Padding {
    /// No padding: the envelope's length shows the payload's.
    #[default]
    None,
    /// Padmé: at most 12 % more, and lengths leak O(log log n) bits.
    Padme,
    /// Up to the next multiple of this many bytes (0 and 1 pad nothing).
    Bucket(u32),
}

impl Padding {
    /// The padded length of a body of `len` bytes; `None` above `usize`.
    #[must_use]
    pub fn padded_len(self, len: usize) -> Option<usize> {
        match self {
            Self::None | Self::Bucket(0) => Some(len),
            Self::Padme => {
                // e = floor(log2 len), s = floor(log2 e) + 1; 1 and 2 stay as they are.
                let Some(e) = len.checked_ilog2().filter(|_| len > 2) else {
                    return Some(len);
                };
                let s = e.ilog2().saturating_add(1);
                let mask = 1_usize.checked_shl(e.saturating_sub(s))?.checked_sub(1)?;
                Some(len.checked_add(mask)? & !mask)
            }
            Self::Bucket(bytes) => len.checked_next_multiple_of(usize::try_from(bytes).ok()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The spec's formula, in floating point.
    fn reference(len: usize) -> usize {
        if len <= 2 {
            return len;
        }
        let e = (len as f64).log2().floor();
        let s = e.log2().floor() + 1.0;
        let m = if e < s { 0.0 } else { (e - s).exp2() - 1.0 };
        (len + m as usize) & !(m as usize)
    }

    #[test]
    fn padme_as_the_formula() {
        for len in 0..200_000 {
            let padded = Padding::Padme.padded_len(len).unwrap();
            assert_eq!(padded, reference(len), "{len}");
            assert!(padded >= len && padded as f64 <= len as f64 * 1.12);
        }
        assert_eq!(Padding::Padme.padded_len(9), Some(10));
        assert_eq!(Padding::Padme.padded_len(1000), Some(1024));
        assert_eq!(Padding::Padme.padded_len(usize::MAX), None);
    }

    #[test]
    fn buckets() {
        for (len, padded) in [(0, 0), (1, 64), (64, 64), (65, 128)] {
            assert_eq!(Padding::Bucket(64).padded_len(len), Some(padded));
        }
        assert_eq!(Padding::Bucket(0).padded_len(7), Some(7));
        assert_eq!(Padding::None.padded_len(7), Some(7));
        assert_eq!(Padding::Bucket(64).padded_len(usize::MAX), None);
    }
}
