//! Joining over MQTT: tokens and approval at the authority, `join` on the device.

use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand, ValueEnum};

use super::duration::{seconds, seconds_u32};
use super::{AuthorityArgs, ConnectionArgs, DeviceArgs, MembershipArgs, TopicMapArgs};

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token, and print it
    ///
    /// Whoever has it can join with it until it is used up or expires: hand it over like a password.
    #[command(disable_help_flag = true)]
    Create(TokenCreate),
    /// Show the tokens that are still good, without their secrets
    List(AuthorityArgs),
    /// End a token; members that joined with it stay
    Revoke(TokenRevoke),
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    Publish,
    Subscribe,
    Both,
}

#[derive(Args)]
pub(crate) struct TokenCreate {
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    pub(crate) help: Option<bool>,
    /// Group that its devices get into
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: String,
    /// What they may do there
    #[arg(long, value_enum)]
    pub(crate) role: Role,
    /// Publish only on topics that match; a level %c stands for the device's name
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) filter: String,
    /// Names that it admits: a name, or a beginning followed by *; any if not given
    #[arg(
        long,
        value_name = "PATTERN",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) name: String,
    /// How long it is good
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    pub(crate) ttl: u64,
    /// How many devices it lets in; whoever holds it can take any free name and all uses, so where names matter make one token per device
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) uses: u32,
    /// Days that the credentials of its devices are valid
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub(crate) days: u32,
    /// Also draw it as a QR code, on standard error
    #[arg(long)]
    pub(crate) qr: bool,
    /// The broker's name or address as devices reach it; they have to be told if not given
    #[arg(short = 'h', long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// The broker's port; 1883, or 8883 with --cafile, if not given
    #[arg(short, long, value_name = "PORT", requires = "host")]
    pub(crate) port: Option<u16>,
    /// The broker wants TLS; devices are given this file as well
    #[arg(long, value_name = "FILE", requires = "host")]
    pub(crate) cafile: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct TokenRevoke {
    /// Its id, as `token list` shows it
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct ApproveArgs {
    /// The device's fingerprint: compare it with what the device shows
    pub(crate) fingerprint: String,
    #[command(flatten)]
    pub(crate) membership: MembershipArgs,
    /// Another name than the one that it asks for
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct RejectArgs {
    /// The device's fingerprint
    pub(crate) fingerprint: String,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct JoinArgs {
    /// The token: sealmq:join/...; everybody on this machine can see it here while the command runs
    #[arg(
        value_name = "TOKEN",
        conflicts_with_all = ["root", "token_file"]
    )]
    pub(crate) token: Option<String>,
    /// A file with the token; - for standard input. Without either the variable SEALMQ_JOIN_TOKEN counts
    #[arg(long, value_name = "FILE", conflicts_with = "root")]
    pub(crate) token_file: Option<PathBuf>,
    /// Without a token: the file that `sealmq root show` printed; an operator then decides
    #[arg(long, value_name = "FILE")]
    pub(crate) root: Option<PathBuf>,
    /// With --root: the serial of the root's newest delegation; a broker that shows older ones is refused
    #[arg(long, value_name = "N", default_value_t = 0, requires = "root")]
    pub(crate) serial: u32,
    /// The device's name: letters, digits, . _ - (at most 64)
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// One-time keys in the request: one is used up per group
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) packages: u32,
    /// How long to wait for the answer; the same command again goes on
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = seconds_u32)]
    pub(crate) timeout: u32,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) topic_map: TopicMapArgs,
}
