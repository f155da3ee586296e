use core::ops::RangeInclusive;

use sealmq_core::object::ObjectError;
use serde::{Deserialize, Serialize};

use crate::objects::kept_keys::MAX_KEPT;

/// Largest history window in epochs.
pub const MAX_WINDOW: u8 = 16;

/// A group's policy (spec/constants.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Epochs before the current one whose messages still open: 0 to 16.
    pub window: u8,
    /// Seconds that an announcement or a heartbeat is good for; 0: no heartbeats.
    pub lease: u32,
    /// Seconds for which readers accept messages after the end of the lease, or without one
    /// after the announcement's not_after.
    pub grace: u32,
    /// Highest age of a message in seconds; 0 for any.
    pub freshness: u32,
    /// Tolerated difference of clocks in seconds.
    pub skew: u32,
    /// 0 none, 1 Padmé, 2 bucket.
    pub padding: u8,
    /// Bucket size in bytes with padding 2, else 0.
    pub bucket: u32,
    /// Messages after which a session ends.
    pub session_messages: u32,
    /// Bytes of plaintext after which a session ends.
    pub session_bytes: u64,
    /// Seconds after which a session ends.
    pub session_seconds: u32,
    /// Highest age of a Last Will in seconds.
    pub will_age: u32,
    /// Kept epochs before the current one whose state still opens: 0 to 64.
    pub kept: u8,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            window: 2,
            lease: 0,
            grace: 3600,
            freshness: 0,
            skew: 300,
            padding: 0,
            bucket: 0,
            session_messages: 1 << 20,
            session_bytes: 1 << 36,
            session_seconds: 86400,
            will_age: 604_800,
            kept: 16,
        }
    }
}

const SECONDS: RangeInclusive<u32> = 0..=1 << 31;

impl Policy {
    /// Checks every field against its range.
    ///
    /// # Errors
    /// [`ObjectError::Field`] with the field's name.
    pub fn check(&self) -> Result<(), ObjectError> {
        let ranges = [
            ("policy.window", self.window <= MAX_WINDOW),
            (
                "policy.lease",
                self.lease == 0 || (10..=1 << 31).contains(&self.lease),
            ),
            ("policy.grace", SECONDS.contains(&self.grace)),
            ("policy.freshness", SECONDS.contains(&self.freshness)),
            ("policy.skew", self.skew <= 86400),
            ("policy.padding", self.padding <= 2),
            (
                "policy.bucket",
                match self.padding {
                    2 => (16..=65536).contains(&self.bucket),
                    _ => self.bucket == 0,
                },
            ),
            (
                "policy.session_messages",
                (1..1 << 21).contains(&self.session_messages),
            ),
            (
                "policy.session_bytes",
                (1024..=1 << 36).contains(&self.session_bytes),
            ),
            (
                "policy.session_seconds",
                (60..=604_800).contains(&self.session_seconds),
            ),
            ("policy.will_age", SECONDS.contains(&self.will_age)),
            ("policy.kept", usize::from(self.kept) <= MAX_KEPT),
        ];
        if let Some((name, _)) = ranges.iter().find(|(_, in_range)| !in_range) {
            return Err(ObjectError::Field(name));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_has_two_ends() {
        type Set = fn(&mut Policy, u64);
        // Field, setter, allowed values, refused values.
        let cases: &[(&str, Set, &[u64], &[u64])] = &[
            (
                "policy.window",
                |p, v| p.window = v as u8,
                &[0, 16],
                &[17, 255],
            ),
            (
                "policy.lease",
                |p, v| p.lease = v as u32,
                &[0, 10, 1 << 31],
                &[1, 9, (1 << 31) + 1],
            ),
            (
                "policy.grace",
                |p, v| p.grace = v as u32,
                &[0, 1 << 31],
                &[(1 << 31) + 1],
            ),
            (
                "policy.freshness",
                |p, v| p.freshness = v as u32,
                &[0, 1 << 31],
                &[(1 << 31) + 1],
            ),
            (
                "policy.skew",
                |p, v| p.skew = v as u32,
                &[0, 86400],
                &[86401],
            ),
            (
                "policy.padding",
                |p, v| p.padding = v as u8,
                &[0, 1],
                &[3, 255],
            ),
            ("policy.bucket", |p, v| p.bucket = v as u32, &[0], &[1, 16]),
            (
                "policy.session_messages",
                |p, v| p.session_messages = v as u32,
                &[1, (1 << 21) - 1],
                &[0, 1 << 21],
            ),
            (
                "policy.session_bytes",
                |p, v| p.session_bytes = v,
                &[1024, 1 << 36],
                &[1023, (1 << 36) + 1],
            ),
            (
                "policy.session_seconds",
                |p, v| p.session_seconds = v as u32,
                &[60, 604_800],
                &[59, 604_801],
            ),
            (
                "policy.will_age",
                |p, v| p.will_age = v as u32,
                &[0, 1 << 31],
                &[(1 << 31) + 1],
            ),
            ("policy.kept", |p, v| p.kept = v as u8, &[0, 64], &[65, 255]),
        ];
        assert_eq!(Policy::default().check(), Ok(()));
        for (name, set, good, bad) in cases {
            for value in *good {
                let mut policy = Policy::default();
                set(&mut policy, *value);
                assert_eq!(policy.check(), Ok(()), "{name} = {value}");
            }
            for value in *bad {
                let mut policy = Policy::default();
                set(&mut policy, *value);
                assert_eq!(
                    policy.check(),
                    Err(ObjectError::Field(name)),
                    "{name} = {value}"
                );
            }
        }
        for (bucket, ok) in [
            (0, false),
            (15, false),
            (16, true),
            (65536, true),
            (65537, false),
        ] {
            let policy = Policy {
                padding: 2,
                bucket,
                ..Policy::default()
            };
            assert_eq!(policy.check().is_ok(), ok, "bucket {bucket}");
        }
    }
}
