use std::fmt;
use std::io;
use std::process::ExitCode;

use sealmq_authority::office::{OfficeError, Unfinished};
use sealmq_authority::{AuthorityError, CopyError, LoadError};
use sealmq_broker::BrokerError;
use sealmq_keys::member::MemberError;
use sealmq_keys::objects::ArmourError;
use sealmq_store::StoreError;

/// How the program ends. The numbers are documented in `sealmq --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Refused, or not possible.
    Refused = 1,
    /// Wrong arguments, or input that cannot be read. Also clap's code.
    Usage = 2,
    /// The broker cannot be reached or refuses the connection.
    Network = 3,
    /// A store cannot be unlocked, opened or written.
    Store = 4,
    /// A check of the demo failed.
    Check = 5,
    /// `join` or `sub -W` ran out of time, as mosquitto_sub says it.
    TimedOut = 27,
    /// Stopped by a signal before the work was done.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The exit codes, for `--help`.
pub(crate) const EXIT_CODES: &str = "Exit codes:
    0  done
    1  refused or not possible; the message says why
    2  wrong arguments, or input that cannot be read
    3  the broker cannot be reached, or refuses the connection
    4  a store cannot be unlocked, opened or written
    5  demo: a check failed
   27  the time of sub -W or join --timeout is over
  130  stopped by a signal before the work was done";

/// Why the program ends early: one line that says what happened and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Empty when there is nothing to say.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    pub(crate) fn refused(message: impl fmt::Display) -> Self {
        Self::new(Exit::Refused, message.to_string())
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message.to_string())
    }

    pub(crate) fn network(message: impl fmt::Display) -> Self {
        Self::new(Exit::Network, message.to_string())
    }

    /// Standard output cannot be written. That its reader left (`sealmq sub | head`) is no failure.
    pub(crate) fn output(error: &io::Error) -> Self {
        Self::refused(format_args!("standard output cannot be written: {error}"))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Exit::Store, error.to_string())
    }
}

impl From<LoadError<StoreError>> for Failure {
    fn from(error: LoadError<StoreError>) -> Self {
        let exit = match error {
            LoadError::Authority(AuthorityError::NoDelegation) => Exit::Refused,
            _ => Exit::Store,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Self {
        Self::refused(format_args!("{error}; look for another copy of it"))
    }
}

impl From<Unfinished> for Failure {
    fn from(why: Unfinished) -> Self {
        Self::refused(match why {
            Unfinished::Refused => "the broker refuses some of the authority's objects",
            Unfinished::Deaf => {
                "the broker refuses this client's subscriptions, so it cannot be seen whether this folder is an old copy: nothing was published. Allow it to read what the authority reads (docs/operations.md)"
            }
        })
    }
}

impl From<OfficeError<StoreError>> for Failure {
    fn from(error: OfficeError<StoreError>) -> Self {
        match error {
            OfficeError::Store(error) => error.into(),
            OfficeError::Authority(error) => error.into(),
            OfficeError::Suspended(suspension) => crate::authority::suspended(&suspension),
            other => Self::refused(other),
        }
    }
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        Self::refused(error)
    }
}

impl From<MemberError> for Failure {
    fn from(error: MemberError) -> Self {
        let exit = match error {
            MemberError::Store(_) | MemberError::Record(_) => Exit::Store,
            MemberError::File(_) => Exit::Usage,
            _ => Exit::Refused,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<ArmourError> for Failure {
    fn from(error: ArmourError) -> Self {
        Self::usage(error)
    }
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Self {
        let exit = match error {
            BrokerError::Tls { .. }
            | BrokerError::Users { .. }
            | BrokerError::AccessList { .. }
            | BrokerError::Configuration { .. }
            | BrokerError::Settings { .. } => Exit::Usage,
            _ => Exit::Refused,
        };
        Self::new(exit, error.to_string())
    }
}
