//! The way to the broker: options for rumqttc, TLS, and errors in plain words.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{TlsConfiguration, Transport};
use sealmq_rumqttc::link::LinkError;
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use sealmq_rumqttc::{Trouble, Version};

use crate::args::ConnectionArgs;
use crate::failure::Failure;
use crate::tls::{self, Trust};

/// Largest packet accepted from the broker: larger than the bundled broker's own limit.
const MAX_PACKET_SIZE: u32 = 64 * 1024 * 1024;
/// Seconds until a broker that does not answer counts as unreachable.
const CONNECT_SECONDS: u64 = 10;
const PASSWORD_VARIABLE: &str = "SEALMQ_MQTT_PASSWORD";

/// A version of MQTT, as the program uses it.
pub(crate) trait Mqtt: Version {
    /// For messages.
    const NAME: &str;
    /// What else may be the reason if a broker does not answer as it should, and what to do.
    const OTHER: (&str, &str);

    /// Options without login and TLS.
    fn plain(id: &str, host: &str, port: u16) -> Self::Options;
    fn set_keep_alive(options: &mut Self::Options, seconds: Duration);
    fn set_login(options: &mut Self::Options, user: &str, password: String);
    fn set_transport(options: &mut Self::Options, transport: Transport);
    /// The session outlives the connection by so many seconds, as far as the version can say that.
    fn keep_session(options: &mut Self::Options, seconds: u32);
}

impl Mqtt for V5 {
    const NAME: &str = "MQTT 5";
    const OTHER: (&str, &str) = (
        "it probably speaks MQTT 3.1.1 only (then give -V mqttv311), or ",
        "; without -V mqttv311 sealmq needs MQTT 5: check the port, or use a broker or version that speaks it (Mosquitto \
         from 1.6, EMQX, HiveMQ, RabbitMQ from 3.13, `sealmq broker`)",
    );

    fn plain(id: &str, host: &str, port: u16) -> Self::Options {
        let mut options = Self::Options::new(id, host, port);
        options.set_connection_timeout(CONNECT_SECONDS);
        options.set_max_packet_size(Some(MAX_PACKET_SIZE));
        options
    }

    fn set_keep_alive(options: &mut Self::Options, seconds: Duration) {
        options.set_keep_alive(seconds);
    }

    fn set_login(options: &mut Self::Options, user: &str, password: String) {
        options.set_credentials(user, password);
    }

    fn set_transport(options: &mut Self::Options, transport: Transport) {
        options.set_transport(transport);
    }

    fn keep_session(options: &mut Self::Options, seconds: u32) {
        options.set_clean_start(false);
        options.set_session_expiry_interval(Some(seconds));
    }
}

impl Mqtt for V4 {
    const NAME: &str = "MQTT 3.1.1";
    const OTHER: (&str, &str) = ("it perhaps ", "");

    // The adapter's own time for an answer is `CONNECT_SECONDS`, too.
    fn plain(id: &str, host: &str, port: u16) -> Self::Options {
        let mut options = Self::Options::new(id, host, port);
        let most = usize::try_from(MAX_PACKET_SIZE).unwrap_or(usize::MAX);
        options.set_max_packet_size(most, most);
        options
    }

    fn set_keep_alive(options: &mut Self::Options, seconds: Duration) {
        options.set_keep_alive(seconds);
    }

    fn set_login(options: &mut Self::Options, user: &str, password: String) {
        options.set_credentials(user, password);
    }

    fn set_transport(options: &mut Self::Options, transport: Transport) {
        options.set_transport(transport);
    }

    fn keep_session(options: &mut Self::Options, _: u32) {
        options.set_clean_session(false);
    }
}

/// Options for a clean session.
pub(crate) fn options<V: Mqtt>(args: &ConnectionArgs) -> Result<V::Options, Failure> {
    let id = match &args.id {
        Some(id) => id.clone(),
        None => random_id()?,
    };
    let mut options = match (args.socket(), args.url()) {
        (Some(socket), _) => {
            let path = socket.to_str().ok_or_else(|| {
                Failure::usage(format_args!(
                    "{}: a path in UTF-8 is needed",
                    socket.display()
                ))
            })?;
            V::plain(&id, path, args.port())
        }
        (None, Some(url)) => V::plain(&id, &url, args.port()),
        (None, None) => V::plain(&id, args.host(), args.port()),
    };
    V::set_keep_alive(&mut options, Duration::from_secs(u64::from(args.keepalive)));
    if let Some(user) = &args.username {
        V::set_login(&mut options, user, password(args)?);
    }
    if let Some(transport) = transport(args)? {
        V::set_transport(&mut options, transport);
    }
    Ok(options)
}

