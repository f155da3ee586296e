//! Welcomes as objects, and kind `welcome_open` (spec/keys.md §6).

mod kept;
pub(super) mod opening;

use sealmq_keys::WelcomeFields;

use super::objects::{Plan, under_authority};
use crate::vectors::group::{Group, welcome_object};
use crate::vectors::prelude::*;

/// A group in its fifth epoch, healed in the third; welcomes are for the sixth.
fn group() -> Group {
    let mut group = Group::new("welcomes", 4);
    group.rotate_times(2);
    group.remove(&[19]);
    group.rotate_times(2);
    group
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let group = group();
    let package = key_package("sensor-7", 1);
    file.fixture("package-sensor-7-1", Json::hex(&package));
    let welcome = group.welcome(7, "sensor-7", 17, &package);
    file.fixture("welcome-leaf-17", Json::hex(welcome));
    objects(&group, &package, file);
    opening::vectors(&group, &package, file);
    kept::vectors(&group, &package, file);
}

fn plan<'a>(id: &str, comment: &'a str, object: Vec<u8>) -> Plan<'a> {
    let context = under_authority()
        .with("member", 7_u8)
        .with("group", plant().0);
    Plan::new("welcome", id, comment, object, context)
}

/// A welcome whose fields may break rules. What is sealed fits to nothing then.
fn changed(group: &Group, package: &[u8], change: impl FnOnce(&mut WelcomeFields)) -> Vec<u8> {
    let mut fields = group.welcome_fields(7, 17, group.next_epoch(), package);
    change(&mut fields);
    let sealed = vec![0x5a; usize::from(fields.depth) * 32 + 2 + 16];
    welcome_object(
        Suite::One,
        (&fields, NO_EXTENSIONS),
        (&[9; 32], &sealed),
        &controller(1),
    )
}

fn objects(group: &Group, package: &[u8], file: &mut VectorFile) {
    let right = group.welcome_fields(7, 17, 6, package);
    let made = |id: &str, comment: &'static str, change: fn(&mut WelcomeFields)| {
        plan(id, comment, changed(group, package, change))
    };
    table! { made => file:
        "publisher": "A leaf of the publish-only half.", |f| f.leaf = 24 => valid;
        "depth-2": "The smallest tree.", |f| (f.depth, f.leaf) = (2, 4) => valid;
        "depth-24": "The last leaf of the largest tree.",
            |f| (f.depth, f.leaf) = (24, (1 << 25) - 1) => valid;
    }
    // Whichever member the verifier is.
    table! { Plan::of("welcome", under_authority().with("group", plant().0)) => file:
        "member-0": "No member has the number 0.",
            changed(group, package, |f| f.member = MemberNumber(0)) => "field";
    }
    table! { made => file:
        "depth-1": "A tree of depth 1.", |f| (f.depth, f.leaf) = (1, 2) => "field";
        "depth-25": "A tree of depth 25.", |f| (f.depth, f.leaf) = (25, 1 << 25) => "field";
        "inner-node": "Not a leaf, but a node above.", |f| f.leaf = 8 => "field";
        "leaf-0": "There is no node 0.", |f| f.leaf = 0 => "field";
        "leaf-too-large": "A leaf of a deeper tree.", |f| f.leaf = 32 => "field";
        "epoch-0": "Epochs begin with 1.",
            |f| (f.epoch, f.healing_epoch, f.healing) = (0, 0, Digest::ZERO) => "field";
        "previous-missing": "Only the first epoch has no predecessor.",
            |f| f.previous = Digest::ZERO => "field";
        "healing-epoch-own": "The last healing epoch is before this one.",
            |f| f.healing_epoch = f.epoch => "field";
        "healing-without-hash": "A healing epoch without a hash.", |f| f.healing = Digest::ZERO => "field";
        "healing-not-previous": "The epoch before healed, and has two hashes.",
            |f| f.healing_epoch = f.epoch - 1 => "field";
        "package-number-0": "Package numbers begin with 1.", |f| f.package_number = 0 => "field";
        "recipient": "Another member's welcome.", |f| f.member = MemberNumber(8) => "recipient" ["C6"];
        "group": "A welcome to another group.", |f| f.group = office() => "group" ["C6"];
        "domain": "Of another domain.", |f| f.domain = DomainId([1; 16]) => "domain" ["C6"];
        "no-such-key": "Names a key that the delegation does not have.", |f| f.signer = 2 => "role" ["C6"];
    }
    let raw = |id: &str,
               comment: &'static str,
               fields: WelcomeFields,
               signer,
               enc: &[u8],
               sealed: &[u8]| {
        let of = (&fields, NO_EXTENSIONS);
        plan(
            id,
            comment,
            welcome_object(Suite::One, of, (enc, sealed), &signer),
        )
    };
    let by = |id: &str, comment: &'static str, fields, signer| {
        raw(id, comment, fields, signer, &[9; 32], &[0x5a; 146])
    };
    table! { by => file:
        "issuer": "Signed by a key that has the role `issue` only.",
            WelcomeFields { signer: ISSUER, ..right }, issuer(1) => "role" ["A16"];
        "other-serial": "Signed under another delegation: the authority issues it anew.",
            WelcomeFields { serial: 2, ..right }, controller(2) => "role" ["A16"];
        "member": "Signed by a member.", right, identity("insider-8") => "signature" ["B19"];
    }
    let raw = |id: &str, comment: &'static str, enc: &[u8], sealed: &[u8]| {
        raw(id, comment, right, controller(1), enc, sealed)
    };
    table! { raw => file:
        "enc-31":       "31 bytes of enc.",      &[9; 31], &[0x5a; 146]                    => "field";
        "enc-33":       "33 bytes of enc.",      &[9; 33], &[0x5a; 146]                    => "field";
        "sealed-short": "One path key too few.", &[9; 32], &[0x5a; 114]                    => "field";
        "sealed-cut":   "No byte that says that there are no extensions.", &[9; 32], &[0x5a; 4 * 32 + 1 + 16] => "field";
        "sealed-long":  "A byte too many.",      &[9; 32], &[0x5a; 4 * 32 + 97 + 1024 + 16 + 1] => "field";
    }
}
