//! What most records have one or none of: on hosts in memory of its own, so that a place for it
//! costs little; on devices in place.

use core::ops::{Deref, DerefMut};

#[cfg(feature = "alloc")]
type Memory<T> = alloc::boxed::Box<T>;
#[cfg(not(feature = "alloc"))]
type Memory<T> = InPlace<T>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held<T>(Memory<T>);

impl<T> Held<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Memory::new(value))
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[cfg(not(feature = "alloc"))]
#[derive(Debug, Clone, PartialEq, Eq)]
struct InPlace<T>(T);

#[cfg(not(feature = "alloc"))]
impl<T> InPlace<T> {
    const fn new(value: T) -> Self {
        Self(value)
    }
}

#[cfg(not(feature = "alloc"))]
impl<T> Deref for InPlace<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(not(feature = "alloc"))]
impl<T> DerefMut for InPlace<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
