//! The machine in its place.

use sealmq_core::crypto::Secret;
use sealmq_embedded::flash::{FlashError, FlashStore, SCRATCH_LEN};
use sealmq_embedded::{Bytes, Device, Joining, SealRefused, StartError};

use super::asking::{Asking, OBJECT};
use super::board::{Board, Flash, sealmq_board};
use crate::arguments::array;
use crate::codes::sealmq_status::{self, *};

/// One group; two senders, two topics and two sessions at hand; credentials of up to 512 bytes. What
/// other numbers take stands on the page of `sealmq-embedded`; `SEALMQ_DEVICE_SIZE` goes with them.
pub(super) type Sensor = Device<1, 2, 2, 2, OBJECT>;
/// 41, and one for each sender and each topic.
const SLOTS: usize = 45;

pub(super) struct Machine {
    pub(super) board: Board,
    store: FlashStore<Flash, SLOTS>,
    /// A member, once it is one.
    pub(super) device: Option<Sensor>,
    /// Before.
    pub(super) joining: Option<Joining>,
    pub(super) asking: Asking,
    /// Subscriptions of this connection that were handed out.
    pub(super) subscribed: usize,
    failed: bool,
    pub(super) scratch: [u8; SCRATCH_LEN],
}

impl Machine {
    /// Writes a machine to `place`, part by part: the whole is larger than many stacks.
    ///
    /// # Safety
    /// A `Machine` may be written at `place`; the board's pointers are as documented.
    #[allow(
        clippy::multiple_unsafe_ops_per_block,
        reason = "one promise holds for all parts"
    )]
    pub(super) unsafe fn make(place: *mut Self, given: &sealmq_board) -> Result<(), sealmq_status> {
        let (board, flash) = (Board::new(given)?, Flash::new(given)?);
        let key = match given.device_key.is_null() {
            true => None,
            false => {
                // SAFETY: 32 bytes stand there, as the caller promises.
                let key = unsafe { array(given.device_key, 32, "device_key") }?;
                let fill = |out: &mut [u8; 32]| {
                    for (to, from) in out.iter_mut().zip(key) {
                        *to = *from;
                    }
                };
                Some(Secret::init_with(fill))
            }
        };
        let mut store =
            FlashStore::open(flash, 0..given.flash_size, key.as_ref()).map_err(of_flash)?;
        // SAFETY: within the place, which is aligned. It holds nothing yet that needs a drop, and
        // nobody else knows it.
        let (device, joining, scratch) = unsafe {
            (&raw mut (*place).device).write(None);
            (&raw mut (*place).joining).write(None);
            (&raw mut (*place).scratch).write_bytes(0, 1);
            let (device, joining) = (&mut (*place).device, &mut (*place).joining);
            (device, joining, &mut (*place).scratch)
        };
        store.load(device, scratch).map_err(of_flash)?;
        if device.is_none() {
            store.load_joining(joining, scratch).map_err(of_flash)?;
        }
        // SAFETY: as above; with these, everything was written.
        unsafe {
            (&raw mut (*place).board).write(board);
            (&raw mut (*place).store).write(store);
            (&raw mut (*place).asking).write(Asking::new());
            (&raw mut (*place).subscribed).write(usize::MAX);
            (&raw mut (*place).failed).write(false);
        }
        Ok(())
    }

    pub(super) const fn has_failed(&self) -> bool {
        self.failed
    }

    pub(super) fn member(&mut self) -> Result<&mut Sensor, sealmq_status> {
        self.device.as_mut().ok_or(SEALMQ_ERROR_MEMBER)
    }

    /// Stores all that is due. Nothing goes out that rests on what is not stored.
    pub(super) fn save(&mut self) -> Result<(), sealmq_status> {
        let Some(device) = &mut self.device else {
            return Ok(());
        };
        let saved = self.store.save(device, &mut self.scratch);
        saved.map_err(|error| {
            self.failed = true;
            of_flash(error)
        })
    }

    pub(super) fn save_joining(&mut self) -> Result<(), sealmq_status> {
        let Some(joining) = &self.joining else {
            return Ok(());
        };
        let saved = self.store.save_joining(joining, &mut self.scratch);
        saved.map_err(|error| {
            self.failed = true;
            of_flash(error)
        })
    }
}

fn of_flash<E>(_: FlashError<E>) -> sealmq_status {
    SEALMQ_ERROR_STORE
}

pub(super) fn of_start(error: StartError) -> sealmq_status {
    match error {
        StartError::Random => SEALMQ_ERROR_RANDOM,
        StartError::Record => SEALMQ_ERROR_STORE,
        StartError::TooLong => SEALMQ_ERROR_BUFFER,
        StartError::OtherDevice => SEALMQ_ERROR_MEMBER,
        _ => SEALMQ_ERROR_ARGUMENT,
    }
}

pub(super) fn of_seal(refused: SealRefused) -> sealmq_status {
    use sealmq_keys::Obstacle;
    match refused {
        SealRefused::Topic | SealRefused::Session(_) => SEALMQ_ERROR_ARGUMENT,
        SealRefused::Random => SEALMQ_ERROR_RANDOM,
        SealRefused::Numbers => SEALMQ_ERROR_NOT_ALLOWED,
        SealRefused::Obstacle(Obstacle::NotGranted | Obstacle::Removed) => SEALMQ_ERROR_NOT_ALLOWED,
        _ => SEALMQ_ERROR_NO_KEYS,
    }
}

/// A text of at most `N` bytes.
pub(super) fn short<const N: usize>(text: &str) -> Result<Bytes<N>, sealmq_status> {
    Bytes::new(text.as_bytes()).ok_or(SEALMQ_ERROR_ARGUMENT)
}
