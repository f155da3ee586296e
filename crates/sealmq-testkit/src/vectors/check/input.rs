//! Reading members of a vector. The schema was checked elsewhere, so a member that is not there,
//! or of another type, stops the program.

use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::suite_of_number;
use sealmq_keys::{Issuer, default_prefix};
use serde_json::Value;

use crate::vectors::prelude::*;

/// An object of a vector.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a>(&'a Value);

impl<'a> Input<'a> {
    pub(crate) const fn new(value: &'a Value) -> Self {
        Self(value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    pub(crate) fn value(&self, name: &str) -> &'a Value {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    pub(crate) fn get(&self, name: &str) -> Input<'a> {
        Self(self.value(name))
    }

    pub(crate) fn list(&self, name: &str) -> Vec<Input<'a>> {
        let items = self.0.get(name).and_then(Value::as_array);
        items.into_iter().flatten().map(Self).collect()
    }

    pub(crate) fn hexes(&self, name: &str) -> Vec<Vec<u8>> {
        self.list(name).iter().map(Self::as_hex).collect()
    }

    pub(crate) fn numbers<C: FromIterator<u32>>(&self, name: &str) -> C {
        let items = self.list(name).into_iter();
        items
            .map(|item| u32::try_from(item.as_u64()).unwrap())
            .collect()
    }

    pub(crate) fn str(&self, name: &str) -> &'a str {
        self.value(name).as_str().unwrap()
    }

    pub(crate) fn hex(&self, name: &str) -> Vec<u8> {
        hex::decode(self.str(name)).unwrap()
    }

    pub(crate) fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.hex(name).try_into().unwrap()
    }

    pub(crate) fn digest(&self, name: &str) -> Digest {
        Digest(self.array(name))
    }

    pub(crate) fn secret(&self, name: &str) -> Secret {
        Secret::new(self.array(name))
    }

    pub(crate) fn domain(&self, name: &str) -> DomainId {
        DomainId(self.array(name))
    }

    pub(crate) fn group(&self, name: &str) -> GroupId {
        GroupId(self.array(name))
    }

    pub(crate) fn key(&self, name: &str) -> VerifyingKey {
        VerifyingKey::from_bytes(&self.array(name)).unwrap()
    }

    /// The reserved topics' prefix: the domain's own unless one stands there.
    pub(crate) fn prefix(&self, domain: &DomainId) -> String {
        let named = self.opt("prefix", Self::string);
        named.unwrap_or_else(|| default_prefix(domain))
    }

    /// This value itself as hex.
    pub(crate) fn as_hex(&self) -> Vec<u8> {
        hex::decode(self.0.as_str().unwrap()).unwrap()
    }

    /// A text: a string, or `{"hex": …}`.
    pub(crate) fn text(&self, name: &str) -> Vec<u8> {
        self.get(name).as_text()
    }

    pub(crate) fn string(&self, name: &str) -> String {
        String::from_utf8(self.text(name)).unwrap()
    }

    pub(crate) fn as_text(&self) -> Vec<u8> {
        match self.0 {
            Value::String(text) => text.as_bytes().to_vec(),
            _ => self.hex("hex"),
        }
    }

    pub(crate) fn u64(&self, name: &str) -> u64 {
        self.value(name).as_u64().unwrap()
    }

    pub(crate) fn opt_u64(&self, name: &str) -> Option<u64> {
        self.has(name).then(|| self.u64(name))
    }

    /// What `read` makes of it, if it is there.
    pub(crate) fn opt<T>(&self, name: &str, read: impl FnOnce(&Self, &str) -> T) -> Option<T> {
        self.has(name).then(|| read(self, name))
    }

    pub(crate) fn number<T: TryFrom<u64>>(&self, name: &str) -> T {
        T::try_from(self.u64(name)).unwrap_or_else(|_| panic!("{name} is too large"))
    }

    /// A boolean that may be absent.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The first member, for properties: they have one.
    pub(crate) fn only_member(&self) -> (&'a str, Input<'a>) {
        let (name, value) = self.0.as_object().unwrap().iter().next().unwrap();
        (name, Self(value))
    }

    pub(crate) fn as_u64(&self) -> u64 {
        self.0.as_u64().unwrap()
    }

    pub(crate) fn items(&self) -> Vec<Input<'a>> {
        self.0.as_array().unwrap().iter().map(Self).collect()
    }

    pub(crate) const fn raw(&self) -> &'a Value {
        self.0
    }

    /// The domain's suite: 1 unless it stands there.
    pub(crate) fn suite(&self) -> Suite {
        let number = self.opt_u64("suite").unwrap_or(1);
        suite_of_number(u8::try_from(number).unwrap()).unwrap()
    }

    /// The authority of that name, in the suite that stands beside it.
    pub(crate) fn authority(&self, name: &str) -> Authority {
        let authority = self.get(name);
        let issuer = |entry: &Input<'_>| Issuer {
            serial: entry.number("serial"),
            signer: entry.number("signer"),
            key: entry.array("key"),
        };
        let key = |entry: &Input<'_>| {
            let roles = sealmq_core::object::decode(&body(&entry.number::<u8>("roles"))).unwrap();
            (entry.key("key"), roles)
        };
        Authority {
            domain: authority.domain("domain"),
            suite: self.suite(),
            serial: authority.number("serial"),
            keys: authority.list("keys").iter().map(key).collect(),
            continues: authority
                .opt("continues", Self::get)
                .map(|continued| Continued {
                    since: continued.number("since"),
                    issuers: continued.list("issuers").iter().map(issuer).collect(),
                }),
        }
    }
}
