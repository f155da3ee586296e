use alloc::vec::Vec;

use super::*;

impl Draft for Set<u8> {
    fn keep(&mut self) {
        Set::keep(self);
    }

    fn undo(&mut self) {
        Set::undo(self);
    }
}

/// Small numbers in any order: every sequence of changes is put back, or kept.
#[test]
fn whatever_was_done_is_undone_or_kept() {
    let mut state = 1_u32;
    let mut dice = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let mut slot = Slot::new(0);
    let mut table: Table<u32, u32> = Table::default();
    let mut set: Set<u32> = Set::default();
    let mut tree: Tree<u32, Set<u8>> = Tree::default();
    for _ in 0..3000 {
        let tree_of = |tree: &Tree<u32, Set<u8>>| -> Vec<(u32, Vec<u8>)> {
            let all = tree
                .iter()
                .map(|(k, set)| (*k, set.iter().copied().collect()));
            all.collect()
        };
        let before = (*slot, table.clone(), set.clone(), tree_of(&tree));
        for _ in 0..dice(8) {
            let key = dice(5);
            match dice(11) {
                0 => slot.set(key),
                1 => *slot.change() += 1,
                2 => table.insert(key, dice(100)),
                3 => drop(table.delete(&key)),
                4 => table
                    .get_mut(&key)
                    .into_iter()
                    .for_each(|value| *value += 1),
                5 => {
                    if let Some(value) = table.remove(&key) {
                        table.insert(key, value + 1);
                    }
                }
                6 => drop(set.insert(key)),
                7 => set.remove(&key),
                8 => drop(tree.entry(key).insert(dice(5) as u8)),
                9 => tree
                    .get_mut(&key)
                    .into_iter()
                    .for_each(|set| set.remove(&(key as u8))),
                _ if dice(2) == 0 => tree.delete_unless(|of| *of != key),
                _ => table.delete_unless(|of, value| *of != key || *value > 50),
            }
        }
        if dice(2) == 0 {
            slot.undo();
            table.undo();
            set.undo();
            tree.undo();
            let after = (*slot, table.clone(), set.clone(), tree_of(&tree));
            assert_eq!(before, after);
        } else {
            slot.keep();
            table.keep();
            set.keep();
            tree.keep();
        }
    }
}
