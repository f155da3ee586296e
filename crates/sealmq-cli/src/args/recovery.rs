use sealmq_authority::AuditLog;
use std::path::PathBuf;

use clap::Args;

use super::AuthorityArgs;

#[derive(Args)]
pub(crate) struct RequestDelegation {
    /// Where the request for the root goes; - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// Make new keys, which are used as soon as their delegation is installed
    #[arg(long)]
    pub(crate) new_keys: bool,
    /// A signing key of its own for each role
    #[arg(long, requires = "new_keys")]
    pub(crate) split_roles: bool,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct InstallDelegation {
    /// What `sealmq root delegate` wrote; - for standard input
    pub(crate) delegation: PathBuf,
    /// The keys before were stolen: all groups begin again under the new ones
    ///
    /// Every member gets a new credential and a welcome into a new key tree; join tokens are revoked.
    #[arg(long)]
    pub(crate) recovery: bool,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct BackupArgs {
    /// The folder for the copy; an older backup in it is replaced
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct ResumeArgs {
    /// A new delegation, with a serial above all before; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) delegation: PathBuf,
    /// The newest copy of the audit log, or a folder with its pieces
    #[arg(long, value_name = "FILE", required_unless_present = "no_audit_log")]
    pub(crate) audit_log: Option<PathBuf>,
    /// There is no copy of the audit log: removals since the backup are forgotten
    #[arg(long, conflicts_with = "audit_log")]
    pub(crate) no_audit_log: bool,
    /// Go on without a log that a heartbeat proves, or with a copy as far as this; may be repeated
    ///
    /// The refusal to resume names it: its entries and its head. What is missing is forgotten, removals
    /// included.
    #[arg(long, value_name = "SIZE:HEAD", value_parser = log_head)]
    pub(crate) log_head: Vec<AuditLog>,
    /// A member that stays, though a refused list at the broker names it; may be repeated
    ///
    /// Only if you never removed it: somebody else made the list with a stolen key.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..1 << 28))]
    pub(crate) keep_member: Vec<u32>,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

fn log_head(text: &str) -> Result<AuditLog, String> {
    text.parse()
        .map_err(|_| "not a size and a head as `sealmq authority resume` names them".to_owned())
}
