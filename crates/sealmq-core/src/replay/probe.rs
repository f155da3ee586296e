use crate::ids::{GroupId, MemberNumber};

/// Longest run of places in which an entry is looked for.
const MAX_PROBE: usize = 64;

/// The places of an entry with this hash in a table of `len`, in order of search.
pub(crate) fn probe(hash: u64, len: usize) -> impl Iterator<Item = usize> {
    // A table of more than 2^64 places does not exist; an empty one yields nothing.
    let home = hash.checked_rem(len as u64).unwrap_or(0);
    let home = usize::try_from(home).unwrap_or(0);
    (home..len).chain(0..home).take(MAX_PROBE)
}

/// Spreads the bits of a key (the finalizer of SplitMix64). The keys come from the authority, so
/// an attacker cannot choose where they meet.
pub(crate) const fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Where a sender of a group stands.
pub(crate) fn sender_hash(group: &GroupId, member: MemberNumber) -> u64 {
    let (half, _) = group.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
    mix(u64::from_le_bytes(*half) ^ mix(u64::from(member.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_wraps_and_ends() {
        assert_eq!(probe(7, 0).count(), 0);
        assert_eq!(probe(6, 4).collect::<Vec<_>>(), [2, 3, 0, 1]);
        assert_eq!(probe(u64::MAX, 1000).count(), MAX_PROBE);
    }
}
