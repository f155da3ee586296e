use std::path::PathBuf;

use clap::Args;

use super::UnlockArgs;

/// Which member this machine is.
#[derive(Args, Clone)]
pub(crate) struct DeviceArgs {
    /// The device's folder: its keys and state, encrypted
    #[arg(
        long,
        value_name = "FOLDER",
        env = "SEALMQ_DIR",
        default_value = "sealmq-device"
    )]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) unlock: UnlockArgs,
}
