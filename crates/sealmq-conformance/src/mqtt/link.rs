use std::fs;
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
}

/// PEM.
#[derive(Clone)]
pub(crate) struct Tls {
    ca: Vec<u8>,
    client: Option<(Vec<u8>, Vec<u8>)>,
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
        })
    }

    pub(crate) fn transport(&self) -> Transport {
        match self.tls.clone() {
            None => Transport::tcp(),
            Some(Tls { ca, client }) => Transport::tls_with_config(TlsConfiguration::Simple {
                ca,
                alpn: None,
                client_auth: client,
            }),
        }
    }
}
