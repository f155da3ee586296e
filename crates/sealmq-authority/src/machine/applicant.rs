use sealmq_keys::objects::{Fingerprint, OpenedJoinRequest, VerifiedEnrolment};

/// A device that asks to join: its request, opened and verified.
pub(super) struct Applicant<'a> {
    pub(super) device: Fingerprint,
    pub(super) sealed: &'a OpenedJoinRequest,
    pub(super) verified: VerifiedEnrolment<'a>,
}

impl Applicant<'_> {
    /// Number of its newest key package; 0 if it has none.
    pub(super) fn last_package(&self) -> u32 {
        let packages = self.verified.packages();
        packages.last().map_or(0, |(_, package)| package.number())
    }
}

/// Whether something from `at` is out of date.
pub(super) const fn is_old(at: u64, seconds: u64, now: u64) -> bool {
    now.saturating_sub(at) > seconds
}
