#![forbid(unsafe_code)]
//! Does sealed MQTT work through this broker? `run` plays one check after the other against an
//! address, with the shipped library and the shipped `sealmq` program; `table` makes the table of
//! docs/brokers.md from what several runs wrote. `brokers/run` installs and starts brokers for it.
//!
//! A check that fails is played again by the same code with rumqttc alone: if that fails, too, it is
//! the broker's limit and not sealmq's fault.

mod args;
mod checks;
mod domain;
mod failed;
mod mqtt;
mod player;
mod relay;
mod report;
mod run;
mod stage;
mod table;

use std::process::ExitCode;

use args::{Arguments, Command};
use clap::Parser as _;
use failed::Failed;

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(args) => run::start(&args),
        Command::Table(args) => table::print(&args).map(|()| true),
        Command::Checks => {
            checks::list();
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Failed(reason)) => {
            eprintln!("sealmq-conformance: {reason}");
            ExitCode::from(2)
        }
    }
}
