//! Packets to clients of MQTT 3.1.1, in its form: mqtt5 gives acknowledgements the reason codes and
//! properties of MQTT 5 whenever it refuses something, and sends DISCONNECT, which a server of 3.1.1
//! does not do.

/// What to send in the place of the packet that `bytes` begin with, and its length there. `None`: as
/// it is.
pub(crate) fn instead(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    const DISCONNECT: u8 = 14;
    let (&first, rest) = bytes.split_first()?;
    let kind = first.wrapping_shr(4);
    if !(4..=7).contains(&kind) && kind != DISCONNECT {
        return None;
    }
    let (length, header) = length(rest)?;
    let whole = header.saturating_add(1).saturating_add(length);
    let body = bytes.get(header.saturating_add(1)..whole)?;
    if kind == DISCONNECT {
        return Some((Vec::new(), whole));
    }
    match body {
        [high, low, _, ..] => Some((vec![first, 2, *high, *low], whole)),
        _ => None,
    }
}

fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        let shift = u32::try_from(index.saturating_mul(7)).unwrap_or_default();
        length |= usize::from(byte & 0x7f).wrapping_shl(shift);
        if byte & 0x80 == 0 {
            return Some((length, index.saturating_add(1)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_are_an_identifier_and_nothing_else() {
        assert_eq!(instead(&[0x40, 2, 1, 2]), None);
        assert_eq!(
            instead(&[0x40, 3, 1, 2, 0x87, 0xd0, 0]),
            Some((vec![0x40, 2, 1, 2], 5))
        );
        let mut long = vec![0x50, 0x83, 0x01, 1, 2];
        long.extend([7; 129]);
        assert_eq!(instead(&long), Some((vec![0x50, 2, 1, 2], 134)));
        assert_eq!(instead(&long[..100]), None);
        assert_eq!(instead(&[0xe0, 2, 0x8e, 0]), Some((Vec::new(), 4)));
        assert_eq!(instead(&[0xe0, 0]), Some((Vec::new(), 2)));
        for other in [
            &[][..],
            &[0x40],
            &[0x40, 0x80],
            &[0x30, 3, 1, 2, 3],
            &[0x90, 3, 1, 2, 0x80],
            &[0x40, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(instead(other), None);
        }
    }
}
