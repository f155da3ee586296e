//! The first bytes of a connection, looked at and left where they are: mqtt5 makes room for as
//! much as a CONNECT announces, so nothing of it is read before the announcement is sensible.

use std::io;
use std::time::Duration;

use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::server::TlsStream;

/// Largest CONNECT after its fixed header: a will of 64 KiB, and all else that it has.
pub(crate) const MAX_CONNECT: usize = 96 * 1024;
/// The packet's type, and at most four bytes of length.
const FIXED_HEADER: usize = 5;
/// A fixed header comes in one piece; who sends it byte by byte can wait.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until the fixed header of a CONNECT is there.
pub(crate) async fn plain(stream: &TcpStream) -> io::Result<()> {
    let mut first = [0; FIXED_HEADER];
    loop {
        let count = stream.peek(&mut first).await?;
        let bytes = first.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if check(bytes)? {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
}

/// As [`plain`]; the first record has to contain the whole fixed header.
pub(crate) async fn tls(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    let bytes = stream.fill_buf().await?;
    if check(bytes)? {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Whether the fixed header is complete. An error: no CONNECT, or too long a one.
fn check(bytes: &[u8]) -> io::Result<bool> {
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