/// What carries MQTT, if it is not TCP alone.
fn transport(args: &ConnectionArgs) -> Result<Option<Transport>, Failure> {
    if !args.uses_tls() {
        let of_tls = [
            ("--cert", args.cert.is_some()),
            ("--tls-alpn", args.tls_alpn.is_some()),
        ];
        if let Some((option, _)) = of_tls.iter().find(|(_, given)| *given) {
            return Err(Failure::usage(format_args!(
                "{option} is for TLS: give --cafile, --tls-use-os-certs or -p 8883, too",
            )));
        }
        #[cfg(unix)]
        if args.unix.is_some() {
            return Ok(Some(Transport::unix()));
        }
        return Ok(args.ws.then_some(Transport::Ws));
    }
    let trust = args.cafile.as_deref().map_or(Trust::System, Trust::File);
    let client = args.cert.as_deref().zip(args.key.as_deref());
    let mut config = tls::config(trust, client)?;
    config.alpn_protocols = args
        .tls_alpn
        .iter()
        .map(|name| name.clone().into_bytes())
        .collect();
    let config = TlsConfiguration::Rustls(Arc::new(config));
    Ok(Some(if args.ws {
        Transport::Wss(config)
    } else {
        Transport::Tls(config)
    }))
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

/// A client identifier that says nothing about who this is.
pub(crate) fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::refused(format_args!("the random number generator failed: {error}"))
    })?;
    Ok(format!("sealmq-{}", hex::encode(bytes)))
}

/// What went wrong with a connection that was not accepted.
pub(crate) fn describe_first<V: Mqtt>(error: &V::Failure, address: &str) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    if V::trouble(error).is_hang_up() && tls::explain(error, host).is_none() {
        let (reason, help) = V::OTHER;
        return format!(
            "{address} closed the connection instead of answering: {reason}expects TLS on this port (--cafile), or does \
             not let this client in{help}"
        );
    }
    // tokio's words for a connection that ended in the middle of a packet, as those of other
    // protocols look.
    let trouble = match V::trouble(error) {
        Trouble::Broken {
            error,
            hung_up: false,
        } if error == "bytes remaining on stream" => {
            Trouble::Garbage("it closed the connection in the middle of a packet".to_owned())
        }
        trouble => trouble,
    };
    describe_trouble::<V>(error, trouble, address)
}

/// Why there is no connection that could carry keys.
pub(crate) fn describe_link<V: Mqtt>(error: &LinkError<V::Failure>, address: &str) -> String {
    match error {
        LinkError::Failed(error) => describe_first::<V>(error, address),
        other => format!("{address}: {other}"),
    }
}

/// What went wrong with the connection, and what to do.
pub(crate) fn describe<V: Mqtt>(error: &V::Failure, address: &str) -> String {
    describe_trouble::<V>(error, V::trouble(error), address)
}

fn describe_trouble<V: Mqtt>(error: &V::Failure, trouble: Trouble, address: &str) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    // Also of a connection that stood: with TLS 1.3 the broker looks at a client's certificate later.
    if let Some(reason) = tls::explain(error, host) {
        return format!("no TLS connection to {address}: {reason}");
    }
    let (older, help) = V::OTHER;
    match trouble {
        Trouble::Garbage(error) => format!(
            "{address} answers something else than MQTT ({error}): check -p; if this is its TLS port, give --cafile or --tls-use-os-certs"
        ),
        Trouble::Unreachable { error, .. } => format!(
            "no connection to {address}: {error}; is a broker running there? check -h and -p, or --unix"
        ),
        Trouble::WebSocket(error) => format!(
            "{address} has no WebSocket for MQTT there: {error}; check -p and --ws-path, or leave --ws out"
        ),
        Trouble::Silent => {
            let older = older.trim_end_matches(", or ");
            let version = if help.is_empty() {
                String::new()
            } else {
                format!("; {older}{help}")
            };
            format!(
                "no answer from {address} within {CONNECT_SECONDS} s: check -h and -p, and the network{version}"
            )
        }
        Trouble::Tls(error) => format!(
            "no TLS connection to {address}: {error}; check --cafile, the host name and that this is the TLS port"
        ),
        Trouble::Login => format!(
            "{address} refuses the login: check -u and -P (SEALMQ_MQTT_PASSWORD counts with -u only), or the certificate of --cert"
        ),
        Trouble::Version => {
            let name = V::NAME;
            let try_other = if help.is_empty() {
                ""
            } else {
                ": give -V mqttv311"
            };
            format!("{address} does not speak {name}{try_other}{help}")
        }
        // `ClientIdentifierNotValid` of MQTT 5, `BadClientId` of 3.1.1.
        Trouble::Refused(code) if code.contains("ClientId") => format!(
            "{address} does not allow this client identifier: give the one that it expects with -i (often the user name)"
        ),
        Trouble::Refused(code) => format!("{address} refuses the connection: {code}"),
        Trouble::Ended(reason) => format!("{address} ended the connection: {reason}"),
        Trouble::Closed => format!("{address} closed the connection"),
        Trouble::Broken { error, .. } | Trouble::Other(error) => {
            format!("the connection to {address} failed: {error}")
        }
        _ => format!("the connection to {address} failed: {error}"),
    }
}
