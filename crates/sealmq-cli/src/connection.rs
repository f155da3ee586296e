//! The way to the broker: options for rumqttc, TLS, and errors in plain words.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rumqttc::v5::{ConnectionError, MqttOptions, StateError};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::args::{ConnectionArgs, Mqtt5};
use crate::failure::Failure;

/// Largest packet accepted from the broker: larger than the bundled broker's own limit.
const MAX_PACKET_SIZE: u32 = 64 * 1024 * 1024;
/// Seconds until a broker that does not answer counts as unreachable.
const CONNECT_SECONDS: u64 = 10;

/// Options for a clean session.
pub(crate) fn options(args: &ConnectionArgs) -> Result<MqttOptions, Failure> {
    // The options below are those of this version.
    let Mqtt5 = args.protocol_version;
    let id = match &args.id {
        Some(id) => id.clone(),
        None => random_id()?,
    };
    let mut options = plain_options(&id, args.host(), args.port());
    options.set_keep_alive(Duration::from_secs(u64::from(args.keepalive)));
    if let Some(user) = &args.username {
        options.set_credentials(user, args.password.as_deref().unwrap_or_default());
    }
    if let Some(authorities) = &args.cafile {
        let client = args.cert.as_deref().zip(args.key.as_deref());
        let config = tls(authorities, client)?;
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
            Arc::new(config),
        )));
    }
    Ok(options)
}

/// Options without login and TLS.
pub(crate) fn plain_options(id: &str, host: &str, port: u16) -> MqttOptions {
    let mut options = MqttOptions::new(id, host, port);
    // Otherwise small packets wait 40 ms for the acknowledgement of the one before.
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_SECONDS);
    options.set_network_options(network);
    options.set_connection_timeout(CONNECT_SECONDS);
    options.set_max_packet_size(Some(MAX_PACKET_SIZE));
    options
}

/// A client identifier that says nothing about who this is.
pub(crate) fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::refused(format_args!("the random number generator failed: {error}"))
    })?;
    Ok(format!("sealmq-{}", hex::encode(bytes)))
}

fn tls(authorities: &Path, client: Option<(&Path, &Path)>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authorities)? {
        roots
            .add(certificate)
            .map_err(|error| Failure::usage(format_args!("{}: {error}", authorities.display())))?;
    }
    let failed = |error: tokio_rustls::rustls::Error| {
        Failure::usage(format_args!("cannot set up TLS: {error}"))
    };
    // The provider is named, because two linked ones would make rustls panic on its default.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots);
    let Some((chain, key)) = client else {
        return Ok(builder.with_no_client_auth());
    };
    let key_der =
        PrivateKeyDer::from_pem_slice(&zeroize::Zeroizing::new(read(key)?)).map_err(|error| {
            Failure::usage(format_args!(
                "{} holds no usable private key: {error}",
                key.display()
            ))
        })?;
    builder
        .with_client_auth_cert(certificates(chain)?, key_der)
        .map_err(failed)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let certificates = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| {
            Failure::usage(format_args!("{} is not valid PEM: {error}", path.display()))
        })?;
    if certificates.is_empty() {
        return Err(Failure::usage(format_args!(
            "{} holds no certificate: give a PEM file with BEGIN CERTIFICATE",
            path.display()
        )));
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path)
        .map_err(|error| Failure::usage(format_args!("{} cannot be read: {error}", path.display())))
}

/// What went wrong with the connection, and what to do.
pub(crate) fn describe(error: &ConnectionError, address: &str) -> String {
    match error {
        ConnectionError::Io(error) => {
            format!(
                "no connection to {address}: {error}; is a broker running there? check -h and -p"
            )
        }
        ConnectionError::Timeout(_) => {
            format!(
                "no answer from {address} within {CONNECT_SECONDS} s: check -h and -p, and the network"
            )
        }
        ConnectionError::Tls(error) => format!(
            "no TLS connection to {address}: {error}; check --cafile, the host name and that this is the TLS port"
        ),
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => format!("{address} refuses the login: check -u and -P, or the certificate of --cert"),
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::UnsupportedProtocolVersion
            | ConnectReturnCode::RefusedProtocolVersion,
        ) => format!("{address} does not speak MQTT 5: sealmq needs a broker that does"),
        ConnectionError::ConnectionRefused(code) => {
            format!("{address} refuses the connection: {code:?}")
        }
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) => {
            let text = reason_string.as_deref().unwrap_or_default();
            format!("{address} ended the connection: {reason_code:?} {text}")
                .trim_end()
                .to_owned()
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            format!("{address} closed the connection")
        }
        other => format!("the connection to {address} failed: {other}"),
    }
}
