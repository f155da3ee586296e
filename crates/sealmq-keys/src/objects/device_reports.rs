//! What a member's confirmation says of others: that two devices use one identity (spec/keys.md §4).

use sealmq_core::object::{Extensions, List, ObjectError};
use sealmq_core::wire::MAX_SESSION_NUMBER;
use sealmq_core::{CredentialOrder, GroupId, MemberNumber};
use serde::{Deserialize, Serialize};

/// Id of the extension.
pub const DEVICE_REPORTS: u16 = 2;
/// Most members that one confirmation reports.
pub const MAX_DEVICE_REPORTS: usize = 8;

/// What told a reader that two devices use one identity (spec/envelope.md §11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DevicesSign {
    /// Two sessions with one number: the sender signed what no single device signs, unless its
    /// store was put back.
    SharedNumber,
    /// Messages of two sessions that take turns by the times that the sender signed.
    Turns,
}

/// Says of one member that two devices use its identity. A claim: what it rests on only its
/// reader has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// The member that it is about.
    pub member: MemberNumber,
    /// Serial of the delegation of the credential under which both sessions are.
    pub serial: u32,
    /// Serial of that credential.
    pub credential_serial: u32,
    /// What told the reader.
    pub sign: DevicesSign,
    /// The group of the messages.
    pub group: GroupId,
    /// The lower session number.
    pub first: u64,
    /// The higher one; the same if it is shared.
    pub second: u64,
    /// When, by the reader's clock, Unix seconds; 0 without one.
    pub at: u64,
}

impl DeviceReport {
    /// Order of the credential that it is about.
    #[must_use]
    pub const fn credential(&self) -> CredentialOrder {
        CredentialOrder {
            delegation: self.serial,
            credential: self.credential_serial,
        }
    }

    fn is_valid(&self) -> bool {
        let numbers = match self.sign {
            DevicesSign::SharedNumber => self.first == self.second,
            DevicesSign::Turns => self.first < self.second,
        };
        self.member.is_valid() && self.first > 0 && self.second <= MAX_SESSION_NUMBER && numbers
    }
}

/// The value of the extension [`DEVICE_REPORTS`] of a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DeviceReports<'a> {
    /// 1 to [`MAX_DEVICE_REPORTS`], ascending by member, each once.
    #[serde(borrow)]
    pub reports: List<'a, DeviceReport>,
}

impl<'a> DeviceReports<'a> {
    /// Those among the extensions of a confirmation of this member; none if it has none.
    ///
    /// # Errors
    /// [`ObjectError::Field`] for what the spec forbids, [`ObjectError::Encoding`].
    pub(crate) fn of(
        extensions: &Extensions<'a>,
        reporter: MemberNumber,
    ) -> Result<List<'a, DeviceReport>, ObjectError> {
        let Some(found) = extensions.read::<Self>(DEVICE_REPORTS)? else {
            return Ok(List::EMPTY);
        };
        found.check(reporter)?;
        Ok(found.reports)
    }

    /// Checks them for a confirmation of this member.
    ///
    /// # Errors
    /// [`ObjectError::Field`].
    pub fn check(&self, reporter: MemberNumber) -> Result<(), ObjectError> {
        let mut last = None;
        for (index, report) in self.reports.iter().enumerate() {
            let fits = report.is_valid()
                && report.member != reporter
                && last.is_none_or(|last| last < report.member);
            if index >= MAX_DEVICE_REPORTS || !fits {
                return Err(ObjectError::Field("device reports"));
            }
            last = Some(report.member);
        }
        match last {
            Some(_) => Ok(()),
            None => Err(ObjectError::Field("device reports")),
        }
    }
}
