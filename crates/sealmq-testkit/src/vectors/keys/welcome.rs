//! Welcomes as objects, and kind `welcome_open` (spec/keys.md §6).

mod opening;

use sealmq_core::crypto::Digest;
use sealmq_core::object::Kind;
use sealmq_core::{DomainId, MemberNumber};
use sealmq_keys::WelcomeFields;

use super::objects::{Plan, under_authority};
use crate::vectors::file::VectorFile;
use crate::vectors::group::Group;
use crate::vectors::json::Json;
use crate::vectors::table::table;
use crate::vectors::world::{
    ISSUER, NO_EXTENSIONS, WelcomeBody, body, controller, identity, issuer, key_package, office,
    plant, sign,
};

/// A group in its fifth epoch, healed in the third; welcomes are for the sixth.
fn group() -> Group {
    let mut group = Group::new("welcomes", 4);
    group.rotate();
    group.rotate();
    group.remove(&[19]);
    group.rotate();
    group.rotate();
    group
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let group = group();
    let package = key_package("sensor-7", 1);
    file.fixture("package-sensor-7-1", Json::hex(&package));
    file.fixture(
        "welcome-leaf-17",
        Json::hex(group.welcome(7, "sensor-7", 17, &package)),
    );
    objects(&group, &package, file);
    opening::vectors(&group, &package, file);
}

fn plan<'a>(id: &str, comment: &'a str, object: Vec<u8>) -> Plan<'a> {
    Plan::new(
        "welcome",
        id,
        comment,
        object,
        under_authority()
            .with("member", 7_u8)
            .with("group", plant().0),
    )
}

/// A welcome whose fields may break rules. What is sealed fits to nothing then.
fn changed(group: &Group, package: &[u8], change: impl FnOnce(&mut WelcomeFields)) -> Vec<u8> {
    let mut fields = group.welcome_fields(7, 17, group.next_epoch(), package);
    change(&mut fields);
    let sealed = vec![0x5a; usize::from(fields.depth) * 32 + 1 + 16];
    sign(
        Kind::Welcome,
        &body(&WelcomeBody {
            fields,
            extensions: NO_EXTENSIONS,
            enc: &[9; 32],
            sealed: &sealed,
        }),
        &controller(1),
    )
}

fn objects(group: &Group, package: &[u8], file: &mut VectorFile) {
    let made = |change: fn(&mut WelcomeFields)| changed(group, package, change);
    table! { plan => file:
        "publisher": "A leaf of the publish-only half.", made(|f| f.leaf = 24) => valid;
        "depth-2": "The smallest tree.", made(|f| (f.depth, f.leaf) = (2, 4)) => valid;
        "depth-24": "The last leaf of the largest tree.",
            made(|f| (f.depth, f.leaf) = (24, (1 << 25) - 1)) => valid;
    }
    // Whichever member the verifier is.
    table! { Plan::of("welcome", under_authority().with("group", plant().0)) => file:
        "member-0": "No member has the number 0.", made(|f| f.member = MemberNumber(0)) => "field";
    }
    let mut bad = |id: &str, comment: &str, change: fn(&mut WelcomeFields)| {
        plan(id, comment, made(change)).invalid(file, "field")
    };
    table! { bad:
        "depth-1": "A tree of depth 1.", |f| (f.depth, f.leaf) = (1, 2);
        "depth-25": "A tree of depth 25.", |f| (f.depth, f.leaf) = (25, 1 << 25);
        "inner-node": "Not a leaf, but a node above.", |f| f.leaf = 8;
        "leaf-0": "There is no node 0.", |f| f.leaf = 0;
        "leaf-too-large": "A leaf of a deeper tree.", |f| f.leaf = 32;
        "epoch-0": "Epochs begin with 1.", |f| (f.epoch, f.healing_epoch, f.healing) = (0, 0, Digest::ZERO);
        "previous-missing": "Only the first epoch has no predecessor.", |f| f.previous = Digest::ZERO;
        "healing-epoch-own": "The last healing epoch is before this one.", |f| f.healing_epoch = f.epoch;
        "healing-without-hash": "A healing epoch without a hash.", |f| f.healing = Digest::ZERO;
        "healing-not-previous": "The epoch before healed, and has two hashes.",
            |f| f.healing_epoch = f.epoch - 1;
        "package-number-0": "Package numbers begin with 1.", |f| f.package_number = 0;
    }

    let mut other =
        |id: &str, comment: &str, change: fn(&mut WelcomeFields), reason: &'static str| {
            plan(id, comment, made(change))
                .attacks(&["C6"])
                .invalid(file, reason);
        };
    table! { other:
        "recipient": "Another member's welcome.", |f| f.member = MemberNumber(8) => "recipient";
        "group": "A welcome to another group.", |f| f.group = office() => "group";
        "domain": "Of another domain.", |f| f.domain = DomainId([1; 16]) => "domain";
        "no-such-key": "Names a key that the delegation does not have.", |f| f.signer = 2 => "role";
    }
    let fields = |signer: u8, serial: u32| WelcomeFields {
        signer,
        serial,
        ..group.welcome_fields(7, 17, 6, package)
    };
    let raw = |fields, enc: &[u8], sealed: &[u8]| {
        body(&WelcomeBody {
            fields,
            extensions: NO_EXTENSIONS,
            enc,
            sealed,
        })
    };
    let right = [0x5a; 145];
    let by_issuer = sign(
        Kind::Welcome,
        &raw(fields(ISSUER, 1), &[9; 32], &right),
        &issuer(1),
    );
    let by_other = sign(
        Kind::Welcome,
        &raw(fields(1, 2), &[9; 32], &right),
        &controller(2),
    );
    let by_member = sign(
        Kind::Welcome,
        &raw(fields(1, 1), &[9; 32], &right),
        &identity("insider-8"),
    );
    table! { plan => file:
        "issuer": "Signed by a key that has the role `issue` only.", by_issuer => "role" ["A16"];
        "other-serial": "Signed under another delegation: the authority issues it anew.",
            by_other => "role" ["A16"];
        "member": "Signed by a member.", by_member => "signature" ["B19"];
    }
    for (id, comment, enc, sealed) in table! {
        "enc-31":       "31 bytes of enc.",      &[9; 31][..], &right[..];
        "enc-33":       "33 bytes of enc.",      &[9; 33], &right;
        "sealed-short": "One path key too few.", &[9; 32], &right[..113];
        "sealed-long":  "A byte too many.",      &[9; 32], &[0x5a; 4 * 32 + 1024 + 16 + 1];
    } {
        plan(
            id,
            comment,
            sign(
                Kind::Welcome,
                &raw(fields(1, 1), enc, sealed),
                &controller(1),
            ),
        )
        .invalid(file, "field");
    }
}
