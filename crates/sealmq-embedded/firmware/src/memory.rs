//! Places for what is large, and how far down the stack has been.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A static that is handed out once.
pub struct Place<T> {
    is_taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: one core, and interrupts stay off: nobody comes between the two steps of `take`, which
// hands the value out once.
unsafe impl<T> Sync for Place<T> {}

impl<T> Place<T> {
    /// Of zeros, so that nothing of it stands in flash.
    pub const fn new(value: T) -> Self {
        Self {
            is_taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// # Panics
    /// The second time.
    pub fn take(&'static self) -> &'static mut T {
        assert!(!self.is_taken.load(Ordering::Relaxed));
        self.is_taken.store(true, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { &mut *self.value.get() }
    }
}

const PAINT: u32 = 0x5ea1_5ea1;
/// Of the frames of whoever paints, in bytes.
const ABOVE: usize = 512;

unsafe extern "C" {
    static mut __sheap: u32;
    static mut _stack_start: u32;
}

/// The stack, painted from where the statics end.
pub struct Stack {
    most: usize,
}

impl Stack {
    /// Call it first, from `main`.
    #[inline(never)]
    pub fn paint() -> Self {
        let mark = 0_u32;
        let end = (&raw const mark).addr() - ABOVE;
        let mut word = &raw mut __sheap;
        while word.addr() < end {
            // SAFETY: between the statics and the stack in use nothing lives.
            unsafe {
                word.write_volatile(PAINT);
                word = word.add(1);
            }
        }
        Self { most: 0 }
    }

    /// Most bytes that were in use so far, if they are more than at the last call.
    pub fn grown(&mut self) -> Option<usize> {
        let mut word = &raw const __sheap;
        let top = (&raw const _stack_start).addr();
        // SAFETY: words of RAM up to the stack in use, which is not painted.
        while word.addr() < top && unsafe { word.read_volatile() } == PAINT {
            // SAFETY: as above.
            word = unsafe { word.add(1) };
        }
        let most = top - word.addr();
        let has_grown = most > self.most;
        self.most = self.most.max(most);
        has_grown.then_some(most)
    }
}
