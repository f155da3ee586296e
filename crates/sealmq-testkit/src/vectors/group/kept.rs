//! Kept keys of the group that vectors are about (spec/keys.md §7, "Kept keys").

use sealmq_core::crypto::{MessageKey, expand};
use sealmq_keys::tree::Half;
use sealmq_keys::{KeptAccess, KeptKey, KeptKeysFields, KeptSet, ReaderSecret};

use super::Group;
use crate::vectors::prelude::*;

/// What a member has of a kept epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) epoch: u64,
    pub(crate) kept: Digest,
    /// Of what brought it.
    pub(crate) serial: u32,
    psk: [u8; 32],
    half: Half,
    /// kept_secret or kept_key.
    access: [u8; 32],
}

impl Held {
    pub(crate) fn new(
        (epoch, kept): (u64, Digest),
        serial: u32,
        half: Half,
        reader: &ReaderSecret,
    ) -> Self {
        let secret = reader.kept();
        let access = match half {
            Half::Readers => *secret.secret().expose(),
            Half::Publishers => secret.key_pair().public().0,
        };
        let psk = *reader.psk().kept().secret().expose();
        Self {
            epoch,
            kept,
            serial,
            psk,
            half,
            access,
        }
    }

    /// Brought by something of this serial.
    pub(crate) fn under(self, serial: u32) -> Self {
        Self { serial, ..self }
    }

    /// With another kept_key.
    pub(crate) fn announced_as(self, access: [u8; 32]) -> Self {
        Self { access, ..self }
    }

    pub(crate) fn json(&self) -> Json {
        let json = object! { epoch: self.epoch, serial: self.serial };
        self.add_to(json)
    }

    /// As a welcome brings it: without number and serial.
    pub(crate) fn brought_json(&self) -> Json {
        self.add_to(object! {})
    }

    /// With its number, as a chain begins with it.
    pub(crate) fn known_json(&self) -> Json {
        self.add_to(object! { epoch: self.epoch })
    }

    fn add_to(&self, json: Json) -> Json {
        let json = json.with("kept", self.kept).with("kept_psk", self.psk);
        let name = match self.half {
            Half::Readers => "kept_secret",
            Half::Publishers => "kept_key",
        };
        json.with(name, self.access)
    }

    /// `K ‖ kept_psk ‖ kept_secret or kept_key`.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.kept.0, self.psk, self.access].concat()
    }
}

/// One of the kept epochs before the newest, as an object has it.
#[derive(Clone)]
pub(crate) struct KeptEntry {
    pub(crate) epoch: u64,
    pub(crate) kept: Digest,
    pub(crate) sealed: Vec<u8>,
}

/// A kept keys object before it is encoded: everything can be changed.
#[derive(Clone)]
pub(crate) struct KeptList {
    pub(crate) domain: DomainId,
    pub(crate) serial: u32,
    pub(crate) signer: u8,
    pub(crate) group: GroupId,
    pub(crate) epoch: u64,
    pub(crate) newest: Digest,
    pub(crate) entries: Vec<KeptEntry>,
    /// Encoded.
    pub(crate) extensions: Vec<u8>,
}

impl KeptList {
    pub(crate) fn body(&self) -> Vec<u8> {
        let entry = |entry: &KeptEntry| {
            let sealed = &entry.sealed;
            [&varint(entry.epoch), &entry.kept.0[..], sealed].concat()
        };
        let entries: Vec<u8> = self.entries.iter().flat_map(entry).collect();
        let lead = (self.domain, self.serial, self.signer, self.group);
        let head = body(&(lead, self.epoch, self.newest));
        [head, blob(&entries), blob(&self.extensions)].concat()
    }

    /// Signed under its serial.
    pub(crate) fn object(&self) -> Vec<u8> {
        sign(Kind::KeptKeys, &self.body(), &controller(self.serial))
    }

    pub(crate) fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        altered(self, change)
    }
}

/// Seals the keys of the older epoch under those of the newer one.
pub(crate) fn seal_entry(newer: &KeptSet, older: &KeptSet) -> Vec<u8> {
    let info: [&[u8]; 3] = [b"sealmq/1 kept chain", &newer.kept.0, &older.kept.0];
    let key = MessageKey::new(&expand(newer.secret.secret(), &info));
    let psk = older.psk.secret().expose();
    let mut text = [&older.secret.secret().expose()[..], psk].concat();
    let tag = key.seal_in_place(&[0; 12], &[], &mut text).unwrap();
    [&text[..], &tag].concat()
}

impl Group {
    /// The keys of a kept epoch; of one that is none of the group's, some that follow from its name.
    pub(crate) fn held(&self, (epoch, kept): (u64, Digest), serial: u32, half: Half) -> Held {
        let mut own = self.epochs.iter();
        let own = own.find(|own| own.healing && own.hash == kept);
        let named = format!("reader secret behind {}", hex::encode(kept.0));
        let named = ReaderSecret::new(secret(&named));
        let reader = own.map_or(&named, |own| &own.reader);
        Held::new((epoch, kept), serial, half, reader)
    }

    /// What a welcome that names this healing epoch brings.
    pub(crate) fn brought(&self, healing: (u64, Digest), half: Half) -> Option<Held> {
        (healing.0 > 0).then(|| self.held(healing, self.serial, half))
    }

    /// The same as the real code has it.
    pub(crate) fn kept_key(&self, healing: (u64, Digest), half: Half) -> Option<KeptKey> {
        let own = self.epochs.iter().find(|own| own.hash == healing.1)?;
        let secret = own.reader.kept();
        Some(KeptKey {
            kept: own.hash,
            psk: own.reader.psk().kept(),
            access: match half {
                Half::Readers => KeptAccess::Reader(secret),
                Half::Publishers => KeptAccess::Publisher(secret.key_pair().public()),
            },
        })
    }

    /// The kept epochs, newest first.
    pub(crate) fn kept_sets(&self) -> Vec<KeptSet> {
        let healed = self.epochs.iter().rev().filter(|epoch| epoch.healing);
        let set = healed.map(|epoch| KeptSet {
            epoch: epoch.number,
            kept: epoch.hash,
            secret: epoch.reader.kept(),
            psk: epoch.reader.psk().kept(),
        });
        set.collect()
    }

    /// The right object: every kept epoch before the newest.
    pub(crate) fn kept_list(&self) -> KeptList {
        let sets = self.kept_sets();
        let entries = sets.windows(2).map(|pair| KeptEntry {
            epoch: pair[1].epoch,
            kept: pair[1].kept,
            sealed: seal_entry(&pair[0], &pair[1]),
        });
        let list = KeptList {
            domain: domain(),
            serial: self.serial,
            signer: CONTROLLER,
            group: self.id,
            epoch: sets[0].epoch,
            newest: sets[0].kept,
            entries: entries.collect(),
            extensions: vec![],
        };
        let fields = KeptKeysFields {
            domain: list.domain,
            serial: list.serial,
            signer: list.signer,
            group: list.group,
            epoch: list.epoch,
            newest: list.newest,
        };
        let (signer, out) = (controller(self.serial), &mut [0; 8192]);
        let real = fields.sign(&sets, &signer, out).unwrap().0;
        assert_eq!(
            list.object(),
            real,
            "the real authority code makes the same"
        );
        list
    }
}
