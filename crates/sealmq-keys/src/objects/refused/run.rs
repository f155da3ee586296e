use sealmq_core::MemberNumber;
use sealmq_core::object::ObjectError;

/// Most records of a run: of a list that has them in it, and of a chunk.
pub const MAX_REFUSED_RUN: usize = 1027;
/// Longest run in bytes: as long as a chunk of a cover, for devices that hold one at a time.
pub const MAX_REFUSED_RUN_LEN: usize = MAX_REFUSED_RUN * RECORD_LEN;
/// Lowest acceptable serial of a member that was removed: no credential has it.
pub const REMOVED: u32 = u32::MAX;

pub(super) const RECORD_LEN: usize = 8;
pub(super) const ERROR: ObjectError = ObjectError::Field("entries");

/// One member that a group refuses, wholly or with older credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The member.
    pub member: MemberNumber,
    /// Credentials with a lower serial are refused; [`REMOVED`] refuses all.
    pub lowest_serial: u32,
}

impl Refusal {
    /// As it stands in a run.
    #[must_use]
    pub const fn encode(&self) -> [u8; RECORD_LEN] {
        let [a, b, c, d] = self.member.0.to_be_bytes();
        let [e, f, g, h] = self.lowest_serial.to_be_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

fn record(bytes: &[u8]) -> Option<Refusal> {
    let (member, rest) = bytes.split_first_chunk()?;
    let (lowest_serial, _) = rest.split_first_chunk()?;
    Some(Refusal {
        member: MemberNumber(u32::from_be_bytes(*member)),
        lowest_serial: u32::from_be_bytes(*lowest_serial),
    })
}

/// Records of a refused list, checked: one or more, ascending by member, each once.
#[derive(Clone, Copy)]
pub struct RefusedRun<'a>(&'a [u8]);

impl<'a> RefusedRun<'a> {
    /// # Errors
    /// `Field("entries")`.
    pub(super) fn check(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        let whole = bytes.chunks_exact(RECORD_LEN).remainder().is_empty();
        if bytes.is_empty() || bytes.len() > MAX_REFUSED_RUN_LEN || !whole {
            return Err(ERROR);
        }
        let mut last = MemberNumber(0);
        for refusal in bytes.chunks_exact(RECORD_LEN).filter_map(record) {
            if refusal.member <= last || !refusal.member.is_valid() {
                return Err(ERROR);
            }
            last = refusal.member;
        }
        Ok(Self(bytes))
    }

    /// The refusals, ascending by member.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Refusal> + 'a {
        self.0.chunks_exact(RECORD_LEN).filter_map(record)
    }

    /// The lowest credential serial that is accepted of a member: 0 if there is no record of it.
    #[must_use]
    pub fn lowest_serial(&self, member: MemberNumber) -> u32 {
        let mut records = self.0;
        while !records.is_empty() {
            let half = (records.len() / RECORD_LEN / 2).saturating_mul(RECORD_LEN);
            let split = records.split_at_checked(half);
            let split = split.and_then(|(before, rest)| {
                let (middle, after) = rest.split_at_checked(RECORD_LEN)?;
                Some((before, record(middle)?, after))
            });
            // There always is a middle one; if not, nobody is let in.
            let Some((before, refusal, after)) = split else {
                return REMOVED;
            };
            records = match member.cmp(&refusal.member) {
                core::cmp::Ordering::Equal => return refusal.lowest_serial,
                core::cmp::Ordering::Less => before,
                core::cmp::Ordering::Greater => after,
            };
        }
        0
    }

    /// Whether a credential of the member with this serial is still accepted.
    #[must_use]
    pub fn accepts(&self, member: MemberNumber, credential_serial: u32) -> bool {
        let lowest = self.lowest_serial(member);
        lowest != REMOVED && credential_serial >= lowest
    }
}
