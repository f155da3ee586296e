//! The configuration file.

mod options;

use core::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::broker::Broker;
use crate::builder::{self, BrokerBuilder};
use crate::client_ids::ClientIds;
use crate::error::BrokerError;
use crate::tls::TlsSettings;
use options::{Described, options};

const LARGEST_FILE: u64 = 1024 * 1024;
/// Each value that has changed is written to the data folder.
const FIGURES_SECONDS: u64 = 60;

/// A broker's configuration, read from a TOML file.
///
/// [`Config::commented`] is such a file with every option. Paths in it are seen from its own folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    file: File,
    folder: PathBuf,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    general: General,
    limits: Limits,
    listener: Vec<Listener>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum IdRule {
    Any,
    User,
    UserPrefix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Protocol {
    Mqtt,
    Websocket,
}

options! {
    struct General {
        /// Folder where retained messages and sessions survive a restart; one broker at a time can use
        /// it. If not given, everything is in memory.
        data_folder: Option<PathBuf> = None, shown "\"/var/lib/sealmq-broker\"";
        /// Users: lines NAME:HASH from `sealmq passwd NAME`.
        password_file: Option<PathBuf> = None, shown "\"passwords\"";
        /// Whether clients without a user name may connect. If not given: only without a password file.
        allow_anonymous: Option<bool> = None, shown "false";
        /// Who may use which topics, in the syntax of Mosquitto's acl_file; `sealmq broker --write-acl -`
        /// writes the lines for sealmq. If not given, everybody may use all topics.
        access_list: Option<PathBuf> = None, shown "\"acl\"";
        /// Which client identifiers a user may take: "any", "user" (the user name) or "user-prefix" (the
        /// user name, or what begins with it and one of - . : _).
        client_ids: IdRule = IdRule::Any, shown "\"any\"";
        /// Client identifiers have to begin with this text; with client_ids = "any" only.
        client_id_prefix: Option<String> = None, shown "\"site-\"";
        /// Address where Prometheus gets the figures (GET /metrics), without a password: keep it to this
        /// machine. If not given, nowhere.
        metrics: Option<SocketAddr> = None, shown "\"127.0.0.1:9641\"";
        /// Seconds between figures as topics under $SYS/broker; 0 turns them off.
        sys_seconds: u64 = FIGURES_SECONDS, shown "60";
    }

    struct Limits {
        /// Largest packet in bytes.
        packet_bytes: usize = builder::MAX_PACKET_SIZE, shown "16842752";
        /// Most connections; two open files each. A quarter of them, at most 1024, may be clients that
        /// have not logged in.
        connections: usize = builder::MAX_CONNECTIONS, shown "10000";
        /// Most connections of one IPv4 address or one /64 of IPv6. If not given: half of all.
        connections_per_address: Option<usize> = None, shown "5000";
        /// Seconds that a client may take for TLS, WebSocket and login.
        login_seconds: u64 = builder::LOGIN_TIME.as_secs(), shown "10";
        /// Most subscriptions of one client.
        subscriptions: usize = builder::MAX_SUBSCRIPTIONS, shown "500";
        /// Most messages that wait for one client.
        queued_messages: usize = builder::MAX_QUEUED_MESSAGES, shown "10000";
        /// Most retained messages.
        retained_messages: usize = builder::MAX_RETAINED.messages, shown "250000";
        /// Most bytes of retained messages, each with its topic and 512 more; memory: twice as much.
        retained_bytes: usize = builder::MAX_RETAINED.bytes, shown "134217728";
        /// Most sessions of clients that are away.
        sessions: usize = builder::MAX_SESSIONS.sessions, shown "10000";
        /// Most bytes of messages that wait in sessions, all together.
        session_bytes: usize = builder::MAX_SESSIONS.bytes, shown "268435456";
        /// Seconds that the session of a client that is away is kept at most.
        session_seconds: u64 = builder::MAX_SESSION_EXPIRY.as_secs(), shown "2592000";
        /// Most bytes of large packets that have begun and are not complete, all together.
        incoming_bytes: usize = builder::MAX_INCOMING, shown "67108864";
        /// Most bytes that are published while a client does not read; then its connection ends.
        unread_bytes: usize = builder::MAX_UNREAD, shown "67108864";
    }

    /// Of a table that stands once for each address. Without any, the broker listens on 127.0.0.1:1883.
    struct Listener {
        /// Address and port; port 0 takes a free one.
        address: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 1883)), shown "\"127.0.0.1:1883\"";
        /// "mqtt" or "websocket".
        protocol: Protocol = Protocol::Mqtt, shown "\"mqtt\"";
        /// Path for WebSocket clients.
        path: String = "/mqtt".to_owned(), shown "\"/mqtt\"";
        /// Pages whose scripts may connect over WebSocket, as in "https://site.example". If empty, any.
        origins: Vec<String> = Vec::new(), shown "[]";
        /// The broker's certificate chain (PEM); turns TLS on. `sealmq broker --make-certs DIR` makes one.
        certificate: Option<PathBuf> = None, shown "\"certs/server.pem\"";
        /// The certificate's private key (PEM, without a passphrase).
        key: Option<PathBuf> = None, shown "\"certs/server.key\"";
        /// Clients' certificates have to be of one of these authorities (PEM).
        client_authority: Option<PathBuf> = None, shown "\"certs/ca.pem\"";
        /// With client_authority: whether clients have to show a certificate.
        client_certificate_required: bool = true, shown "true";
        /// With client_authority: the common name in a client's certificate is its user name, and takes
        /// the place of a password.
        certificate_is_user: bool = false, shown "false";
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`BrokerError::Configuration`] with the line, and the name of the option that is unknown or has
    /// a value of the wrong type.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, BrokerError> {
        let path = path.as_ref();
        let failed = |what: &dyn core::fmt::Display| {
            refused(format!("the configuration {}: {what}", path.display()))
        };
        let metadata = fs::metadata(path).map_err(|error| failed(&error))?;
        if !metadata.is_file() || metadata.len() > LARGEST_FILE {
            return Err(failed(&"no file of at most 1 MiB"));
        }
        let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let file = parse(&text).map_err(|what| failed(&what))?;
        Ok(Self { file, folder })
    }

    /// A file with every option, commented out, with its default or an example.
    #[must_use]
    pub fn commented() -> String {
        let mut text = "# Configuration of `sealmq broker --config FILE`. What is commented out is the default, or an\n\
             # example where there is none. Paths are seen from this file's folder.\n"
            .to_owned();
        for (table, about, options) in [
            ("[general]", "", General::DESCRIBED),
            ("[limits]", "", Limits::DESCRIBED),
            (
                "[[listener]]",
                "# Once for each address; clients of MQTT 3.1.1 and 5 share it.\n",
                Listener::DESCRIBED,
            ),
        ] {
            // Writing to a String does not fail.
            let _written = write!(text, "\n{about}{table}\n");
            for option in options {
                text.push('\n');
                for line in option.lines {
                    let _written = writeln!(text, "#{line}");
                }
                let _written = writeln!(text, "#{} = {}", option.name, option.shown);
            }
        }
        text
    }

    /// The most connections, for who raises the limit of open files.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.file.limits.connections
    }

    /// Whether everybody may connect.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let General {
            password_file,
            allow_anonymous,
            ..
        } = &self.file.general;
        let needs_certificate = |listener: &Listener| {
            listener.client_authority.is_some() && listener.client_certificate_required
        };
        let listeners = &self.file.listener;
        allow_anonymous.unwrap_or(password_file.is_none())
            && (listeners.is_empty() || !listeners.iter().all(needs_certificate))
    }

    /// The settings.
    ///
    /// # Errors
    /// [`BrokerError`] when options contradict each other or a file cannot be read.
    pub fn builder(&self) -> Result<BrokerBuilder, BrokerError> {
        let File {
            general,
            limits,
            listener,
        } = &self.file;
        let mut builder = Broker::builder()
            .max_packet_size(limits.packet_bytes)
            .max_connections(limits.connections)
            .login_time(Duration::from_secs(limits.login_seconds))
            .max_subscriptions(limits.subscriptions)
            .max_queued_messages(limits.queued_messages)
            .max_retained(limits.retained_messages, limits.retained_bytes)
            .max_sessions(limits.sessions, limits.session_bytes)
            .max_session_expiry(Duration::from_secs(limits.session_seconds))
            .max_incoming_bytes(limits.incoming_bytes)
            .max_unread_bytes(limits.unread_bytes)
            .figures_every(Duration::from_secs(general.sys_seconds))
            .client_ids(general.client_ids()?);
        if let Some(connections) = limits.connections_per_address {
            builder = builder.max_connections_per_address(connections);
        }
        if let Some(folder) = &general.data_folder {
            builder = builder.data_folder(self.folder.join(folder));
        }
        if let Some(file) = &general.password_file {
            builder = builder.password_file(self.folder.join(file));
        }
        if let Some(allow) = general.allow_anonymous {
            builder = builder.allow_anonymous(allow);
        }
        if let Some(file) = &general.access_list {
            builder = builder.access_list(self.folder.join(file));
        }
        if let Some(address) = general.metrics {
            builder = builder.metrics(address);
        }
        if listener.is_empty() {
            return Ok(builder.listen(Listener::default().address));
        }
        for listener in listener {
            builder = self.listen(builder, listener)?;
        }
        Ok(builder)
    }

    fn listen(
        &self,
        builder: BrokerBuilder,
        listener: &Listener,
    ) -> Result<BrokerBuilder, BrokerError> {
        let tls = self.tls(listener)?;
        let Listener {
            address,
            protocol,
            path,
            origins,
            ..
        } = listener;
        Ok(match (protocol, tls) {
            (Protocol::Mqtt, None) => builder.listen(*address),
            (Protocol::Mqtt, Some(tls)) => builder.listen_tls(*address, tls),
            (Protocol::Websocket, tls) => {
                builder.listen_websocket(*address, path, origins.iter().cloned(), tls)
            }
        })
    }

    fn tls(&self, listener: &Listener) -> Result<Option<TlsSettings>, BrokerError> {
        let address = listener.address;
        let (certificate, key) = match (&listener.certificate, &listener.key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) if listener.client_authority.is_none() => return Ok(None),
            _ => {
                return Err(refused(format!(
                    "the listener at {address}: certificate and key belong together, and client_authority needs both"
                )));
            }
        };
        let at = |path: &PathBuf| self.folder.join(path);
        let mut settings = TlsSettings::from_files(at(certificate), at(key))?;
        if let Some(authority) = &listener.client_authority {
            settings = settings.client_authority_file(at(authority))?;
            if !listener.client_certificate_required {
                settings = settings.client_certificate_optional();
            }
        }
        if listener.certificate_is_user {
            settings = settings.certificate_is_user();
        }
        Ok(Some(settings))
    }
}

