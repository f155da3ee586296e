use std::fs;
use std::net::IpAddr;
use std::path::Path;

use rumqttc::{TlsConfiguration, Transport};

use super::Version;
use crate::args::Connection;
use crate::failed::Failed;

/// The way to the broker.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) version: Version,
    pub(crate) login: Option<(String, String)>,
    pub(crate) tls: Option<Tls>,
    /// The path of a WebSocket, if MQTT goes over one.
    pub(crate) websocket: Option<String>,
}

/// PEM.
#[derive(Clone)]
pub(crate) struct Tls {
    ca: Vec<u8>,
    client: Option<(Vec<u8>, Vec<u8>)>,
    alpn: Option<String>,
}

impl Link {
    pub(crate) fn new(args: &Connection) -> Result<Self, Failed> {
        let read = |path: &Path| fs::read(path).map_err(Failed::at(&path.display().to_string()));
        let client = match (&args.cert, &args.key) {
            (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
            _ => None,
        };
        let tls = match &args.cafile {
            Some(path) => Some(Tls {
                ca: read(path)?,
                client,
                alpn: args.tls_alpn.clone(),
            }),
            None => None,
        };
        let password = args.password.clone().unwrap_or_default();
        Ok(Self {
            host: args.host.clone(),
            port: args.port,
            version: args.version,
            login: args.username.clone().map(|user| (user, password)),
            tls,
            websocket: args.ws.then(|| args.ws_path.clone()),
        })
    }

    /// As rumqttc wants it; `port`: of a relay on this machine.
    pub(crate) fn address(&self, port: Option<u16>) -> String {
        let (host, port) = (&self.host, port.unwrap_or(self.port));
        match (&self.websocket, &self.tls) {
            (None, _) => host.clone(),
            (Some(path), None) => format!("ws://{host}:{port}{path}"),
            (Some(path), Some(_)) => format!("wss://{host}:{port}{path}"),
        }
    }

    /// Whether a relay on this machine has the broker's name.
    pub(crate) fn is_here(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    pub(crate) fn transport(&self) -> Transport {
        let Some(Tls { ca, client, alpn }) = self.tls.clone() else {
            return match self.websocket {
                None => Transport::tcp(),
                Some(_) => Transport::ws(),
            };
        };
        let config = TlsConfiguration::Simple {
            ca,
            alpn: alpn.map(|name| vec![name.into_bytes()]),
            client_auth: client,
        };
        match self.websocket {
            None => Transport::tls_with_config(config),
            Some(_) => Transport::wss_with_config(config),
        }
    }
}
