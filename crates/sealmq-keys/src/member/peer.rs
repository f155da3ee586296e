//! One credential of another member, verified when it is first used: a store may hold those of many
//! senders, and few of them send. So one that is not in use takes little memory.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell};

use sealmq_core::object::{Kind, Object};
use sealmq_core::{Credential, CredentialOrder, MemberNumber};

use super::holder::Holder;

pub(super) struct Peer {
    order: CredentialOrder,
    /// What the store has; empty once it was looked at.
    stored: Cell<Vec<u8>>,
    /// `None` in it: what the store has does not verify.
    holder: OnceCell<Option<Box<Holder>>>,
}

impl Peer {
    /// One that a store holds, and whose it is; `None` if it is no credential.
    pub(super) fn stored(bytes: &[u8]) -> Option<(MemberNumber, Self)> {
        let object = Object::parse(bytes, Kind::Credential).ok()?;
        let (fields, _) = object.decode::<Credential<'_>>().ok()?;
        let peer = Self {
            order: fields.order(),
            stored: Cell::new(bytes.to_vec()),
            holder: OnceCell::new(),
        };
        Some((fields.member, peer))
    }

    pub(super) fn verified(holder: Holder) -> Self {
        Self {
            order: holder.order(),
            stored: Cell::default(),
            holder: OnceCell::from(Some(Box::new(holder))),
        }
    }

    /// By its own words, which `verify` has not confirmed yet.
    pub(super) const fn order(&self) -> CredentialOrder {
        self.order
    }

    /// The object; empty if it does not verify.
    pub(super) fn bytes(&mut self) -> &[u8] {
        match self.holder.get() {
            Some(Some(holder)) => holder.bytes(),
            _ => self.stored.get_mut(),
        }
    }

    /// `verify` is asked once.
    pub(super) fn get(&self, verify: impl FnOnce(Vec<u8>) -> Option<Holder>) -> Option<&Holder> {
        let verify = || verify(self.stored.take()).map(Box::new);
        self.holder.get_or_init(verify).as_deref()
    }
}
