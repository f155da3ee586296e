use std::path::Path;

use sealmq_keys::objects::{decode_credential_file, decode_request};

use crate::failure::Failure;
use crate::files;

const MAX_INPUT: usize = 64 * 1024 * 1024;

/// The bytes to look at: a file's, standard input's, or hex digits.
pub(super) fn read(argument: &str) -> Result<Vec<u8>, Failure> {
    let path = Path::new(argument);
    if !files::is_dash(path) && !path.exists() {
        if let Some(bytes) = from_hex(argument.as_bytes()) {
            return Ok(bytes);
        }
        return Err(Failure::usage(format_args!(
            "{argument} is neither a file nor an even number of hex digits: check the path"
        )));
    }
    let bytes = files::read(path, MAX_INPUT)?;
    // No envelope and no object begins with a hex digit or a dash.
    if let Some(decoded) = from_hex(&bytes) {
        return Ok(decoded);
    }
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        return enrolment_file(&bytes);
    }
    Ok(bytes)
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b':')
        .collect();
    if digits.is_empty() {
        None
    } else {
        hex::decode(digits).ok()
    }
}

/// The object in an enrolment file.
fn enrolment_file(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(request) = decode_request(&text) {
        return Ok(request);
    }
    Ok(decode_credential_file(&text)?.credential)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_as_people_paste_it() {
        assert_eq!(from_hex(b"11 8F:2a\n00"), Some(vec![0x11, 0x8f, 0x2a, 0]));
        for bad in [&b""[..], b" ", b"1", b"11zz", b"\x11\x01"] {
            assert_eq!(from_hex(bad), None);
        }
    }
}
