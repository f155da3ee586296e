//! The first bytes of a connection: nothing is passed to mqtt5 before the CONNECT that they announce
//! is sensible.

use std::io;

/// Largest CONNECT after its fixed header: a will of 64 KiB, and all else that it has.
pub(crate) const MAX_CONNECT: usize = 96 * 1024;

/// Whether the fixed header is complete. An error: no CONNECT, or too long a one.
pub(crate) fn check(bytes: &[u8]) -> io::Result<bool> {
    const CONNECT: u8 = 0x10;
    let Some((&kind, length)) = bytes.split_first() else {
        return Ok(false);
    };
    let refused = |reason| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    if kind != CONNECT {
        return refused("the first packet is no CONNECT");
    }
    let mut announced = 0_usize;
    for (shift, byte) in [0_u32, 7, 14, 21].into_iter().zip(length) {
        announced |= usize::from(byte & 0x7f).wrapping_shl(shift);
        if announced > MAX_CONNECT {
            return refused("the CONNECT is too long");
        }
        if byte & 0x80 == 0 {
            return Ok(true);
        }
    }
    if length.len() >= 4 {
        return refused("the length of the CONNECT is malformed");
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sensible_connect_is_let_in() {
        for (bytes, expected) in [
            (&[][..], Some(false)),
            (&[0x10], Some(false)),
            (&[0x10, 0x20], Some(true)),
            (&[0x10, 0x80], Some(false)),
            (&[0x10, 0x80, 0x80, 0x06], Some(true)),
            // One byte more than allowed, 16 MiB, the most that MQTT can express, and five bytes.
            (&[0x10, 0x81, 0x80, 0x06], None),
            (&[0x10, 0xff, 0xff, 0xff, 0x07], None),
            (&[0x10, 0xff, 0xff, 0xff, 0x7f], None),
            (&[0x10, 0x80, 0x80, 0x80, 0x80], None),
            (&[0x30, 0x02], None),
            (b"GET / HTTP/1.1", None),
            (&[0x16, 0x03, 0x01], None),
        ] {
            assert_eq!(check(bytes).ok(), expected, "{bytes:02x?}");
        }
    }
}
