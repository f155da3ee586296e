use super::Add;
use crate::table::table;

/// Actions that reach every part of the two targets with state. Their numbers stand in
/// `open/mod.rs` and `follow.rs`.
pub(super) fn scripts(add: Add<'_>) {
    let seal = |who, kind, times| vec![0, who, kind, times, 3, b'a', b'b', b'c'];
    let insider = |how| {
        [
            seal(0, 0, 2),
            vec![6, how, 0, how, 9, 0, 1],
            vec![7, how, 0, how],
        ]
    };
    let opens = table! {
        "in-order":  vec![seal(0, 64, 2), seal(0, 64, 2), seal(1, 64, 0), seal(2, 64 | 32, 6)];
        "duplicate": vec![seal(0, 0, 2), vec![11, 0, 0], vec![11, 0, 0]];
        "reordered": vec![seal(0, 0, 2), seal(0, 0, 2), vec![11, 1, 0], vec![11, 0, 0]];
        "damaged":   vec![seal(0, 0, 2), vec![3, 0, 0, 60, 0, 2, 1], vec![3, 0, 0, 90, 0, 0]];
        "moved":     vec![seal(0, 1, 2), vec![4, 0, 0, 0], vec![4, 0, 0, 1]];
        "retained":  vec![seal(1, 1, 2), vec![5, 0, 0], vec![11, 0, 0], vec![5, 0, 0]];
        "will":      vec![seal(1, 3, 2), vec![11, 0, 0], vec![5, 0, 0], seal(1, 2 | 64, 2)];
        "future":    vec![seal(0, 64, 1), seal(0, 64, 2)];
        "denied":    vec![seal(0, 8 | 64, 2), seal(1, 8 | 64, 2)];
        "insider":   (0..4).flat_map(insider).collect();
        "crash":     vec![seal(0, 64, 2), vec![9], vec![11, 0, 0], seal(0, 64, 2), vec![9]];
        "renewed":   vec![seal(0, 0, 2), seal(0, 64, 2), vec![10, 0], vec![11, 0, 0], seal(0, 64, 2)];
        "sessions":  (0..8).map(|n| seal(4 + n % 2, 64, 2)).chain([vec![11, 0, 0]]).collect();
        "hidden":    vec![seal(1, 0, 2), vec![10, 3], vec![11, 0, 0], vec![10, 3], vec![11, 0, 0]];
        "window":    vec![seal(2, 64, 2), vec![10, 4], seal(2, 64, 2), vec![10, 4], vec![11, 1, 0]];
        "values":    vec![seal(1, 65, 2), seal(1, 5, 2), seal(1, 65, 2), vec![11, 1, 0], vec![5, 1, 0], vec![5, 2, 0]];
        "classes":   vec![seal(0, 65, 2), seal(0, 64, 2), vec![5, 1, 0], vec![7, 0, 0, 1], vec![7, 1, 0, 2]];
        "put-back":  vec![seal(1, 7, 2), seal(1, 65, 2), seal(9, 65, 2), vec![11, 0, 0], vec![5, 0, 0], vec![5, 2, 0]];
        "fired":     vec![seal(1, 7, 2), seal(1, 65, 2), vec![11, 0, 0], vec![5, 1, 0], seal(9, 65, 2), vec![5, 0, 0]];
        "passing":   vec![seal(1, 6, 2), vec![5, 0, 0], vec![11, 0, 0], vec![11, 0, 0], seal(1, 65, 2), seal(1, 7, 2)];
        "overtaken": vec![seal(1, 7, 2), seal(1, 3, 2), vec![11, 1, 0], vec![11, 0, 0], vec![5, 0, 0]];
        "older":     vec![seal(1, 65, 2), vec![10, 1], vec![5, 0, 0], seal(1, 65, 2), vec![5, 0, 0], vec![9], vec![5, 1, 0]];
        "untold":    vec![seal(1, 65, 2), vec![10, 9], seal(1, 64, 2), seal(1, 65, 2), seal(1, 64, 2)];
        "no-keys":   vec![seal(1, 1, 2), vec![10, 6], vec![5, 0, 0], vec![10, 6], vec![5, 0, 0], vec![9], vec![5, 0, 0]];
        "raw":       vec![vec![8, 5, 0x11, 2, 3, 4, 5]];
    };
    for (name, script) in opens {
        add("open", name, script.concat());
    }
    let give = |member, at| vec![9, member, 0, at, 0];
    let follows = table! {
        "nothing": vec![vec![]];
        "in-order": vec![vec![0], vec![0], give(0, 0), give(0, 1), give(0, 2), give(2, 2)];
        "backwards": vec![vec![0], vec![0], give(1, 2), give(1, 1), give(1, 0)];
        "healing": vec![give(0, 0), vec![1], vec![0], give(0, 2), give(2, 2)];
        "skipped": vec![vec![1], vec![0], vec![1], vec![0], vec![0], give(0, 5), give(3, 5)];
        "removed": vec![give(3, 0), vec![2, 3, 0], vec![0], give(3, 1), give(3, 2), give(0, 2)];
        "two-removed": vec![vec![2, 0, 0], vec![0], vec![2, 2, 0], vec![0], give(1, 4), give(0, 4), give(4, 3)]
            ;
        "damaged": vec![vec![8, 0, 0, 0, 0, 100, 0, 1, 0], vec![8, 0, 0, 0, 0, 90, 1, 4, 1]];
        "foreign": vec![vec![3], vec![7, 0, 0, 0, 0], vec![6, 1, 0, 3, 0x11, 5, 0]];
        "reloaded": vec![give(0, 0), vec![4, 0, 0], vec![5], vec![1], vec![5], give(0, 1)];
        "old": (0..6).map(|_| vec![0]).chain([give(0, 6), give(0, 0), give(0, 4)]).collect();
    };
    for (name, script) in follows {
        add("follow", name, script.concat());
    }
    let go = |action: u8, member: u8, at: u8| vec![action, member, 0, at, 0];
    let kept = table! {
        "in-order":  (0..21).map(|n| go(0, 0, n)).collect::<Vec<_>>();
        "back":      vec![go(0, 2, 12), go(2, 2, 0), go(2, 2, 1), go(4, 2, 1), go(2, 2, 4)];
        "joined":    vec![go(0, 1, 6), go(2, 1, 0), go(2, 1, 8), go(5, 1, 0), go(2, 1, 1)];
        "renewed":   vec![go(0, 0, 6), go(4, 0, 1), go(2, 0, 4), go(4, 0, 4), go(2, 0, 8), go(0, 0, 20)];
        "ended":     vec![go(0, 0, 6), go(4, 0, 2), go(2, 0, 4), go(0, 0, 13), go(2, 0, 4), go(2, 0, 6)];
        "named":     vec![go(4, 0, 5), go(0, 0, 20), go(2, 0, 8), go(2, 0, 9)];
        "publisher": vec![go(0, 3, 6), go(2, 3, 0), go(4, 3, 1), go(2, 3, 4), go(4, 3, 4), go(0, 3, 20)];
        "damaged":   vec![go(0, 0, 6), vec![3, 0, 0, 0, 0, 90, 0, 1], vec![3, 0, 0, 1, 0, 200, 0, 9]];
        "broken":    vec![go(4, 4, 1), go(4, 4, 3), go(0, 4, 20), go(2, 4, 9), go(2, 4, 11), go(2, 4, 8)];
    };
    for (name, script) in kept {
        add("kept", name, script.concat());
    }
}
