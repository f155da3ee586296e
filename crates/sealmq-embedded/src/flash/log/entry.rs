//! What stands in flash: headers of pages and of entries.

/// Bytes that are read or written at once: a multiple of every word size that is supported.
pub(super) const CHUNK: usize = 64;
/// Length of both headers, before they are padded to a word.
pub(super) const HEADER: usize = 16;

const MAGIC: u16 = 0x5351;
const ERASED: u8 = 0xff;

/// A page: its place in the order of all pages, and where the first entry begins that does not
/// begin on an earlier page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Rises with each page that is begun.
    pub(super) sequence: u32,
    /// How far back the sequence of the page before is.
    pub(super) step: u16,
    pub(super) first: u32,
}

impl PageHeader {
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        let mut body = [0; HEADER - 4];
        put(&mut body, 0, &MAGIC.to_le_bytes());
        put(&mut body, 2, &self.step.to_le_bytes());
        put(&mut body, 4, &self.sequence.to_le_bytes());
        put(&mut body, 8, &self.first.to_le_bytes());
        put(&mut out, 0, &Crc::NEW.of(&body).to_le_bytes());
        put(&mut out, 4, &body);
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (crc, rest) = bytes.split_first_chunk()?;
        let (body, _) = rest.split_first_chunk::<{ HEADER - 4 }>()?;
        let (magic, rest) = body.split_first_chunk()?;
        let (step, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (first, _) = rest.split_first_chunk()?;
        let fits =
            u32::from_le_bytes(*crc) == Crc::NEW.of(body) && u16::from_le_bytes(*magic) == MAGIC;
        fits.then_some(Self {
            sequence: u32::from_le_bytes(*sequence),
            step: u16::from_le_bytes(*step),
            first: u32::from_le_bytes(*first),
        })
    }
}

/// An entry: the value of a slot, or a part of it that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryHeader {
    /// Over the header's other fields and the value.
    pub(super) crc: u32,
    /// Rises with each transaction; what a power cut ended is no part of the next one.
    pub(super) transaction: u32,
    /// Bytes of the value.
    pub(super) len: u16,
    /// Where they stand in the value, if it is a change.
    pub(super) offset: u16,
    pub(super) slot: u8,
    /// The value is a change of the slot's last whole value.
    pub(super) is_change: bool,
    /// The last entry of its transaction.
    pub(super) is_last: bool,
}

impl EntryHeader {
    /// The first 16 bytes of an entry.
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        put(&mut out, 0, &self.crc.to_le_bytes());
        put(&mut out, 4, &self.transaction.to_le_bytes());
        put(&mut out, 8, &self.len.to_le_bytes());
        put(&mut out, 10, &self.offset.to_le_bytes());
        let flags = u8::from(self.is_change) | u8::from(self.is_last) << 1;
        put(&mut out, 12, &[self.slot, flags]);
        out
    }

    /// `None` for anything that `encode` does not write; whether the sum fits is not looked at.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (crc, rest) = bytes.split_first_chunk()?;
        let (transaction, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let &[slot, flags @ 0..4, 0, 0] = rest.first_chunk()? else {
            return None;
        };
        Some(Self {
            crc: u32::from_le_bytes(*crc),
            transaction: u32::from_le_bytes(*transaction),
            len: u16::from_le_bytes(*len),
            offset: u16::from_le_bytes(*offset),
            slot,
            is_change: flags & 1 != 0,
            is_last: flags & 2 != 0,
        })
    }

    /// The sum, as far as the header goes; the value comes next.
    pub(super) fn crc(&self) -> Crc {
        let header = Self { crc: 0, ..*self }.encode();
        let mut crc = Crc::NEW;
        crc.add(&header);
        crc
    }
}

pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == ERASED)
}

/// CRC-32 (IEEE), by nibbles: it tells torn writes, nothing more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crc(u32);

const TABLE: [u32; 16] = table();

impl Crc {
    pub(super) const NEW: Self = Self(u32::MAX);

    pub(super) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            for nibble in [byte & 15, byte >> 4] {
                let index = (self.0 ^ u32::from(nibble)) & 15;
                let entry = TABLE.get(index as usize).copied().unwrap_or_default();
                self.0 = entry ^ (self.0 >> 4);
            }
        }
    }

    pub(super) const fn sum(self) -> u32 {
        !self.0
    }

    fn of(mut self, bytes: &[u8]) -> u32 {
        self.add(bytes);
        self.sum()
    }
}

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "computed when compiled, where both are errors"
)]
const fn table() -> [u32; 16] {
    let mut table = [0; 16];
    let mut index = 0;
    while index < 16 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 4 {
            value = (value >> 1) ^ ((value & 1) * 0xedb8_8320);
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    let place = out
        .get_mut(at..)
        .and_then(|rest| rest.get_mut(..bytes.len()));
    if let Some(place) = place {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_everybody() {
        assert_eq!(Crc::NEW.of(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn headers_come_back_and_blank_ones_do_not() {
        let page = PageHeader {
            sequence: 7,
            step: 1,
            first: 32,
        };
        assert_eq!(PageHeader::decode(&page.encode()), Some(page));
        let entry = EntryHeader {
            crc: 1,
            transaction: 2,
            len: 3,
            offset: 4,
            slot: 5,
            is_change: true,
            is_last: false,
        };
        assert_eq!(EntryHeader::decode(&entry.encode()), Some(entry));
        assert_eq!(PageHeader::decode(&[255; 16]), None);
        assert_eq!(EntryHeader::decode(&[255; 16]), None);
    }
}
