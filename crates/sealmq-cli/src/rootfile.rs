//! The root's public key as a file: what an authority and its devices are given out of band.

use std::fmt::Write as _;
use std::path::Path;

use sealmq_core::DomainId;
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::suite_of_number;
use sealmq_core::wire::Suite;
use sealmq_keys::{check_prefix, default_prefix};

use crate::failure::Failure;
use crate::files;

const TITLE: &str = "sealmq root key, version 1";
const MAX_LEN: usize = 4096;

/// What a domain is known by. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootFile {
    /// The root's Ed25519 key, which members pin.
    pub(crate) key: [u8; 32],
    pub(crate) suite: Suite,
    /// Prefix of the reserved topics.
    pub(crate) prefix: String,
}

impl RootFile {
    /// `prefix`: the domain's default if `None`.
    pub(crate) fn new(
        key: [u8; 32],
        suite: Suite,
        prefix: Option<String>,
    ) -> Result<Self, Failure> {
        let root = VerifyingKey::from_bytes(&key).map_err(|_| {
            Failure::usage(
                "this is no usable root key: take the file that `sealmq root show` prints",
            )
        })?;
        let prefix = prefix.unwrap_or_else(|| default_prefix(&DomainId::of_root(&root)));
        check_prefix(&prefix).map_err(|error| Failure::usage(format_args!("{prefix}: {error}")))?;
        if prefix.trim() != prefix {
            return Err(Failure::usage(
                "the prefix begins or ends with a space: leave it out",
            ));
        }
        Ok(Self { key, suite, prefix })
    }

    /// Reads a file; `-` is standard input.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = files::read_text(path, MAX_LEN)?;
        Self::parse(&text).ok_or_else(|| {
            Failure::usage(format_args!(
                "{} is no root key file, or damaged: take the one that `sealmq root show` prints",
                path.display()
            ))
        })
    }

    pub(crate) fn domain(&self) -> DomainId {
        // The key was checked when this was made; of a bad one nobody would have a domain.
        VerifyingKey::from_bytes(&self.key)
            .map_or(DomainId([0; 16]), |root| DomainId::of_root(&root))
    }

    /// The domain follows from the key: it is there to find typing errors.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{TITLE}\n");
        for (name, value) in [
            ("key", hex::encode(self.key)),
            ("domain", hex::encode(self.domain().0)),
            ("suite", (self.suite as u8).to_string()),
            ("prefix", self.prefix.clone()),
        ] {
            // Writing to a string does not fail.
            let _infallible = writeln!(text, "{name:<8}{value}");
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim_end);
        if lines.next()? != TITLE {
            return None;
        }
        let mut field = |name: &str| {
            let rest = lines.next()?.strip_prefix(name)?;
            rest.starts_with(' ').then(|| rest.trim_start())
        };
        let mut key = [0; 32];
        hex::decode_to_slice(field("key")?, &mut key).ok()?;
        let domain = field("domain")?;
        let suite = suite_of_number(field("suite")?.parse().ok()?).ok()?;
        let prefix = field("prefix")?.to_owned();
        let rest_is_empty = lines.all(str::is_empty);
        let file = Self::new(key, suite, Some(prefix)).ok()?;
        (rest_is_empty && hex::encode(file.domain().0) == domain.to_ascii_lowercase())
            .then_some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealmq_authority::RootKey;
    use sealmq_core::crypto::Secret;

    #[test]
    fn what_is_written_is_read_and_errors_are_found() {
        let key = RootKey::from_seed(&Secret::init_with(|seed| seed.fill(7))).public();
        for prefix in [None, Some("_e2e/two words".to_owned())] {
            let file = RootFile::new(key, Suite::Two, prefix).unwrap();
            let text = file.text();
            assert_eq!(RootFile::parse(&text), Some(file.clone()));
            assert_eq!(RootFile::parse(&text.replace('\n', "\r\n")), Some(file));
            // Every digit of the key counts.
            let start = text.find("key").unwrap() + 8;
            for at in start..start + 64 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
                assert_eq!(RootFile::parse(&String::from_utf8(bytes).unwrap()), None);
            }
            for bad in [
                text.replace("version 1", "version 2"),
                text.replace("suite   2", "suite   9"),
                format!("{text}more\n"),
                text.lines().take(4).collect::<Vec<_>>().join("\n"),
            ] {
                assert_eq!(RootFile::parse(&bad), None, "{bad}");
            }
        }
        assert!(RootFile::new([255; 32], Suite::One, None).is_err());
    }
}
