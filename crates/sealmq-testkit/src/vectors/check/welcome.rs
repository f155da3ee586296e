//! Kind `welcome_open`, and members' states made of what a vector says.

use sealmq_core::crypto::{KemKeyPair, KemPublicKey, RecipientKeyPair, open_base};
use sealmq_core::object::{Authorities, decode, kem_of};
use sealmq_keys::tree::{NodeKey, PathKeys, path_nodes};
use sealmq_keys::{
    GroupState, KEM_X25519, KeptAccess, KeptKey, KeptPsk, KeptSecret, KeyPackage,
    VerifiedKeyPackage, VerifiedWelcome, WelcomeError, WelcomeFields, WelcomeSecrets,
};

use super::{Checked, Input, No, broken, require};
use crate::vectors::group::{welcome_aad_with, welcome_info};
use crate::vectors::hpke;
use crate::vectors::prelude::*;

pub(crate) fn open(input: Input<'_>) -> Checked {
    let bytes = input.hex("welcome");
    let welcome = VerifiedWelcome::verify(&bytes, &input.authority("authority"))?;
    let fields = *welcome.fields();
    require(
        fields.member.0 == input.number::<u32>("member"),
        "recipient",
    )?;
    let package = input.hex("package");
    let package_number = fields_of::<KeyPackage<'_>>(&package, Kind::KeyPackage).number;
    let of_package = (fields.package_number, fields.package) == (package_number, hash(&package));
    require(of_package, "package")?;
    let installed = input.opt("installed", Input::get);
    let is_newer =
        installed.is_none_or(|before| self::installed(&fields, before).is_newer(&fields));
    require(is_newer, "too_old")?;
    let seed = input.secret("package_seed");
    let kem = kem_of(input.suite()).unwrap();
    let pair = RecipientKeyPair::derive(kem, &seed);
    let opened = welcome.open(&pair).map_err(|error| match error {
        WelcomeError::Content(error) => error.into(),
        _ => No::from("wrong_secret"),
    })?;

    // The real code keeps plaintext and info to itself: open it once more, by hand.
    let body: WelcomeBody<'_> = decode(body_of(&bytes, Kind::Welcome)).unwrap();
    let info = welcome_info(&fields);
    let (text, tag) = body.sealed.split_last_chunk().unwrap();
    let mut plaintext = text.to_vec();
    let aad = welcome_aad_with(input.suite(), &fields, &body.extensions);
    open_base(&pair, &info, &aad, body.enc, &mut plaintext, tag).map_err(broken)?;
    let state = GroupState::install(opened);
    let kept = state.kept_key().map(|(_, _, key)| brought_json(key));
    let state = state.to_bytes().unwrap();
    let path_keys = &plaintext[..32 * usize::from(fields.depth)];
    if !contains(&state, path_keys) {
        return Err(broken("the real code took other path keys"));
    }
    let path = path_nodes(fields.depth, fields.leaf).zip(path_keys.chunks(32));
    let path = path.map(|(node, key)| object! { node: node, key: Json::hex(key) });
    Ok(object! {
        secret_key: hpke::private_key_of(kem, &seed), info: Json::hex(info), aad: Json::hex(aad),
        plaintext: Json::hex(&plaintext), path: Json::Array(path.collect()),
        kept: kept,
    })
}

/// What a welcome brought.
pub(crate) fn brought_json(key: &KeptKey) -> Json {
    let json = object! { kept: key.kept, kept_psk: *key.psk.secret().expose() };
    match &key.access {
        KeptAccess::Reader(secret) => json.with("kept_secret", *secret.secret().expose()),
        KeptAccess::Publisher(public) => json.with("kept_key", public.0),
    }
}

/// Kept keys as a vector has them.
pub(crate) fn kept_key(kept: Input<'_>) -> KeptKey {
    KeptKey {
        kept: kept.digest("kept"),
        psk: KeptPsk::new(kept.secret("kept_psk")),
        access: match kept.opt("kept_secret", Input::secret) {
            Some(secret) => KeptAccess::Reader(KeptSecret::new(secret)),
            None => KeptAccess::Publisher(KemPublicKey(kept.array("kept_key"))),
        },
    }
}

/// The state of a member that installed a welcome of this generation and epoch.
fn installed(fields: &WelcomeFields, installed: Input<'_>) -> GroupState {
    let (generation, epoch) = (installed.number("generation"), installed.u64("epoch"));
    let mut fields = *fields;
    fields.package_number = installed.number("package_number");
    (fields.generation, fields.epoch) = (generation, epoch);
    fields.previous = Digest([u8::from(epoch > 1); 32]);
    (fields.healing_epoch, fields.healing) = (0, Digest::ZERO);
    state(&fields, None, |_| NodeKey::new(Secret::new([0; 32])))
}

/// A member's state right after a welcome with these fields: signed by an authority of our own,
/// sealed, verified, opened and installed by the real code.
pub(crate) fn state(
    fields: &WelcomeFields,
    kept: Option<&KeptKey>,
    key: impl FnMut(u32) -> NodeKey,
) -> GroupState {
    let number = fields.package_number;
    let package = key_package_with("anybody", number, |package| {
        package.domain = fields.domain;
        package.kem = KEM_X25519;
    });
    let key_of_package = identity("anybody").verifying_key();
    let verified =
        VerifiedKeyPackage::verify(&package, Suite::One, &fields.domain, &key_of_package).unwrap();
    let signer = super::super::world::controller(1);
    let fields = WelcomeFields {
        serial: 1,
        signer: 1,
        package: *verified.hash(),
        ..*fields
    };
    let path = PathKeys::from_fn(fields.depth, fields.leaf, key).unwrap();
    let (mut out, any) = ([0; 4096], secret("any welcome"));
    let secrets = WelcomeSecrets {
        kept,
        ..WelcomeSecrets::from(&path)
    };
    let sealed = fields.seal(secrets, &verified, &any, &signer, &mut out);
    let trusted = altered(&authority(1), |authority| authority.domain = fields.domain);
    assert_eq!(trusted.domain(), fields.domain);
    let welcome = VerifiedWelcome::verify(sealed.unwrap().0, &trusted).unwrap();
    let pair = KemKeyPair::derive(&package_seed("anybody", number)).into();
    GroupState::install(welcome.open(&pair).unwrap())
}

/// What `member` of an `announcement_follow` vector stands for.
pub(crate) fn member_state(member: Input<'_>, domain: DomainId, group: GroupId) -> GroupState {
    let keys = member.hexes("path_keys").into_iter();
    let mut keys = keys.map(|key| Secret::new(key.try_into().unwrap()));
    let fields = WelcomeFields {
        domain,
        serial: 1,
        signer: 1,
        member: MemberNumber(7),
        group,
        generation: member.number("generation"),
        depth: member.number("depth"),
        leaf: member.number("leaf"),
        epoch: member.u64("base"),
        previous: member.digest("previous"),
        healing_epoch: member.u64("healing_epoch"),
        healing: member.digest("healing"),
        package_number: 1,
        package: Digest::ZERO,
    };
    let kept = member.opt("kept_keys", Input::get).map(kept_key);
    state(&fields, kept.as_ref(), |_| {
        NodeKey::new(keys.next().unwrap())
    })
}

pub(crate) fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}
