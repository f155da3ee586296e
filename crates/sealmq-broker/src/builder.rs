use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::acl::AccessList;
use crate::broker::Broker;
use crate::client_ids::ClientIds;
use crate::descriptors;
use crate::door::Room;
use crate::error::BrokerError;
use crate::login::{Login, Users};
use crate::reload::{Current, Rules};
use crate::sessions::SessionRoom;
use crate::shelf::ShelfRoom;
use crate::tls::TlsSettings;
use crate::websocket::WebSocketRules;

/// Payloads of 16 MiB pass, with topic and envelope around them, and a stranger cannot make the broker buffer more per connection.
pub(crate) const MAX_PACKET_SIZE: usize = 16 * 1024 * 1024 + 64 * 1024;
/// The largest packet that MQTT can express (MQTT 5, section 2.1.4), with its fixed header.
const LARGEST_MQTT_PACKET: usize = 268_435_460;
const SMALLEST_MAX_PACKET_SIZE: usize = 1024;
pub(crate) const MAX_CONNECTIONS: usize = 10_000;
pub(crate) const MAX_QUEUED_MESSAGES: usize = 10_000;
pub(crate) const LOGIN_TIME: Duration = Duration::from_secs(10);
/// Each may hold a CONNECT of 96 KiB.
const MAX_STRANGERS: usize = 1024;
const MAX_STRANGERS_PER_SOURCE: usize = 256;
pub(crate) const MAX_SUBSCRIPTIONS: usize = 500;
pub(crate) const MAX_RETAINED: ShelfRoom = ShelfRoom {
    messages: 250_000,
    bytes: 128 * 1024 * 1024,
};
pub(crate) const MAX_SESSIONS: SessionRoom = SessionRoom {
    sessions: 10_000,
    bytes: 256 * 1024 * 1024,
};
pub(crate) const MAX_SESSION_EXPIRY: Duration = Duration::from_secs(30 * 24 * 60 * 60);
pub(crate) const MAX_INCOMING: usize = 64 * 1024 * 1024;
pub(crate) const MAX_UNREAD: usize = 64 * 1024 * 1024;

/// Settings of a [`Broker`] that does not run yet; made by [`Broker::builder`].
#[must_use = "a builder does nothing until start is called"]
pub struct BrokerBuilder {
    listeners: Vec<Listener>,
    data_folder: Option<PathBuf>,
    users: Vec<(String, Zeroizing<String>)>,
    password_files: Vec<PathBuf>,
    anonymous: Option<bool>,
    client_ids: ClientIds,
    access_list: Option<PathBuf>,
    metrics: Option<SocketAddr>,
    figures_every: Duration,
    limits: Limits,
}

struct Listener {
    address: SocketAddr,
    tls: Option<TlsSettings>,
    websocket: Option<WebSocketRules>,
}

#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes, fixed header included.
    pub(crate) packet_size: usize,
    pub(crate) connections: usize,
    /// `None`: half of all.
    pub(crate) connections_per_source: Option<usize>,
    pub(crate) login_time: Duration,
    pub(crate) subscriptions: usize,
    pub(crate) retained: ShelfRoom,
    pub(crate) queued_messages: usize,
    pub(crate) sessions: SessionRoom,
    pub(crate) session_expiry: Duration,
    /// Bytes of large packets that have begun and are not complete.
    pub(crate) incoming: usize,
    /// Bytes that are published while a client does not read.
    pub(crate) unread: usize,
}

impl Limits {
    /// As many connections as the process may have files for, and strangers in proportion.
    pub(crate) fn room(&self) -> Room {
        let connections = self
            .connections
            .min(descriptors::connections().unwrap_or(usize::MAX));
        let strangers = MAX_STRANGERS.min(connections.div_ceil(4));
        Room {
            connections,
            connections_per_source: self
                .connections_per_source
                .unwrap_or(connections.div_ceil(2)),
            strangers,
            strangers_per_source: MAX_STRANGERS_PER_SOURCE.min(strangers.div_ceil(2)),
        }
    }
}

