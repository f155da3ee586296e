//! The way to the broker: options for rumqttc, TLS, and errors in plain words.

use std::env;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rumqttc::v5::{ConnectionError, MqttOptions, StateError};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use sealmq_client::BrokerLimit;

use crate::args::{ConnectionArgs, Mqtt5};
use crate::failure::Failure;
use crate::tls::{self, Trust};

/// Largest packet accepted from the broker: larger than the bundled broker's own limit.
const MAX_PACKET_SIZE: u32 = 64 * 1024 * 1024;
/// Seconds until a broker that does not answer counts as unreachable.
const CONNECT_SECONDS: u64 = 10;
const PASSWORD_VARIABLE: &str = "SEALMQ_MQTT_PASSWORD";

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
        options.set_credentials(user, password(args)?);
    }
    if args.uses_tls() {
        let trust = args.cafile.as_deref().map_or(Trust::System, Trust::File);
        let client = args.cert.as_deref().zip(args.key.as_deref());
        let config = tls::config(trust, client)?;
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
            Arc::new(config),
        )));
    } else if args.cert.is_some() {
        return Err(Failure::usage(
            "--cert is for TLS: give --cafile, --tls-use-os-certs or -p 8883, too",
        ));
    }
    Ok(options)
}

/// The one of the environment is there for every command; it only counts for a user who is named.
fn password(args: &ConnectionArgs) -> Result<String, Failure> {
    if let Some(password) = &args.password {
        return Ok(password.clone());
    }
    match env::var(PASSWORD_VARIABLE) {
        Ok(password) => Ok(password),
        Err(env::VarError::NotPresent) => Ok(String::new()),
        Err(env::VarError::NotUnicode(_)) => Err(Failure::usage(format_args!(
            "{PASSWORD_VARIABLE} is not valid UTF-8"
        ))),
    }
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

const NEEDS_5: &str = "sealmq needs MQTT 5: check the port, or use a broker or version that speaks it (Mosquitto from \
     1.6, EMQX, HiveMQ, RabbitMQ from 3.13, `sealmq broker`)";

/// The broker closed a connection that it had not accepted, or sent what is none of MQTT 5.
fn is_hang_up(error: &ConnectionError) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error {
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => [
            BrokenPipe,
            ConnectionAborted,
            ConnectionReset,
            UnexpectedEof,
        ]
        .contains(&error.kind()),
        ConnectionError::MqttState(StateError::ConnectionAborted) => true,
        _ => false,
    }
}

/// A broker that cannot carry keys, however often it is tried.
pub(crate) const fn is_final(error: &ConnectionError) -> bool {
    use ConnectReturnCode::{QoSNotSupported, RetainNotSupported};
    matches!(
        error,
        ConnectionError::ConnectionRefused(QoSNotSupported | RetainNotSupported)
    )
}

/// What went wrong with a connection that was not accepted.
pub(crate) fn describe_first(error: &ConnectionError, address: &str) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    if is_hang_up(error) && tls::explain(error, host).is_none() {
        return format!(
            "{address} closed the connection instead of answering: it probably speaks MQTT 3.1.1 only, or expects TLS \
             on this port (--cafile), or does not let this client in; {NEEDS_5}"
        );
    }
    describe(error, address)
}

/// What went wrong with the connection, and what to do.
pub(crate) fn describe(error: &ConnectionError, address: &str) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    // Also of a connection that stood: with TLS 1.3 the broker looks at a client's certificate later.
    if let Some(reason) = tls::explain(error, host) {
        return format!("no TLS connection to {address}: {reason}");
    }
    match error {
        ConnectionError::MqttState(StateError::Deserialization(error)) => format!(
            "{address} answers something else than MQTT ({error}): if this is its TLS port, give --cafile or --tls-use-os-certs"
        ),
        ConnectionError::Io(error) => {
            format!(
                "no connection to {address}: {error}; is a broker running there? check -h and -p"
            )
        }
        ConnectionError::Timeout(_) => {
            format!(
                "no answer from {address} within {CONNECT_SECONDS} s: check -h and -p, and the network; it may also \
                 speak MQTT 3.1.1 only, and {NEEDS_5}"
            )
        }
        ConnectionError::Tls(error) => format!(
            "no TLS connection to {address}: {error}; check --cafile, the host name and that this is the TLS port"
        ),
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => format!(
            "{address} refuses the login: check -u and -P (SEALMQ_MQTT_PASSWORD counts with -u only), or the certificate of --cert"
        ),
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::UnsupportedProtocolVersion
            | ConnectReturnCode::RefusedProtocolVersion,
        ) => format!("{address} does not speak MQTT 5: {NEEDS_5}"),
        ConnectionError::ConnectionRefused(ConnectReturnCode::RetainNotSupported) => {
            format!("{address}: {}", BrokerLimit::NoRetained)
        }
        ConnectionError::ConnectionRefused(ConnectReturnCode::QoSNotSupported) => format!(
            "{address} takes messages of QoS 0 only, and enrolment and keys need QoS 1: switch it on there, or use \
             another broker"
        ),
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
