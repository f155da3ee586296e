//! Looks for readable parts of the messages in what the broker carried.

use std::collections::HashSet;

/// Short enough to find fragments, long enough that chance finds none: with a million blocks and
/// a gigabyte carried, one false alarm in about 18,000 runs.
const BLOCK: usize = 8;

/// The blocks of all messages, cut at multiples of 8 bytes and at the end. A run of 15 readable
/// bytes anywhere contains one of them.
pub(super) struct Blocks {
    blocks: HashSet<[u8; BLOCK]>,
    /// Messages of fewer than 8 bytes, of which chance would find copies, and empty ones.
    pub(super) too_short: usize,
}

impl Blocks {
    /// `public` are texts that may appear: names, filters and topics.
    pub(super) fn new<'a>(messages: impl Iterator<Item = &'a [u8]>, public: &[&str]) -> Self {
        let mut blocks = HashSet::new();
        let mut too_short = 0_usize;
        for message in messages {
            let Some(last) = message.last_chunk() else {
                too_short = too_short.saturating_add(1);
                continue;
            };
            blocks.insert(*last);
            blocks.extend(message.as_chunks().0);
        }
        blocks.retain(|block: &[u8; BLOCK]| {
            let is_run = block.iter().all(|byte| Some(byte) == block.first());
            // Runs of one byte (zeros, say) stand in key objects, too.
            !is_run && !public.iter().any(|text| contains(text.as_bytes(), block))
        });
        Self { blocks, too_short }
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether a part of a message is readable in these bytes.
    pub(super) fn found_in(&self, carried: &[u8]) -> bool {
        carried.windows(BLOCK).any(|window| {
            <[u8; BLOCK]>::try_from(window).is_ok_and(|window| self.blocks.contains(&window))
        })
    }
}

fn contains(text: &[u8], block: &[u8]) -> bool {
    text.windows(BLOCK).any(|window| window == block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_of_15_bytes_is_found() {
        let message: Vec<u8> = (0..100).collect();
        let blocks = Blocks::new([&message[..], b"short"].into_iter(), &[]);
        assert_eq!(blocks.too_short, 1);
        for start in 0..=85 {
            let carried = [b"xx", &message[start..start + 15], b"yy"].concat();
            assert!(blocks.found_in(&carried), "{start}");
        }
        assert!(blocks.found_in(&message[92..]));
        assert!(!blocks.found_in(&message[1..8]));
        assert!(!blocks.found_in(b""));
    }

    #[test]
    fn public_texts_and_runs_are_no_leak() {
        let blocks = Blocks::new(
            [&b"plant/line1/temp"[..], &[0; 32]].into_iter(),
            &["plant/line1/temp"],
        );
        assert_eq!(blocks.len(), 0);
        assert!(!blocks.found_in(b"plant/line1/temp"));
    }
}
