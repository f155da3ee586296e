//! NOR flash in memory, whose power can be cut within every write and erase.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// What an erase counts in units of work; a written byte is one.
const ERASE_WORK: u64 = 8;

#[derive(Clone)]
pub struct Nor<const PAGE: usize, const WORD: usize> {
    pub bytes: Vec<u8>,
    /// By page.
    pub erases: Vec<u32>,
    /// Work until the power is cut.
    pub left: Option<u64>,
    pub work: u64,
    pub noise: Noise,
}

/// The power was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut;

#[derive(Clone, Copy)]
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) ^ self.0 >> 11
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}

impl<const PAGE: usize, const WORD: usize> Nor<PAGE, WORD> {
    /// As a chip comes that was used for something else.
    pub fn new(pages: usize) -> Self {
        let mut noise = Noise(1);
        Self {
            bytes: (0..PAGE * pages).map(|_| noise.byte()).collect(),
            erases: vec![0; pages],
            left: None,
            work: 0,
            noise,
        }
    }

    pub fn region(&self) -> std::ops::Range<u32> {
        0..self.bytes.len() as u32
    }

    /// `Err`: the power goes within these units of work, after so many of them.
    fn take(&mut self, units: u64) -> Result<(), u64> {
        self.work += units;
        match &mut self.left {
            Some(left) if *left < units => Err(std::mem::take(left)),
            Some(left) => {
                *left -= units;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl NorFlashError for Cut {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const PAGE: usize, const WORD: usize> ErrorType for Nor<PAGE, WORD> {
    type Error = Cut;
}

impl<const PAGE: usize, const WORD: usize> ReadNorFlash for Nor<PAGE, WORD> {
    const READ_SIZE: usize = WORD;

    fn read(&mut self, offset: u32, out: &mut [u8]) -> Result<(), Cut> {
        let at = offset as usize;
        assert!(at.is_multiple_of(WORD) && out.len().is_multiple_of(WORD));
        out.copy_from_slice(&self.bytes[at..at + out.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const PAGE: usize, const WORD: usize> NorFlash for Nor<PAGE, WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Cut> {
        let range = from as usize..to as usize;
        assert!(range.start.is_multiple_of(PAGE) && range.len() == PAGE);
        let done = self.take(ERASE_WORK);
        self.erases[range.start / PAGE] += 1;
        for byte in &mut self.bytes[range] {
            // Chips write zeros first; between the two anything can be there.
            *byte = match (done, self.noise.below(4)) {
                (Ok(()), _) | (Err(_), 0) => 0xff,
                (Err(0), _) | (Err(_), 1) => *byte,
                (Err(_), 2) => 0,
                (Err(_), _) => self.noise.byte(),
            };
        }
        done.map_err(|_| Cut)
    }

    fn write(&mut self, offset: u32, new: &[u8]) -> Result<(), Cut> {
        let at = offset as usize;
        assert!(at.is_multiple_of(WORD) && new.len().is_multiple_of(WORD));
        let there = &self.bytes[at..at + new.len()];
        assert!(there.iter().all(|byte| *byte == 0xff), "written twice");
        let done = self.take(new.len() as u64);
        let whole = done.map_or_else(|done| done as usize, |()| new.len());
        self.bytes[at..at + whole].copy_from_slice(&new[..whole]);
        if done.is_err() {
            // Of the word that was being written, some bits are.
            let end = (whole + 1).next_multiple_of(WORD).min(new.len());
            for (byte, new) in self.bytes[at + whole..at + end]
                .iter_mut()
                .zip(&new[whole..end])
            {
                *byte = new | self.noise.byte();
            }
        }
        done.map_err(|_| Cut)
    }
}