/// Checked, and ready for the broker's own threads.
pub(crate) struct Settings {
    pub(crate) entrances: Vec<(SocketAddr, Entrance)>,
    pub(crate) data_folder: Option<PathBuf>,
    pub(crate) rules: Rules,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) figures_every: Duration,
    pub(crate) limits: Limits,
}

/// What is spoken at a listener.
pub(crate) struct Entrance {
    pub(crate) tls: Option<Current<TlsAcceptor>>,
    /// The name in a client's certificate is its user name.
    pub(crate) certificate_names: bool,
    pub(crate) websocket: Option<WebSocketRules>,
}

impl BrokerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            listeners: Vec::new(),
            data_folder: None,
            users: Vec::new(),
            password_files: Vec::new(),
            anonymous: None,
            client_ids: ClientIds::Any,
            access_list: None,
            metrics: None,
            figures_every: Duration::ZERO,
            limits: Limits {
                packet_size: MAX_PACKET_SIZE,
                connections: MAX_CONNECTIONS,
                connections_per_source: None,
                login_time: LOGIN_TIME,
                subscriptions: MAX_SUBSCRIPTIONS,
                retained: MAX_RETAINED,
                queued_messages: MAX_QUEUED_MESSAGES,
                sessions: MAX_SESSIONS,
                session_expiry: MAX_SESSION_EXPIRY,
                incoming: MAX_INCOMING,
                unread: MAX_UNREAD,
            },
        }
    }

    /// Listens for plain TCP here, beside other listeners; port 0 takes a free one.
    ///
    /// Default: a free port of 127.0.0.1, if there is no other listener.
    pub fn listen(self, address: SocketAddr) -> Self {
        self.listener(address, None, None)
    }

    /// Listens for TLS 1.2 and 1.3 here; port 0 takes a free one.
    pub fn listen_tls(self, address: SocketAddr, settings: TlsSettings) -> Self {
        self.listener(address, Some(settings), None)
    }

    /// Listens for MQTT over WebSocket here, over TLS if settings for it are given. Clients come to
    /// `path` (`/mqtt` as a rule), and from a page of one of the `origins` if there are any.
    pub fn listen_websocket(
        self,
        address: SocketAddr,
        path: impl Into<String>,
        origins: impl IntoIterator<Item = String>,
        tls: Option<TlsSettings>,
    ) -> Self {
        let rules = WebSocketRules {
            path: path.into(),
            origins: origins.into_iter().collect(),
        };
        self.listener(address, tls, Some(rules))
    }

    fn listener(
        mut self,
        address: SocketAddr,
        tls: Option<TlsSettings>,
        websocket: Option<WebSocketRules>,
    ) -> Self {
        self.listeners.push(Listener {
            address,
            tls,
            websocket,
        });
        self
    }

    /// Keeps retained messages, sessions and queued messages in this folder.
    ///
    /// It is created, for this user only, if just its last component is missing. One broker at a time
    /// can use it. Default: nothing survives the broker.
    pub fn data_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_folder = Some(folder.into());
        self
    }

    /// Adds a user who logs in with this password. With at least one user, anonymous clients are
    /// refused.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users
            .push((name.into(), Zeroizing::new(password.into())));
        self
    }

    /// Adds the users of a file with lines `NAME:HASH`, where the hash comes from
    /// [`hash_password`](crate::hash_password). Empty lines and lines that begin with `#` are skipped.
    pub fn password_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.password_files.push(path.into());
        self
    }

    /// Whether clients without a user name may connect. Default: only if there are no users.
    ///
    /// A client that names a user always needs that user's password once there are users.
    pub fn allow_anonymous(mut self, allow: bool) -> Self {
        self.anonymous = Some(allow);
        self
    }

    /// Which client identifiers may be used. Default: any.
    pub fn client_ids(mut self, rule: ClientIds) -> Self {
        self.client_ids = rule;
        self
    }

    /// Topics are used as this file says, in the syntax of Mosquitto's `acl_file`:
    /// [`ReservedTopics`](crate::ReservedTopics) writes its lines for sealmq. What no line allows is
    /// refused (`Not authorized`); a subscription is allowed if everything that it can match is.
    /// Default: everybody may use every topic, except that nobody publishes to `$SYS`.
    pub fn access_list(mut self, path: impl Into<PathBuf>) -> Self {
        self.access_list = Some(path.into());
        self
    }

    /// Answers `GET /metrics` here, in the text format of Prometheus, to everybody who can reach the
    /// address: keep it to the loopback network. Default: nowhere.
    pub fn metrics(mut self, address: SocketAddr) -> Self {
        self.metrics = Some(address);
        self
    }

    /// How often the topics under `$SYS` are written, under Mosquitto's names. Zero: never, which is
    /// the default.
    pub fn figures_every(mut self, time: Duration) -> Self {
        self.figures_every = time;
        self
    }

    /// The largest packet accepted, in bytes: 1024 to 268,435,460. Default: 16 MiB and 64 KiB,
    /// for payloads of 16 MiB.
    ///
    /// A larger one ends the connection; MQTT 5 clients are told the limit when they connect.
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.limits.packet_size = bytes;
        self
    }

    /// Connections at the same time, those that did not log in yet included. Default: 10,000; not
    /// more than the process may open files for, two each.
    ///
    /// At most a quarter of them, and 1024, are connections that have not logged in yet; when there
    /// are more, the one that has waited longest ends.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.connections = connections;
        self
    }

    /// Connections from one IPv4 address, or one /64 of IPv6. Default: half of
    /// [`max_connections`](Self::max_connections).
    pub fn max_connections_per_address(mut self, connections: usize) -> Self {
        self.limits.connections_per_source = Some(connections);
        self
    }

    /// How long a client may take to connect, TLS and login included. Default: 10 s.
    pub fn login_time(mut self, time: Duration) -> Self {
        self.limits.login_time = time;
        self
    }

    /// Subscriptions of one client. Default: 500. Topic filters have at most 1024 bytes.
    pub fn max_subscriptions(mut self, subscriptions: usize) -> Self {
        self.limits.subscriptions = subscriptions;
        self
    }

    /// Retained messages: how many, and how many bytes together, each with its topic and 512 more.
    /// Beyond that MQTT 5 clients are told `Quota exceeded`, and messages are delivered and not kept.
    /// The last eighth is for new values of topics that have one. When three quarters are full, a user
    /// who has a quarter is refused new topics (`Not authorized`). Memory: twice as much. Default:
    /// 250,000 and 128 MiB.
    pub fn max_retained(mut self, messages: usize, bytes: usize) -> Self {
        self.limits.retained = ShelfRoom { messages, bytes };
        self
    }

    /// Sessions of clients that are not connected: how many, and how many bytes of messages wait in
    /// all sessions together. Beyond that sessions end: of the address (of IPv6: the /64) with most,
    /// the one that was left first. Default: 10,000 and 256 MiB.
    pub fn max_sessions(mut self, sessions: usize, bytes: usize) -> Self {
        self.limits.sessions = SessionRoom { sessions, bytes };
        self
    }

    /// Messages that wait for one client: this many in memory while it is connected and slow, and this
    /// many in its session; then QoS 0 messages are dropped and the oldest of QoS 1 and 2 go.
    /// Default: 10,000. Sessions are also limited to 64 MiB of messages, or one packet if that is more.
    pub fn max_queued_messages(mut self, messages: usize) -> Self {
        self.limits.queued_messages = messages;
        self
    }

    /// How long a disconnected client's session is kept at most, in whole seconds. Default: 30 days.
    /// MQTT 5 clients ask for a time themselves (none if they say nothing), and are told what they get.
    pub fn max_session_expiry(mut self, duration: Duration) -> Self {
        self.limits.session_expiry = duration;
        self
    }

    /// Bytes of packets of more than 16 KiB that have begun and are not complete, all clients together,
    /// but at least one packet. Others wait for room; who has it for more than five seconds while
    /// others wait loses its connection. Default: 64 MiB.
    pub fn max_incoming_bytes(mut self, bytes: usize) -> Self {
        self.limits.incoming = bytes;
        self
    }

    /// Bytes that may be published while a client does not read what it has subscribed to. Beyond that,
    /// and after at least five seconds, its connection ends; beyond four times as much at once. Sessions
    /// keep what they keep. Default: 64 MiB.
    pub fn max_unread_bytes(mut self, bytes: usize) -> Self {
        self.limits.unread = bytes;
        self
    }

    /// Starts the broker. When this returns, clients can connect.
    ///
    /// # Errors
    /// A [`BrokerError`] that names the setting or the address at fault; nothing keeps running then.
    pub async fn start(self) -> Result<Broker, BrokerError> {
        Broker::launch(self.check()?).await
    }

    pub(crate) fn check(self) -> Result<Settings, BrokerError> {
        let limits = self.limits;
        if !(SMALLEST_MAX_PACKET_SIZE..=LARGEST_MQTT_PACKET).contains(&limits.packet_size) {
            return Err(BrokerError::Settings {
                reason: "the largest packet must be 1024 to 268435460 bytes",
            });
        }
        let counts = [
            limits.connections,
            limits.connections_per_source.unwrap_or(1),
            limits.subscriptions,
            limits.queued_messages,
            limits.retained.messages,
            limits.sessions.sessions,
        ];
        if counts.contains(&0) {
            return Err(BrokerError::Settings {
                reason: "at least one connection, subscription, retained and queued message and session must be allowed",
            });
        }
        let mut users = Users::default();
        for path in &self.password_files {
            users.add_file(path)?;
        }
        for (name, password) in &self.users {
            users.add(name, password)?;
        }
        let anonymous = self
            .anonymous
            .unwrap_or(users.is_empty() && self.password_files.is_empty());
        if users.is_empty() && !anonymous {
            return Err(BrokerError::Settings {
                reason: "nobody could connect: add a user, or allow anonymous clients",
            });
        }
        let mut listeners = self.listeners;
        if listeners.is_empty() {
            listeners.push(Listener {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                tls: None,
                websocket: None,
            });
        }
        let entrances = listeners.into_iter().map(Listener::check);
        let access = self.access_list.as_deref().map(AccessList::from_file);
        Ok(Settings {
            entrances: entrances.collect::<Result<_, _>>()?,
            data_folder: self.data_folder,
            rules: Rules {
                login: Login::new(users, anonymous)?,
                client_ids: self.client_ids,
                access: access.transpose()?,
            },
            metrics: self.metrics,
            figures_every: self.figures_every,
            limits,
        })
    }
}

impl Listener {
    fn check(self) -> Result<(SocketAddr, Entrance), BrokerError> {
        let protocol = match &self.websocket {
            None => &b"mqtt"[..],
            Some(rules) if rules.path.starts_with('/') => b"http/1.1",
            Some(_) => {
                return Err(BrokerError::Settings {
                    reason: "the path for WebSocket clients begins with /",
                });
            }
        };
        let entrance = Entrance {
            certificate_names: self.tls.as_ref().is_some_and(|tls| tls.names),
            tls: match self.tls {
                Some(tls) => Some(Current::new(tls.acceptor(protocol)?)),
                None => None,
            },
            websocket: self.websocket,
        };
        Ok((self.address, entrance))
    }
}

impl core::fmt::Debug for BrokerBuilder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BrokerBuilder")
            .field("listeners", &self.listeners.len())
            .field("data_folder", &self.data_folder)
            .field("users", &self.users.len())
            .finish_non_exhaustive()
    }
}
