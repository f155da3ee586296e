//! Sealing in a session that has begun.

use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::seal::SealError as SessionError;

use super::send::{Class, no_keys};
use super::types::{Now, OutgoingMessage};
use super::{Member, SealError};

impl Member {
    /// As [`Member::seal_into`], of an event that needs nothing but a session that has begun.
    /// `false`: it needs more than that, and nothing was done.
    ///
    /// # Errors
    /// As there. What the buffer holds then means nothing.
    pub fn seal_ready_into(
        &mut self,
        message: &OutgoingMessage<'_>,
        now: Now,
        envelope: &mut Vec<u8>,
    ) -> Result<bool, SealError> {
        if message.retain || message.will || !self.unsaved.is_empty() {
            return Ok(false);
        }
        let now = self.clock(now);
        let (id, topic) = self.may_seal(message, now)?;
        if !self.is_session_ready(id, Class::Event)? {
            return Ok(false);
        }
        match self.seal_once(id, Class::Event, topic, message, now, envelope) {
            Err(SealError::Message(SessionError::SessionEnded(_))) => return Ok(false),
            result => result?,
        }
        self.stats.sealed = self.stats.sealed.saturating_add(1);
        Ok(true)
    }

    /// Whether the group has a session of its current epoch, or of its newest kept keys.
    pub(super) fn is_session_ready(&self, id: GroupId, class: Class) -> Result<bool, SealError> {
        let group = self.groups.get(&id).ok_or_else(|| no_keys(id))?;
        let state = group.state.as_deref();
        let state = state.ok_or_else(|| no_keys(id))?;
        Ok(match class {
            Class::Event => {
                let current = state.current().ok_or_else(|| no_keys(id))?;
                let session = group.session.as_ref();
                session.is_some_and(|session| session.announcement() == current.hash)
            }
            Class::State => {
                let kept = state.kept().ok_or_else(|| no_keys(id))?;
                let session = group.state_session.as_ref();
                session.is_some_and(|session| *session.kept() == kept.name)
            }
        })
    }
}
