use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use sealmq_core::wire::Suite;

use super::duration::{lease, seconds, seconds_u32};
use super::root::suite;
use super::{
    ApproveArgs, BackupArgs, ConnectionArgs, DeviceArgs, InstallDelegation, RejectArgs,
    RequestDelegation, ResumeArgs, UnlockArgs,
};

/// The authority's folder.
#[derive(Args, Clone)]
pub(crate) struct AuthorityArgs {
    /// The authority's folder: its keys, groups and members, encrypted
    #[arg(
        long,
        value_name = "FOLDER",
        env = "SEALMQ_AUTHORITY_DIR",
        default_value = "sealmq-authority"
    )]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) unlock: UnlockArgs,
}

#[derive(Args)]
pub(crate) struct InitArgs {
    /// Where the reserved topics live; _sealmq/<domain id> if not given
    #[arg(long, value_name = "TOPIC")]
    pub(crate) prefix: Option<String>,
    /// Days that the authority's key may act for the root
    ///
    /// Until then a stolen authority key can be of use to the thief; without another delegation (`sealmq
    /// root delegate`) the domain stands still afterwards.
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub(crate) delegation_days: u32,
    /// 1, or 2: with post-quantum key exchange, and larger objects; for the life of the domain
    #[arg(long, value_name = "N", value_parser = suite)]
    pub(crate) suite: Option<Suite>,
    /// The public key file of a root that stays offline; otherwise a root key is made
    #[arg(long, value_name = "FILE", requires = "request", conflicts_with_all = ["delegation_days", "root_passphrase_file", "root_key_file"])]
    pub(crate) root: Option<PathBuf>,
    /// With --root: where the request for the root goes; - for standard output
    #[arg(long, value_name = "FILE", requires = "root")]
    pub(crate) request: Option<PathBuf>,
    /// A signing key of its own for each role, so that each can be kept where it is needed
    #[arg(long)]
    pub(crate) split_roles: bool,
    /// Passphrase file for the root key's store; as the authority's if not given
    #[arg(long, value_name = "FILE", conflicts_with = "root_key_file")]
    pub(crate) root_passphrase_file: Option<PathBuf>,
    /// Key file for the root key's store; as the authority's if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) root_key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Subcommand)]
pub(crate) enum GroupCommand {
    /// Make a group
    Add(GroupAdd),
    /// Show the groups
    List(AuthorityArgs),
    /// Show one group: its epoch, how soon removals bind everyone, its generations and members
    Show(GroupShow),
    /// Start a new generation: a new key tree, to which members are moved one by one
    Renew(GroupShow),
}

#[derive(Args)]
pub(crate) struct GroupShow {
    /// Its name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct GroupAdd {
    /// Its name: letters, digits, . _ - (at most 64)
    pub(crate) name: String,
    /// Topic filter that the group covers; may be given several times
    ///
    /// Filters of different groups must not overlap: each topic has one group.
    #[arg(long = "topic", short, value_name = "FILTER", required = true)]
    pub(crate) topics: Vec<String>,
    /// Time between scheduled rotations: 90s, 15m, 12h, 1d
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = seconds)]
    pub(crate) rotate_every: u64,
    /// How long keys are valid if the authority falls silent
    ///
    /// Without a lease, a broker that hides a removal delays it at most by this plus --grace plus --skew.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = seconds)]
    pub(crate) validity: u64,
    /// How long an epoch may be used without a sign of life from the authority, from 10s on; 0 for as long as it is valid
    ///
    /// A broker that withholds a removal delays it at most by this (plus --grace and --skew for what a
    /// removed publisher sends). `sealmq authority run` renews it three times as often.
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = lease)]
    pub(crate) lease: u32,
    /// Rotate after so many messages as well, as `sealmq authority run` sees them; 0 for never
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) rotate_after: u64,
    /// Heal at least this often: leaked keys are worth nothing afterwards; 0 for removals only
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = seconds)]
    pub(crate) heal_every: u64,
    /// How long joiners wait for others, so that they share one new epoch
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = seconds)]
    pub(crate) coalesce: u64,
    /// Longest age of a generation, a key tree with its members' leaves
    #[arg(long, value_name = "TIME", default_value = "182d", value_parser = seconds)]
    pub(crate) generation_every: u64,
    /// How long members have to move to a new generation before the old one ends
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = seconds)]
    pub(crate) migration: u64,
    /// Epochs before the current one that readers keep, for messages that come late (0 to 16)
    #[arg(long, value_name = "K", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=16))]
    pub(crate) window: u8,
    /// Changes of the keys for state that readers go back: retained values and wills of before (0 to 64)
    ///
    /// These keys change when somebody is removed, when a generation ends, and by --heal-every. Later
    /// readers read what was published under them, and so does who steals a reader's store
    /// (docs/state.md).
    #[arg(long, value_name = "K", default_value_t = 16, value_parser = clap::value_parser!(u8).range(0..=64))]
    pub(crate) kept: u8,
    /// How long readers accept messages after the keys' validity
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds_u32)]
    pub(crate) grace: u32,
    /// How far clocks may differ, at most 1d
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = seconds_u32)]
    pub(crate) skew: u32,
    /// Oldest message that readers accept; 0 for any
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = seconds_u32)]
    pub(crate) freshness: u32,
    /// Hide the lengths of payloads: none, padme (up to 12 % more), bucket:N (multiples of N bytes, 16 to 65536)
    #[arg(long, value_name = "KIND", default_value = "none", value_parser = padding)]
    pub(crate) padding: (u8, u32),
    /// Depth of the key tree, 2 to 24: room for 2^(depth-1) readers and as many publish-only members, ever
    #[arg(long, value_name = "D", default_value_t = 16, value_parser = clap::value_parser!(u8).range(2..=24))]
    pub(crate) depth: u8,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

