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
    /// A copy, or a folder with its pieces; if not given, the log of the authority itself
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
    /// Make a new folder with a file for each piece
    ///
    /// Without it all pieces are in one file, one after the other.
    #[arg(long)]
    pub(crate) split: bool,
    /// Entries of a piece
    #[arg(long, value_name = "NUMBER", default_value_t = 4096, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) piece_entries: u16,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}
