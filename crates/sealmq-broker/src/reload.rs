//! What can change while the broker runs: who may connect and what they may do, and certificates.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use crate::acl::AccessList;
use crate::builder::{Entrance, Settings};
use crate::client_ids::ClientIds;
use crate::door::Door;
use crate::error::BrokerError;
use crate::login::Login;

/// Who may connect, and what they may do.
pub(crate) struct Rules {
    pub(crate) login: Login,
    pub(crate) client_ids: ClientIds,
    /// `None`: every client may use every topic.
    pub(crate) access: Option<AccessList>,
}

/// Replaced as a whole; who has begun with what was before goes on with it.
pub(crate) struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was before.
    fn replace(&self, value: Arc<T>) -> Arc<T> {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        core::mem::replace(&mut *current, value)
    }
}

/// Of a running broker.
pub(crate) struct Changeable {
    pub(crate) rules: Arc<Current<Rules>>,
    /// By the addresses that were asked for.
    pub(crate) entrances: Vec<(SocketAddr, Arc<Entrance>)>,
    pub(crate) door: Arc<Door>,
}

impl Changeable {
    /// All of it or nothing.
    pub(crate) fn change(&self, settings: Settings) -> Result<(), BrokerError> {
        let (now, next) = (&self.entrances, &settings.entrances);
        let same = now.len() == next.len()
            && now
                .iter()
                .zip(next)
                .all(|((address, now), (other, next))| address == other && now.is_like(next));
        if !same {
            return Err(BrokerError::Settings {
                reason: "other listeners, or other rules of theirs, need a restart: nothing was changed",
            });
        }
        for ((_, now), (_, next)) in now.iter().zip(next) {
            if let (Some(now), Some(next)) = (&now.tls, &next.tls) {
                now.replace(next.get());
            }
        }
        let rules = Arc::new(settings.rules);
        let before = self.rules.replace(Arc::clone(&rules));
        self.door.end_those(|guest| {
            // Whose certificate is the login has none of these.
            let by_certificate = guest.identity.get().is_some();
            !by_certificate && rules.login.is_over(&before.login, guest.user())
        });
        Ok(())
    }
}

impl Entrance {
    /// But for the certificates.
    fn is_like(&self, other: &Self) -> bool {
        self.tls.is_some() == other.tls.is_some()
            && self.certificate_names == other.certificate_names
            && self.websocket == other.websocket
    }
}

impl core::fmt::Debug for Changeable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Changeable")
            .field("listeners", &self.entrances.len())
            .finish_non_exhaustive()
    }
}