/// The policy's fields `padding` and `bucket` (spec/constants.md §3).
fn padding(text: &str) -> Result<(u8, u32), String> {
    let bucket = text
        .strip_prefix("bucket:")
        .and_then(|size| size.parse().ok());
    match (text, bucket) {
        ("none", _) => Ok((0, 0)),
        ("padme", _) => Ok((1, 0)),
        (_, Some(size @ 16..=65_536)) => Ok((2, size)),
        _ => Err("padding is none, padme or bucket:N with N from 16 to 65536".to_owned()),
    }
}

#[derive(Subcommand)]
pub(crate) enum MemberCommand {
    /// On the device: make its keys and a request for the authority
    Request(MemberRequest),
    /// At the authority: answer a request with a credential
    Add(MemberAdd),
    /// On the device: take the authority's answer
    Install(MemberInstall),
    /// At the authority: a member's credential file once more
    Export(MemberExport),
    /// At the authority: a new credential for a member, before the old one runs out
    Renew(MemberRenew),
    /// At the authority: shut a member out
    Remove(MemberRemove),
    /// At the authority: show the members
    List(AuthorityArgs),
}

#[derive(Args)]
pub(crate) struct MemberRequest {
    /// The device's name: letters, digits, . _ - (at most 64)
    pub(crate) name: String,
    /// Where the request goes; - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// One-time keys in the request: one is used up per group
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) packages: u32,
    /// The file that `sealmq root show` printed: the request is for this domain only, and of its suite
    #[arg(long, value_name = "FILE", conflicts_with = "suite")]
    pub(crate) root: Option<PathBuf>,
    /// Without --root: the domain's suite, 1 or 2
    #[arg(long, value_name = "N", value_parser = suite)]
    pub(crate) suite: Option<Suite>,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

/// What a new member may do, and for how long.
#[derive(Args)]
#[command(group = ArgGroup::new("grants").required(true).multiple(true).args(["publish", "subscribe"]))]
pub(crate) struct MembershipArgs {
    /// Group that it may publish in, optionally only on topics that match FILTER
    ///
    /// A level %c in the filter stands for the device's name. May be given several times.
    #[arg(long, value_name = "GROUP[:FILTER]")]
    pub(crate) publish: Vec<String>,
    /// Group that it may read, as a whole; may be given several times
    #[arg(long, value_name = "GROUP")]
    pub(crate) subscribe: Vec<String>,
    /// Days that the credential is valid
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub(crate) days: u32,
}

#[derive(Args)]
pub(crate) struct MemberAdd {
    /// The request file from the device; - for standard input
    pub(crate) request: PathBuf,
    #[command(flatten)]
    pub(crate) membership: MembershipArgs,
    /// Where the credential goes; - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// Refuse the request if its key has another fingerprint: the one that the device showed
    #[arg(long, value_name = "HEX")]
    pub(crate) fingerprint: Option<String>,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct MemberInstall {
    /// The credential file from the authority; - for standard input
    pub(crate) credential: PathBuf,
    /// Refuse the file if the root key in it has another fingerprint: the one that `init` showed
    #[arg(long, value_name = "HEX")]
    pub(crate) root: Option<String>,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

#[derive(Args)]
pub(crate) struct MemberExport {
    /// Its name or number
    pub(crate) member: String,
    /// Where the credential goes; - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct MemberRenew {
    /// Its name or number
    pub(crate) member: String,
    /// Days that the new credential is valid
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub(crate) days: u32,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct MemberRemove {
    /// Names or numbers; several at once cost each group one new epoch
    #[arg(value_name = "MEMBER", required = true)]
    pub(crate) members: Vec<String>,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct RotateArgs {
    /// The group's name
    pub(crate) group: String,
    /// Also heal: renew the tree's keys, so that leaked ones are worth nothing (a larger announcement)
    #[arg(long)]
    pub(crate) heal: bool,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Subcommand)]
pub(crate) enum AuthorityCommand {
    /// Stay connected to the broker: publish keys and credentials, rotate on schedule
    ///
    /// Other commands (member add, rotate, ...) can be used meanwhile; what they change goes out within
    /// a second. Stop it with Ctrl-C; members go on with the keys that they have.
    #[command(disable_help_flag = true)]
    Run(RunArgs),
    /// Write what the root has to sign next
    RequestDelegation(RequestDelegation),
    /// Take what the root has signed
    InstallDelegation(InstallDelegation),
    /// Copy the authority's store
    ///
    /// Can be used while it runs. The copy refuses to act until `sealmq authority resume`, because it
    /// does not know what happened since.
    Backup(BackupArgs),
    /// Act again after a backup was put back
    Resume(ResumeArgs),
    /// Show the devices that wait for approval: fingerprint, name
    Pending(AuthorityArgs),
    /// Enrol a device that waits
    Approve(ApproveArgs),
    /// Refuse a device that waits, for good
    Reject(RejectArgs),
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// Publish what is due, wait until the broker has everything, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Publish at most N messages a second, for brokers that lose what comes faster (AWS IoT Core:
    /// 100; take a tenth less)
    #[arg(long, value_name = "N")]
    pub(crate) publishes_per_second: Option<NonZeroU16>,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paddings() {
        assert_eq!(padding("none"), Ok((0, 0)));
        assert_eq!(padding("padme"), Ok((1, 0)));
        assert_eq!(padding("bucket:256"), Ok((2, 256)));
        for bad in [
            "",
            "bucket",
            "bucket:15",
            "bucket:65537",
            "bucket:-1",
            "Padme",
        ] {
            assert!(padding(bad).is_err(), "{bad}");
        }
    }
}
