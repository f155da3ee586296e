//! Kinds `object` and `chunk`: how long covers may be, and which generations stand together
//! (spec/keys.md §5).

use sealmq_keys::Generation;

use super::super::announcement::{changed, group, plan};
use super::super::chunk::{CHUNK, announce, input};
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

pub(super) fn vectors(file: &mut VectorFile) {
    generations(file);
    inline(file);
    longest_chunk(file);
}

fn generations(file: &mut VectorFile) {
    let generation = |number: u32| Generation {
        number,
        depth: 3,
        first_epoch: 1,
        deadline: 0,
    };
    let both = changed(&group(), |d| {
        d.generations = vec![generation(1), generation(3)];
        d.covers = vec![vec![2, 3]; 2];
    });
    table! { plan => file:
        "generations-jump": "Generations ascend; they may leave some out.", both => valid;
    }
}

/// At most 49152 bytes, i.e. 945 entries.
fn inline(file: &mut VectorFile) {
    let wide = Group::new("wide", 11);
    let covering = |count: u32| {
        let mut draft = wide.draft(true);
        draft.covers = vec![(2048..2048 + count).collect()];
        wide.encode(&draft)
    };
    let mut most = covering(945);
    *most.last_mut().unwrap() ^= 0x10;
    table! { plan => file:
        "cover-49140": "The most entries inline are no fault; a bit of the signature is.",
            most => "signature" ["B22"];
        "cover-49192": "An entry too many inline.", covering(946) => "field" ["B22"];
    }
}

fn longest_chunk(file: &mut VectorFile) {
    let group = Group::new("longest chunk", 9);
    let draft = group.draft(true);
    let (_, head_hash) = group.head(&draft);
    let nodes: Vec<u32> = (512..670).collect();
    let chunks = [&nodes[..], &[670]].map(|nodes| group.entries(&draft, &head_hash, nodes));
    let announcement = announce(&group, &draft, &[512, 670], &chunks);
    let input = input(&group, &announcement, 669, &chunks[0], 669);
    let secret = *draft.reader.secret().expose();
    let case = CHUNK.case("longest", "158 entries, 8216 bytes.", input);
    file.push(
        case.result(object! { number: 0_u8, first_leaf: 512_u16, nodes: nodes, secret: secret }),
    );
}
