use std::path::PathBuf;

use clap::Args;

/// How a store is unlocked.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Unlocking the store")]
pub(crate) struct UnlockArgs {
    /// File whose first line is the passphrase
    ///
    /// Without this and --key-file: the environment variable SEALMQ_PASSPHRASE, then SEALMQ_KEY_FILE
    /// (a path), then a question at the terminal.
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// File with a random key; made, readable by you only, if it does not exist
    ///
    /// For machines without somebody who types a passphrase. Whoever has this file and the store has
    /// what is in the store.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}
