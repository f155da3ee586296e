use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use mqtt5::broker::PasswordAuthProvider;
use mqtt5::broker::auth::{AuthRateLimiter, AuthResult};
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::BrokerError;

/// A password check takes 19 MiB and a few milliseconds: more at once would let strangers fill the memory.
const CHECKS_AT_ONCE: usize = 4;
const FAILURES_PER_MINUTE: u32 = 20;
const MINUTE_SECONDS: u64 = 60;

/// Turns a password into the text that stands behind `NAME:` in a
/// [password file](crate::BrokerBuilder::password_file): Argon2id with a fresh salt.
///
/// # Errors
/// [`BrokerError::Users`] when the operating system gives no randomness.
pub fn hash_password(password: &str) -> Result<String, BrokerError> {
    PasswordAuthProvider::hash_password(password).map_err(|error| BrokerError::Users {
        reason: format!("the password cannot be hashed: {error}"),
    })
}

/// Who may connect. No users at all: everybody may.
#[derive(Default)]
pub(crate) struct Users {
    hashes: HashMap<String, String>,
}

impl Users {
    pub(crate) fn add(&mut self, name: &str, password: &str) -> Result<(), BrokerError> {
        if name.is_empty() {
            return Err(users("a user needs a name".to_owned()));
        }
        self.hashes
            .insert(name.to_owned(), hash_password(password)?);
        Ok(())
    }

    pub(crate) fn add_file(&mut self, path: &Path) -> Result<(), BrokerError> {
        let text = fs::read_to_string(path).map_err(|error| {
            users(format!(
                "cannot read the password file {}: {error}; check the path and its permissions",
                path.display()
            ))
        })?;
        // A line that is skipped silently would be a user who cannot log in, or a removal that is not one.
        for (number, line) in (1_usize..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(':') {
                Some((name, hash)) if !name.is_empty() && hash.starts_with("$argon2") => {
                    self.hashes.insert(name.to_owned(), hash.to_owned());
                }
                _ => {
                    return Err(users(format!(
                        "line {number} of {} is not NAME:HASH with an Argon2 hash; files of mosquitto_passwd \
                         have to be made anew",
                        path.display()
                    )));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

fn users(reason: String) -> BrokerError {
    BrokerError::Users { reason }
}

/// Checks names and passwords.
pub(crate) struct Login {
    hashes: HashMap<String, String>,
    anonymous: bool,
    /// Checked for unknown names, so that the time of the answer does not tell them apart.
    decoy: String,
    failures: AuthRateLimiter,
    checks: Arc<Semaphore>,
}

impl Login {
    pub(crate) fn new(users: Users, anonymous: bool) -> Result<Self, BrokerError> {
        let decoy = if users.is_empty() {
            String::new()
        } else {
            hash_password("")?
        };
        Ok(Self {
            hashes: users.hashes,
            anonymous,
            decoy,
            // Counted per address only: a count per name would let a stranger lock a user out.
            failures: AuthRateLimiter::new(FAILURES_PER_MINUTE, MINUTE_SECONDS, MINUTE_SECONDS),
            checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
        })
    }

    /// Whether somebody who logged in by the rules of before has to do so again: a user who is gone
    /// or has another password, or nobody where a name is needed now.
    pub(crate) fn is_over(&self, before: &Self, user: Option<&str>) -> bool {
        match user {
            Some(user) => self.hashes.get(user) != before.hashes.get(user),
            None => !self.anonymous,
        }
    }

    async fn check(&self, name: &str, password: &[u8]) -> bool {
        let Ok(password) = core::str::from_utf8(password) else {
            return false;
        };
        let password = Zeroizing::new(password.to_owned());
        let known = self.hashes.get(name);
        let hash = known.unwrap_or(&self.decoy).clone();
        let Ok(permit) = Arc::clone(&self.checks).acquire_owned().await else {
            return false;
        };
        let verified = tokio::task::spawn_blocking(move || {
            let verified = PasswordAuthProvider::verify_password(&password, &hash);
            drop(permit);
            verified
        })
        .await;
        known.is_some() && matches!(verified, Ok(true))
    }

    /// `identity`: the name in a verified certificate, which takes the place of a password.
    pub(crate) async fn decide(
        &self,
        connect: &ConnectPacket,
        address: SocketAddr,
        identity: Option<&str>,
    ) -> AuthResult {
        if let Some(identity) = identity {
            return match connect.username.as_deref() {
                Some(other) if other != identity => {
                    AuthResult::fail(ReasonCode::BadUsernameOrPassword)
                }
                _ => AuthResult::success_with_user(identity),
            };
        }
        if self.hashes.is_empty() && self.anonymous {
            return AuthResult::success();
        }
        let Some(name) = connect.username.as_deref() else {
            return if self.anonymous {
                AuthResult::success()
            } else {
                AuthResult::fail(ReasonCode::NotAuthorized)
            };
        };
        if !self.failures.check_rate_limit(address.ip()) {
            return AuthResult::fail(ReasonCode::ConnectionRateExceeded);
        }
        let accepted = self
            .check(name, connect.password.as_deref().unwrap_or_default())
            .await;
        self.failures.record_attempt(address.ip(), accepted);
        if accepted {
            AuthResult::success_with_user(name)
        } else {
            self.failures.cleanup_expired();
            AuthResult::fail(ReasonCode::BadUsernameOrPassword)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Users, BrokerError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        fs::write(&path, text).unwrap();
        let mut users = Users::default();
        users.add_file(&path).map(|()| users)
    }

    #[test]
    fn a_password_file_is_read_strictly() {
        let hash = hash_password("secret").unwrap();
        let users = file(&format!("# staff\n\nann:{hash}\n")).unwrap();
        assert_eq!(users.hashes.get("ann"), Some(&hash));

        for bad in ["ann", ":$argon2id$x", "ann:secret", "ann:$7$101$salt$hash"] {
            let error = file(&format!("# staff\n{bad}\n"))
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains("line 2"), "{bad}: {error}");
        }
    }

    #[tokio::test]
    async fn a_known_name_needs_its_own_password() {
        let mut users = Users::default();
        users.add("ann", "secret").unwrap();
        let login = Login::new(users, false).unwrap();
        assert!(login.check("ann", b"secret").await);
        assert!(!login.check("ann", b"").await);
        assert!(!login.check("ann", b"secret\xff").await);
        // The decoy's own password opens nothing.
        assert!(!login.check("bob", b"").await);
    }
}
