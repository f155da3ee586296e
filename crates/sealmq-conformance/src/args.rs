use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::mqtt::Version;

/// Checks of sealed MQTT against any broker
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Play the checks against one broker; ends with 0 if every cell is green or a limit of the broker's
    Run(Box<RunArgs>),
    /// Print the table of several runs as Markdown
    Table(TableArgs),
    /// Say what each check does
    Checks,
}

#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct RunArgs {
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    /// The broker's name in the table
    #[arg(long, default_value = "broker")]
    pub(crate) name: String,
    /// What is written: one line for each check, with tabs between its fields
    #[arg(long, value_name = "FILE")]
    pub(crate) tsv: Option<PathBuf>,
    /// Play this check only; may be given several times
    #[arg(long, value_name = "CHECK")]
    pub(crate) only: Vec<String>,
    /// Play the checks without sealmq: what the broker does by itself
    #[arg(long)]
    pub(crate) plain: bool,
    /// Seconds that one check may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    within: u64,
    /// Bytes of the large payload
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    pub(crate) large: usize,
    /// Bytes of the largest payload
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    pub(crate) huge: usize,
    /// Command that kills the broker and starts it again on the same address, for the check that
    /// needs it; it is played last
    #[arg(long, value_name = "COMMAND")]
    pub(crate) restart: Option<String>,
    /// The `sealmq` program; the one beside this program if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) sealmq: Option<PathBuf>,
    /// Where the topics of the checks begin; a level of this run's own follows
    #[arg(
        short = 't',
        long,
        value_name = "TOPIC",
        default_value = "sealmq-check"
    )]
    pub(crate) topic: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

impl RunArgs {
    pub(crate) const fn within(&self) -> Duration {
        Duration::from_secs(self.within)
    }
}

/// The way to the broker; the options are those of `sealmq` and mosquitto_sub.
#[derive(Args, Clone)]
pub(crate) struct Connection {
    #[arg(short = 'h', long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    #[arg(short, long, default_value_t = 1883)]
    pub(crate) port: u16,
    /// Protocol version
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "5")]
    pub(crate) version: Version,
    /// What client identifiers begin with
    #[arg(
        short = 'i',
        long = "id",
        value_name = "PREFIX",
        default_value = "check"
    )]
    pub(crate) id: String,
    #[arg(short, long)]
    pub(crate) username: Option<String>,
    #[arg(
        short = 'P',
        long,
        env = "SEALMQ_MQTT_PASSWORD",
        hide_env_values = true
    )]
    pub(crate) password: Option<String>,
    /// PEM file with the authorities that vouch for the broker; turns TLS on
    #[arg(long, value_name = "FILE")]
    pub(crate) cafile: Option<PathBuf>,
    /// PEM file with a client certificate
    #[arg(long, value_name = "FILE", requires = "key", requires = "cafile")]
    pub(crate) cert: Option<PathBuf>,
    /// PEM file with the key of --cert
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Protocol to ask for in the TLS handshake
    #[arg(long, value_name = "PROTOCOL", requires = "cafile")]
    pub(crate) tls_alpn: Option<String>,
    /// MQTT over WebSocket
    #[arg(long)]
    pub(crate) ws: bool,
    /// Path of the broker's WebSocket
    #[arg(long, value_name = "PATH", default_value = "/mqtt", requires = "ws")]
    pub(crate) ws_path: String,
}

#[derive(Args)]
pub(crate) struct TableArgs {
    /// What runs wrote
    #[arg(required = true)]
    pub(crate) results: Vec<PathBuf>,
    /// Limits of brokers, with where they are documented
    #[arg(long, value_name = "FILE")]
    pub(crate) limits: Option<PathBuf>,
}
