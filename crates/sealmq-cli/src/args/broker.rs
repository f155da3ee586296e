use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::duration::seconds_u32;

#[derive(Args)]
#[command(
    after_help = "One file for everything (WebSocket, several addresses, limits, $SYS, Prometheus):
  sealmq broker --print-config > broker.toml     every option, with its default
  sealmq broker --make-certs certs               an authority, the broker's certificate, a client's
  sealmq broker --write-acl acl                  who may use sealmq's topics; for Mosquitto, too
  sealmq broker --config broker.toml"
)]
pub(crate) struct BrokerArgs {
    #[command(flatten)]
    pub(crate) settings: BrokerSettings,
    #[command(flatten)]
    pub(crate) certificates: CertificateArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    /// Take all settings from this TOML file
    #[arg(long, value_name = "FILE", group = "mode", conflicts_with = "settings")]
    pub(crate) config: Option<PathBuf>,
    /// Print a configuration file with every option, and end
    #[arg(long, group = "mode", conflicts_with = "settings")]
    pub(crate) print_config: bool,
}

#[derive(Args)]
pub(crate) struct CertificateArgs {
    /// Make an authority and certificates for the broker and for clients in this folder, and end
    #[arg(
        long,
        value_name = "FOLDER",
        group = "mode",
        conflicts_with = "settings"
    )]
    pub(crate) make_certs: Option<PathBuf>,
    /// With --make-certs: a name or address of the broker, beside localhost and this machine's name
    #[arg(long, value_name = "NAME", requires = "make_certs")]
    pub(crate) cert_host: Vec<String>,
    /// With --make-certs: a client; one called `client` if not given
    #[arg(long, value_name = "NAME", requires = "make_certs")]
    pub(crate) cert_client: Vec<String>,
    /// With --make-certs: how long they are valid
    #[arg(
        long,
        value_name = "DAYS",
        requires = "make_certs",
        default_value_t = 730
    )]
    pub(crate) cert_days: u32,
}

#[derive(Args)]
pub(crate) struct AccessArgs {
    /// Write an access list with the lines for sealmq's topics, also for Mosquitto, and end
    #[arg(
        long,
        value_name = "FILE|-",
        group = "mode",
        conflicts_with = "settings"
    )]
    pub(crate) write_acl: Option<PathBuf>,
    /// With --write-acl: the domain's prefix, as `sealmq group list` shows it; all domains if not given
    #[arg(long, value_name = "TOPIC", requires = "write_acl")]
    pub(crate) acl_prefix: Option<String>,
    /// With --write-acl: the authority's user name
    #[arg(
        long,
        value_name = "USER",
        requires = "write_acl",
        default_value = "authority"
    )]
    pub(crate) acl_authority: String,
    /// With --write-acl: members' numbers are their client identifiers, not their user names
    #[arg(long, requires = "write_acl")]
    pub(crate) acl_client_ids: bool,
    /// With --write-acl: topics of applications, for everybody
    #[arg(long, value_name = "FILTER", requires = "write_acl")]
    pub(crate) acl_topic: Vec<String>,
}

#[derive(Args)]
#[group(id = "settings", multiple = true)]
pub(crate) struct BrokerSettings {
    /// Address and port to listen on; port 0 takes a free one. With --tls-cert this is the TLS listener
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883")]
    pub(crate) listen: SocketAddr,
    /// Folder where retained messages and sessions survive a restart; in memory only if not given
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// PEM file with the broker's certificate chain; turns TLS on
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// PEM file: only clients with a certificate from one of these authorities may connect
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) client_ca: Option<PathBuf>,
    /// File with lines NAME:HASH from `sealmq passwd`; without it everybody may connect
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Who may use which topics, in the syntax of Mosquitto's acl_file; everybody all if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) acl_file: Option<PathBuf>,
    /// Largest packet in bytes; payloads of 16 MiB pass if not given
    #[arg(long, value_name = "BYTES", default_value_t = 16_842_752)]
    pub(crate) max_packet_size: usize,
    /// Most connections; two open files each
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) max_connections: usize,
    /// Most connections from one IPv4 address or one /64 of IPv6; half of all if not given
    #[arg(long, value_name = "N")]
    pub(crate) max_connections_per_address: Option<usize>,
    /// Most subscriptions of one client
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) max_subscriptions: usize,
    /// Most bytes of retained messages, each with its topic and 512 more; memory: twice as much
    #[arg(long, value_name = "BYTES", default_value_t = 134_217_728)]
    pub(crate) max_retained_bytes: usize,
    /// Most bytes of messages that wait in sessions, all together
    #[arg(long, value_name = "BYTES", default_value_t = 268_435_456)]
    pub(crate) max_session_bytes: usize,
    /// How long the session of a client that is away is kept at most
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = seconds_u32)]
    pub(crate) max_session_expiry: u32,
}

#[derive(Args)]
pub(crate) struct PasswdArgs {
    /// The user's name
    pub(crate) name: String,
}

#[derive(Args)]
#[command(
    after_help = "Reads an MQTT payload (as `mosquitto_sub -N` gives it), or its hex digits. \
    Needs no keys: this is what the broker sees, too."
)]
pub(crate) struct InspectArgs {
    /// A file, - for standard input, or hex digits
    #[arg(value_name = "FILE|-|HEX", default_value = "-")]
    pub(crate) input: String,
}

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// One message per line, any bytes; - for standard input; shipped sensor readings if not given
    #[arg(value_name = "FILE|-")]
    pub(crate) input: Option<String>,
    /// Use the broker at this address instead of the bundled one; anonymous, without TLS
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) broker: Option<String>,
}