impl General {
    fn client_ids(&self) -> Result<ClientIds, BrokerError> {
        match (self.client_ids, &self.client_id_prefix) {
            (IdRule::Any, None) => Ok(ClientIds::Any),
            (IdRule::Any, Some(prefix)) => Ok(ClientIds::Prefix(prefix.clone())),
            (IdRule::User, None) => Ok(ClientIds::User),
            (IdRule::UserPrefix, None) => Ok(ClientIds::UserPrefix),
            (_, Some(_)) => Err(refused(
                "client_id_prefix goes with client_ids = \"any\" only".to_owned(),
            )),
        }
    }
}

/// An error is one line, and shows the line at fault, so that it names the option whatever it is.
fn parse(text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let message = error.message().replace('\n', ", ");
        let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
            return message;
        };
        let number = before.matches('\n').count().saturating_add(1);
        let line = text
            .lines()
            .nth(number.saturating_sub(1))
            .unwrap_or_default();
        format!("line {number} ({}): {message}", line.trim())
    })
}

fn refused(reason: String) -> BrokerError {
    BrokerError::Configuration { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every option is in the printed file, because both are made of one list; this checks the values.
    #[test]
    fn the_printed_file_is_the_default_and_shows_it() {
        let printed = Config::commented();
        let mut default = parse(&printed).unwrap();
        assert_eq!(default.listener, [Listener::default()]);
        default.listener.clear();
        assert_eq!(default, File::default());

        let options = [General::DESCRIBED, Limits::DESCRIBED, Listener::DESCRIBED];
        let mut count = 0;
        for option in options.into_iter().flatten() {
            let line = format!("#{} = {}\n", option.name, option.shown);
            assert_eq!(printed.matches(&line).count(), 1, "{line}");
            count += 1;
        }
        // With all of them in use: what has a default shows it, the rest has an example.
        let mut used = String::new();
        for line in printed.lines() {
            let option = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
            used.push_str(option.unwrap_or(line));
            used.push('\n');
        }
        let shown = parse(&used).unwrap();
        assert_eq!(
            used.lines()
                .filter(|line| line.contains(" = ") && !line.starts_with('#'))
                .count(),
            count
        );
        let general = General {
            client_ids: IdRule::Any,
            sys_seconds: FIGURES_SECONDS,
            ..shown.general.clone()
        };
        assert_eq!(shown.general, general);
        let limits = Limits {
            connections_per_address: shown.limits.connections_per_address,
            ..Limits::default()
        };
        assert_eq!(shown.limits, limits);
        let listener = Listener {
            certificate: shown.listener[0].certificate.clone(),
            key: shown.listener[0].key.clone(),
            client_authority: shown.listener[0].client_authority.clone(),
            ..Listener::default()
        };
        assert_eq!(shown.listener, [listener]);
    }

    #[test]
    fn what_is_unknown_or_of_a_wrong_type_is_named() {
        for (text, name) in [
            ("[general]\npasword_file = \"x\"", "pasword_file"),
            ("[limits]\npacket_bytes = \"many\"", "packet_bytes"),
            ("[limits]\npacket_bytes = -1", "packet_bytes"),
            ("[limits]\nconnections = 1.5", "connections"),
            ("[listeners]\naddress = \"127.0.0.1:1\"", "listeners"),
            ("[listener]\naddress = \"127.0.0.1:1\"", "listener"),
            ("[[listener]]\naddress = \"localhost\"", "address"),
            ("[[listener]]\nprotocol = \"quic\"", "quic"),
            ("[[listener]]\ntls = true", "tls"),
            ("[general]\nclient_ids = \"mine\"", "mine"),
            ("[general]\nmetrics = 9641", "metrics"),
            ("[general]\nsys_seconds = 1\nsys_seconds = 2", "sys_seconds"),
            ("general = 1", "general"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.contains(name) && error.contains("line "),
                "{text}: {error}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.toml");
        fs::write(&path, b"[general]\n\xff").unwrap();
        let error = Config::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("broker.toml"), "{error}");
        assert!(Config::from_file(folder.path()).is_err());
        fs::write(
            &path,
            "[general]\nclient_ids = \"user\"\nclient_id_prefix = \"x\"",
        )
        .unwrap();
        assert!(Config::from_file(&path).unwrap().builder().is_err());
        for listener in [
            "certificate = \"x\"",
            "key = \"x\"",
            "client_authority = \"x\"",
        ] {
            fs::write(&path, format!("[[listener]]\n{listener}")).unwrap();
            let error = Config::from_file(&path).unwrap().builder().unwrap_err();
            assert!(error.to_string().contains("belong together"), "{error}");
        }
    }

    /// The example of docs/broker.md.
    #[test]
    fn the_page_shows_a_file_that_can_be_read() {
        let page = include_str!("../../../../docs/broker.md");
        let blocks = page.split("```text\n").skip(1);
        let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
        let example = blocks.find(|block| block.starts_with("[general]")).unwrap();
        let file = parse(example).unwrap();
        assert_eq!(file.listener.len(), 3);
        assert!(file.listener[1].certificate_is_user);
    }

    #[test]
    fn who_may_connect_is_known() {
        let open = |text: &str| {
            let config = Config {
                file: parse(text).unwrap(),
                folder: PathBuf::new(),
            };
            config.is_open()
        };
        assert!(open(""));
        assert!(!open("[general]\npassword_file = \"x\""));
        assert!(open(
            "[general]\npassword_file = \"x\"\nallow_anonymous = true"
        ));
        assert!(!open("[[listener]]\nclient_authority = \"x\""));
        assert!(open(
            "[[listener]]\nclient_authority = \"x\"\nclient_certificate_required = false"
        ));
        assert!(open(
            "[[listener]]\nclient_authority = \"x\"\n[[listener]]\n"
        ));
    }
}
