//! What a reader of spec/keys.md may read wrong, and no other vector shows (test-vectors/misreadings).

mod covers;
mod following;
mod objects;
mod signers;
mod sizes;

use crate::vectors::prelude::*;

pub(crate) fn vectors(file: &mut VectorFile) {
    objects::vectors(file);
    signers::vectors(file);
    covers::vectors(file);
    following::vectors(file);
    sizes::vectors(file);
}
