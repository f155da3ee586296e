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
    /// The newest copy of the audit log
    #[arg(long, value_name = "FILE", required_unless_present = "no_audit_log")]
    pub(crate) audit_log: Option<PathBuf>,
    /// There is no copy of the audit log: removals since the backup are forgotten
    #[arg(long, conflicts_with = "audit_log")]
    pub(crate) no_audit_log: bool,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}
