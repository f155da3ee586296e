//! Welcomes to the group that vectors are about, and its members.

use sealmq_core::crypto::IdentityKey;
use sealmq_core::object::Extensions;
use sealmq_keys::tree::{half_of, path_nodes};
use sealmq_keys::{KeyPackage, VerifiedKeyPackage, WelcomeFields, WelcomeSecrets};

use super::{Group, Held};
use crate::vectors::hpke;
use crate::vectors::prelude::*;

impl Group {
    /// The public fields of a welcome to this leaf, for an epoch up to the next one.
    pub(crate) fn welcome_fields(
        &self,
        member: u32,
        leaf: u32,
        epoch: u64,
        package: &[u8],
    ) -> WelcomeFields {
        let (healing_epoch, healing) = self.healing_before(epoch);
        let decoded: KeyPackage<'_> = fields_of(package, Kind::KeyPackage);
        WelcomeFields {
            domain: domain(),
            serial: self.serial,
            signer: CONTROLLER,
            member: MemberNumber(member),
            group: self.id,
            generation: 1,
            depth: self.depth,
            leaf,
            epoch,
            previous: self.hash_of(epoch - 1),
            healing_epoch,
            healing,
            package_number: decoded.number,
            package: hash(package),
        }
    }

    /// The plaintext of a welcome: path keys, kept keys, and no extensions.
    pub(crate) fn welcome_text(&self, fields: &WelcomeFields) -> Vec<u8> {
        let path = self.path_bytes(fields.leaf, fields.epoch);
        [path, self.kept_blob(fields), body(&NO_EXTENSIONS)].concat()
    }

    /// The kept keys in it, or none.
    pub(crate) fn kept_blob(&self, fields: &WelcomeFields) -> Vec<u8> {
        let brought = brought(self, fields);
        blob(&brought.map_or(vec![], |brought| brought.bytes()))
    }

    /// The path keys of a leaf.
    pub(crate) fn path_bytes(&self, leaf: u32, epoch: u64) -> Vec<u8> {
        path_nodes(self.depth, leaf)
            .flat_map(|node| *self.node_key(node, epoch).expose())
            .collect()
    }

    /// A welcome with these fields, right or wrong, sealed to the package's key.
    pub(crate) fn welcome_with(&self, fields: &WelcomeFields, package: &[u8]) -> Vec<u8> {
        let decoded: KeyPackage<'_> = fields_of(package, Kind::KeyPackage);
        let plaintext = self.welcome_text(fields);
        let seed = secret(&format!("welcome of {} to {}", self.label, fields.member));
        let init_key = decoded.init_key.try_into().unwrap();
        let (enc, sealed) = hpke::seal_base(
            init_key,
            &welcome_info(fields),
            &welcome_aad(Suite::One, fields),
            &seed,
            &plaintext,
        );
        let of = (fields, NO_EXTENSIONS);
        welcome_object(Suite::One, of, (&enc, &sealed), &controller(self.serial))
    }

    /// The right welcome for the next epoch, to the member's first package.
    pub(crate) fn welcome(&self, member: u32, name: &str, leaf: u32, package: &[u8]) -> Vec<u8> {
        let fields = self.welcome_fields(member, leaf, self.next_epoch(), package);
        let made = self.welcome_with(&fields, package);
        let seed = secret(&format!("welcome of {} to {}", self.label, fields.member));
        let verified = VerifiedKeyPackage::verify(
            package,
            Suite::One,
            &domain(),
            &identity(name).verifying_key(),
        )
        .unwrap();
        let path = self.path(leaf, fields.epoch);
        let kept = self.kept_key((fields.healing_epoch, fields.healing), path.half());
        let secrets = WelcomeSecrets {
            kept: kept.as_ref(),
            ..WelcomeSecrets::from(&path)
        };
        let out = &mut [0; 4096];
        let real = fields
            .seal(secrets, &verified, &seed, &controller(self.serial), out)
            .unwrap()
            .0;
        assert_eq!(made, real, "the real authority code makes the same");
        made
    }

    /// What a member has right after a welcome for `epoch`, as `announcement_follow` takes it.
    pub(crate) fn member(&self, leaf: u32, epoch: u64) -> Json {
        let (healing_epoch, healing) = self.healing_before(epoch);
        let keys = path_nodes(self.depth, leaf).map(|node| *self.node_key(node, epoch).expose());
        let json = object! {
            generation: 1_u8,
            depth: self.depth,
            leaf: leaf,
            base: epoch,
            previous: self.hash_of(epoch - 1),
            healing_epoch: healing_epoch,
            healing: healing,
            path_keys: keys.collect::<Vec<_>>(),
        };
        match self.brought((healing_epoch, healing), half_of(leaf).unwrap()) {
            Some(held) => json.with("kept_keys", held.brought_json()),
            None => json,
        }
    }
}

/// What a welcome with these fields brings.
pub(crate) fn brought(group: &Group, fields: &WelcomeFields) -> Option<Held> {
    let healing = (fields.healing_epoch, fields.healing);
    let held = group.brought(healing, half_of(fields.leaf).unwrap())?;
    Some(held.under(fields.serial))
}

/// The object around fields, `enc` and ciphertext, right or wrong.
pub(crate) fn welcome_object(
    suite: Suite,
    (fields, extensions): (&WelcomeFields, Extensions<'_>),
    (enc, sealed): (&[u8], &[u8]),
    signer: &IdentityKey,
) -> Vec<u8> {
    let fields = *fields;
    let body = body(&WelcomeBody {
        fields,
        extensions,
        enc,
        sealed,
    });
    sign_as(suite, Kind::Welcome, &body, signer)
}

/// keys.md §6, put together here because the real code keeps it to itself.
pub(crate) fn welcome_info(fields: &WelcomeFields) -> Vec<u8> {
    [
        &b"sealmq/1 welcome"[..],
        &fields.domain.0,
        &fields.group.0,
        &fields.member.0.to_be_bytes(),
        &fields.generation.to_be_bytes(),
        &[fields.depth],
        &fields.leaf.to_be_bytes(),
        &fields.epoch.to_be_bytes(),
        &fields.package.0,
    ]
    .concat()
}

/// keys.md §6: form, kind and the fields before `enc`.
pub(crate) fn welcome_aad(suite: Suite, fields: &WelcomeFields) -> Vec<u8> {
    welcome_aad_with(suite, fields, &NO_EXTENSIONS)
}

pub(crate) fn welcome_aad_with(
    suite: Suite,
    fields: &WelcomeFields,
    extensions: &Extensions<'_>,
) -> Vec<u8> {
    let head = vec![suite.form(), Kind::Welcome as u8];
    [head, body(&(fields, extensions))].concat()
}
