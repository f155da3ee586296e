use clap::{Args, ValueEnum};
use tracing_subscriber::filter::Targets;

#[derive(Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArgs {
    /// What is logged: a level, or levels by target, as in info,sealmq_rumqttc=debug
    #[arg(
        id = "log_filter",
        long = "log",
        global = true,
        env = "SEALMQ_LOG",
        value_name = "FILTER"
    )]
    pub(crate) log: Option<Targets>,
    /// How it is logged
    #[arg(long, global = true, env = "SEALMQ_LOG_FORMAT", value_name = "FORMAT")]
    #[arg(value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object per line, on standard error
    Json,
}
