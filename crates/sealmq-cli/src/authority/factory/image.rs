//! An image of NOR flash, as the firmware's `sealmq_embedded::flash` reads it.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use sealmq_core::{DomainId, MemberNumber};
use sealmq_embedded::flash::{FlashStore, SCRATCH_LEN};
use sealmq_embedded::{Clock, Device, Joined, Joining};
use sealmq_keys::objects::CredentialFile;
use zeroize::{Zeroize as _, Zeroizing};

use crate::clock;
use crate::failure::Failure;

/// Records do not depend on the places of the firmware's device, as long as it has them. A device
/// of one group asks for the welcomes of the others itself.
type Any = Device<1, 1, 1, 1, 2048>;
type Store<const PAGE: usize, const WORD: usize> = FlashStore<Memory<PAGE, WORD>, 43>;

/// How the flash is divided: what is stored where depends on it.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) size: u32,
    pub(super) page: u32,
    pub(super) word: u32,
}

/// What the factory does with an image.
pub(super) trait Image {
    /// Keeps the keys of a device whose request was made.
    fn put_joining(&mut self, joining: &Joining) -> Result<(), Failure>;
    /// The keys of a device that is no member yet.
    fn joining(&mut self) -> Result<Option<Joining>, Failure>;
    /// Makes a member of it, with values of the firmware's own.
    fn finish(&mut self, file: &CredentialFile, values: &[(u8, String)]) -> Result<(), Failure>;
    /// The member that it is.
    fn member(&mut self) -> Result<Option<(DomainId, MemberNumber)>, Failure>;
    fn bytes(&self) -> &[u8];
}

impl Layout {
    /// Flash as it comes: erased.
    pub(super) fn blank(self) -> Result<Box<dyn Image>, Failure> {
        // Firmware with more is not what this is for, and it is held in memory.
        if self.size > 1 << 24 {
            return Err(self.refused());
        }
        self.open(Zeroizing::new(vec![0xff; self.size as usize]))
    }

    /// An image of before.
    pub(super) fn open(self, bytes: Zeroizing<Vec<u8>>) -> Result<Box<dyn Image>, Failure> {
        match (self.page, self.word) {
            (1024, 1) => self.opened::<1024, 1>(bytes),
            (1024, 4) => self.opened::<1024, 4>(bytes),
            (1024, 8) => self.opened::<1024, 8>(bytes),
            (1024, 16) => self.opened::<1024, 16>(bytes),
            (2048, 1) => self.opened::<2048, 1>(bytes),
            (2048, 4) => self.opened::<2048, 4>(bytes),
            (2048, 8) => self.opened::<2048, 8>(bytes),
            (2048, 16) => self.opened::<2048, 16>(bytes),
            (4096, 1) => self.opened::<4096, 1>(bytes),
            (4096, 4) => self.opened::<4096, 4>(bytes),
            (4096, 8) => self.opened::<4096, 8>(bytes),
            (4096, 16) => self.opened::<4096, 16>(bytes),
            (8192, 1) => self.opened::<8192, 1>(bytes),
            (8192, 4) => self.opened::<8192, 4>(bytes),
            (8192, 8) => self.opened::<8192, 8>(bytes),
            (8192, 16) => self.opened::<8192, 16>(bytes),
            _ => Err(self.refused()),
        }
    }

    fn opened<const PAGE: usize, const WORD: usize>(
        self,
        bytes: Zeroizing<Vec<u8>>,
    ) -> Result<Box<dyn Image>, Failure> {
        let store = Store::<PAGE, WORD>::open(Memory(bytes), 0..self.size, None);
        Ok(Box::new(store.map_err(|_| self.refused())?))
    }

    fn refused(self) -> Failure {
        Failure::usage(format_args!(
            "flash of {} bytes in pages of {} and words of {}: --erase-size is 1024, 2048, 4096 or 8192, --word-size 1, 4, 8 or 16, and --flash-size a multiple of the former, at least 7 times and at most 16 MiB",
            self.size, self.page, self.word
        ))
    }
}

impl<const PAGE: usize, const WORD: usize> Image for Store<PAGE, WORD> {
    fn put_joining(&mut self, joining: &Joining) -> Result<(), Failure> {
        self.save_joining(joining, &mut scratch()).map_err(failure)
    }

    fn joining(&mut self) -> Result<Option<Joining>, Failure> {
        let mut place = None;
        let loaded = self.load_joining(&mut place, &mut scratch());
        loaded.map(|()| place).map_err(failure)
    }

    fn finish(&mut self, file: &CredentialFile, values: &[(u8, String)]) -> Result<(), Failure> {
        let joining = self.joining()?;
        let mut joining = joining.ok_or_else(|| Failure::refused("the image has no keys"))?;
        let answer = Joined {
            root_key: &file.root_key,
            prefix: &file.prefix,
            delegation: &file.delegation,
            credential: &file.credential,
        };
        let at = Clock {
            now: clock::known_millis(),
            uptime: None,
        };
        let mut place: Box<Option<Any>> = Box::new(None);
        let device = joining.accept(&mut place, answer, at).map_err(failure)?;
        let mut scratch = scratch();
        for (index, value) in values {
            self.put_own(*index, value.as_bytes(), &mut scratch)
                .map_err(failure)?;
        }
        self.save(device, &mut scratch).map_err(failure)
    }

    fn member(&mut self) -> Result<Option<(DomainId, MemberNumber)>, Failure> {
        let mut place: Box<Option<Any>> = Box::new(None);
        self.load(&mut place, &mut scratch()).map_err(failure)?;
        let member = place.as_ref().as_ref();
        Ok(member.map(|device| (device.domain(), device.number())))
    }

    fn bytes(&self) -> &[u8] {
        &self.driver().0
    }
}

fn scratch() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(vec![0; SCRATCH_LEN])
}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure::refused(format_args!("an image of flash: {error}"))
}

/// Flash in memory, wiped when it is dropped.
struct Memory<const PAGE: usize, const WORD: usize>(Zeroizing<Vec<u8>>);

/// An address behind the end.
#[derive(Debug)]
struct Outside;

impl NorFlashError for Outside {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::OutOfBounds
    }
}

impl std::fmt::Display for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is shorter than its flash")
    }
}

impl std::error::Error for Outside {}

impl<const PAGE: usize, const WORD: usize> Memory<PAGE, WORD> {
    fn part(&mut self, at: u32, len: usize) -> Result<&mut [u8], Outside> {
        let rest = self.0.get_mut(at as usize..);
        rest.and_then(|rest| rest.get_mut(..len)).ok_or(Outside)
    }
}

impl<const PAGE: usize, const WORD: usize> ErrorType for Memory<PAGE, WORD> {
    type Error = Outside;
}

impl<const PAGE: usize, const WORD: usize> ReadNorFlash for Memory<PAGE, WORD> {
    const READ_SIZE: usize = WORD;

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Outside> {
        out.copy_from_slice(self.part(at, out.len())?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl<const PAGE: usize, const WORD: usize> NorFlash for Memory<PAGE, WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Outside> {
        let page = self.part(from, to.saturating_sub(from) as usize)?;
        // What stood there may be secret.
        page.zeroize();
        page.fill(0xff);
        Ok(())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Outside> {
        self.part(at, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }
}
