use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use sealmq_rumqttc::TopicMap;

use crate::failure::Failure;

/// The way to the broker, with the options of mosquitto_pub and mosquitto_sub.
#[derive(Args, Clone)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    pub(crate) help: Option<bool>,
    /// The broker's name or address; localhost if not given
    #[arg(short = 'h', long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// The broker's port; 1883 if not given, 8883 with TLS; 80 and 443 with --ws
    #[arg(short, long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Client identifier; a random one if not given
    #[arg(short = 'i', long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// User name for the broker
    #[arg(short, long, value_name = "USER")]
    pub(crate) username: Option<String>,
    /// Password for the broker; better in the environment variable SEALMQ_MQTT_PASSWORD, where other
    /// users do not see it
    #[arg(
        short = 'P',
        long = "pw",
        visible_alias = "password",
        value_name = "PASSWORD",
        requires = "username"
    )]
    pub(crate) password: Option<String>,
    /// Keep-alive in seconds, at least 5
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(5..))]
    pub(crate) keepalive: u16,
    /// PEM file with the authorities that may vouch for the broker, or with its own certificate if that is
    /// self-signed; turns TLS on
    #[arg(long, value_name = "FILE")]
    pub(crate) cafile: Option<PathBuf>,
    /// Trust the authorities that the system trusts; turns TLS on. Not needed with -p 8883
    #[arg(long, conflicts_with = "cafile")]
    pub(crate) tls_use_os_certs: bool,
    /// PEM file with this client's certificate, for brokers that ask for one
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// PEM file with the key of --cert
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Protocol to ask for in the TLS handshake (ALPN): mqtt for MQTT on port 443, as some clouds want it
    #[arg(long, value_name = "PROTOCOL")]
    pub(crate) tls_alpn: Option<String>,
    /// MQTT over WebSocket; with TLS, over WebSocket over TLS
    #[arg(long)]
    pub(crate) ws: bool,
    /// Path of the broker's WebSocket
    #[arg(long, value_name = "PATH", default_value = "/mqtt", requires = "ws", value_parser = ws_path)]
    pub(crate) ws_path: String,
    /// The broker's Unix socket, instead of host and port
    #[cfg(unix)]
    #[arg(long, value_name = "SOCKET", conflicts_with_all = ["host", "port", "ws", "cafile", "tls_use_os_certs", "cert", "tls_alpn"])]
    pub(crate) unix: Option<PathBuf>,
    /// Protocol version: mqttv5, or mqttv311 for brokers that know nothing newer
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "mqttv5", value_parser = protocol)]
    pub(crate) protocol_version: Protocol,
}

/// For brokers behind a bridge.
#[derive(Args, Clone)]
#[command(next_help_heading = "Connection")]
pub(crate) struct TopicMapArgs {
    /// Where a bridge renames topics: topics that begin with HERE at this broker are those that begin
    /// with SEALED elsewhere, and for which messages are sealed; either may be empty, or ends with /.
    /// May be given several times; -t and what is printed are as elsewhere
    #[arg(long = "topic-map", value_name = "HERE=SEALED", value_parser = topic_pair)]
    pairs: Vec<(String, String)>,
}

impl TopicMapArgs {
    pub(crate) fn map(&self) -> Result<TopicMap, Failure> {
        let mut map = TopicMap::new();
        for (here, sealed) in &self.pairs {
            let added = map.add(here, sealed);
            let wrong =
                |error| Failure::usage(format_args!("--topic-map {here}={sealed}: {error}"));
            map = added.map_err(wrong)?;
        }
        Ok(map)
    }
}

fn topic_pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(here, sealed)| (here.to_owned(), sealed.to_owned()))
        .ok_or_else(|| "an entry is HERE=SEALED, as in site1/= or =plant/".to_owned())
}

/// The port that is registered for MQTT over TLS.
const TLS_PORT: u16 = 8883;

/// Versions of MQTT.
#[derive(Clone, Copy)]
pub(crate) enum Protocol {
    V5,
    V311,
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "5" | "mqttv5" => Ok(Protocol::V5),
        "311" | "mqttv311" => Ok(Protocol::V311),
        _ => Err("sealmq speaks mqttv5 and mqttv311".to_owned()),
    }
}

/// A path as it stands in a request of HTTP.
fn ws_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("a path begins with / and has no spaces: /mqtt".to_owned())
    }
}

impl ConnectionArgs {
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(match (self.ws, self.uses_tls()) {
            (false, false) => 1883,
            (false, true) => TLS_PORT,
            (true, false) => 80,
            (true, true) => 443,
        })
    }

    /// The broker's WebSocket, if that is the way.
    pub(crate) fn url(&self) -> Option<String> {
        let scheme = if self.uses_tls() { "wss" } else { "ws" };
        let host = match self.host() {
            host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
            host => host.to_owned(),
        };
        self.ws
            .then(|| format!("{scheme}://{host}:{}{}", self.port(), self.ws_path))
    }

    /// The broker's Unix socket, if that is the way.
    pub(crate) fn socket(&self) -> Option<&Path> {
        #[cfg(unix)]
        return self.unix.as_deref();
        #[cfg(not(unix))]
        return None;
    }

    /// As with mosquitto_sub, the port for TLS turns it on.
    pub(crate) fn uses_tls(&self) -> bool {
        self.cafile.is_some() || self.tls_use_os_certs || self.port == Some(TLS_PORT)
    }

    pub(crate) fn host(&self) -> &str {
        self.host.as_deref().unwrap_or("localhost")
    }

    /// For messages.
    pub(crate) fn address(&self) -> String {
        if let Some(socket) = self.socket() {
            return socket.display().to_string();
        }
        format!("{}:{}", self.host(), self.port())
    }
}
