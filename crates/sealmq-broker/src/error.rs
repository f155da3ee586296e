use core::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the broker could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum BrokerError {
    /// The address cannot be listened on: in use, not of this machine, or not permitted.
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The data folder cannot be created or written.
    DataFolder {
        /// The folder that was asked for.
        folder: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another broker, in this process or another, has the data folder open.
    DataFolderInUse {
        /// The folder that was asked for.
        folder: PathBuf,
    },
    /// The data folder's content cannot be used, for instance because a newer version wrote it.
    Storage {
        /// The folder that was asked for.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate, private key or client authority cannot be used.
    Tls {
        /// What is wrong, and with which of them.
        reason: String,
    },
    /// A user or the password file cannot be used.
    Users {
        /// What is wrong, and where.
        reason: String,
    },
    /// The access list cannot be used.
    AccessList {
        /// What is wrong, and where.
        reason: String,
    },
    /// The configuration file cannot be used.
    Configuration {
        /// What is wrong, and where.
        reason: String,
    },
    /// A certificate or its key cannot be made or written.
    Certificates {
        /// What is wrong, and where.
        reason: String,
    },
    /// The settings contradict each other or are out of range.
    Settings {
        /// Which setting, and what it must be.
        reason: &'static str,
    },
    /// The broker's threads could not be started, or ended before it listened.
    Threads {
        /// What the operating system said.
        source: io::Error,
    },
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, source } => {
                write!(f, "cannot listen on {address}: {source}; ")?;
                match source.kind() {
                    io::ErrorKind::AddrInUse => write!(
                        f,
                        "another program uses port {}: stop it, choose another port, or port 0 for any free one",
                        address.port()
                    ),
                    io::ErrorKind::PermissionDenied => f.write_str(
                        "choose a port above 1023 or run with the right to use this one",
                    ),
                    _ => f.write_str("choose an address of this machine"),
                }
            }
            Self::DataFolder { folder, source } => {
                write!(
                    f,
                    "cannot use the data folder {}: {source}; ",
                    folder.display()
                )?;
                match source.kind() {
                    io::ErrorKind::NotFound => {
                        f.write_str("create the folder that should contain it")
                    }
                    io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                        f.write_str("name a folder, not a file")
                    }
                    _ => f.write_str("name a folder that this user may write"),
                }
            }
            Self::DataFolderInUse { folder } => write!(
                f,
                "the data folder {} is in use by another broker: stop that one or choose another folder",
                folder.display()
            ),
            Self::Storage { folder, reason } => write!(
                f,
                "cannot use the content of the data folder {}: {reason}",
                folder.display()
            ),
            Self::Tls { reason } => write!(f, "cannot set up TLS: {reason}"),
            Self::Users { reason } => write!(f, "cannot set up the users: {reason}"),
            Self::AccessList { reason } => f.write_str(reason),
            Self::Configuration { reason } => f.write_str(reason),
            Self::Certificates { reason } => write!(f, "cannot make certificates: {reason}"),
            Self::Settings { reason } => f.write_str(reason),
            Self::Threads { source } => write!(
                f,
                "cannot run the broker's threads: {source}; check the limits on threads and open files"
            ),
        }
    }
}

impl core::error::Error for BrokerError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. }
            | Self::DataFolder { source, .. }
            | Self::Threads { source } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_errors_say_what_to_do() {
        let error = |kind: io::ErrorKind| {
            BrokerError::Listen {
                address: "127.0.0.1:1883".parse().unwrap(),
                source: kind.into(),
            }
            .to_string()
        };
        let in_use = error(io::ErrorKind::AddrInUse);
        assert!(
            in_use.contains("127.0.0.1:1883") && in_use.contains("another program"),
            "{in_use}"
        );
        assert!(error(io::ErrorKind::PermissionDenied).contains("above 1023"));
        assert!(error(io::ErrorKind::AddrNotAvailable).contains("address of this machine"));
    }
}
