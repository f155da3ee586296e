use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::AuthorityArgs;

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that nothing in the log was changed, left out or put in
    Verify(AuditVerify),
    /// Write a copy of the log, to be kept elsewhere
    Export(AuditExport),
}

#[derive(Args)]
pub(crate) struct AuditVerify {
    /// A copy; if not given, the log of the authority itself
    ///
    /// A copy is also compared with the authority's log, if there is an authority here.
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

#[derive(Args)]
pub(crate) struct AuditExport {
    /// Where the copy goes; an older copy of the same log is replaced; - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}
