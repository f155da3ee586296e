//! The `sealmq` program; everything is in the library part.

use std::process::ExitCode;

fn main() -> ExitCode {
    sealmq_cli::run(std::env::args_os())
}
