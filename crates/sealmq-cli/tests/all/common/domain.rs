//! A domain made with the program, one command after the other.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{Ended, Running, run, run_with, sealmq};

/// A folder with an authority, its devices beside it, and one key file for all stores.
pub(crate) struct Domain {
    pub(crate) folder: TempDir,
    /// Options that every command with a connection gets.
    pub(crate) connection: Vec<String>,
}

impl Domain {
    /// `sealmq init`, and a group `plant` for `plant/#`.
    pub(crate) fn new() -> Self {
        let domain = Self {
            folder: tempfile::tempdir().unwrap(),
            connection: Vec::new(),
        };
        domain.ok(&["init"]);
        domain.ok(&["group", "add", "plant", "--topic", "plant/#"]);
        domain
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = sealmq(self.path(), args);
        command.env("SEALMQ_KEY_FILE", "stores.key");
        command
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> Ended {
        run(self.command(args)).expect(0)
    }

    /// Runs a command that may fail.
    #[track_caller]
    pub(crate) fn try_run(&self, args: &[&str]) -> Ended {
        run(self.command(args))
    }

    /// Request, credential, installation; for a domain whose `root.pub` is there, whatever its suite.
    #[track_caller]
    pub(crate) fn enrol(&self, name: &str, grants: &[&str]) {
        let (request, credential) = (format!("{name}.req"), format!("{name}.cred"));
        let mut ask = vec!["member", "request", name, "--dir", name, "-o", &request];
        if self.path().join("root.pub").exists() {
            ask.extend(["--root", "root.pub"]);
        }
        self.ok(&ask);
        self.ok(&[&["member", "add", &request, "-o", &credential][..], grants].concat());
        self.ok(&["member", "install", &credential, "--dir", name]);
    }

    /// A command with a connection.
    pub(crate) fn connected(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.args(&self.connection);
        command
    }

    /// `sealmq authority run`, until the broker has everything.
    #[track_caller]
    pub(crate) fn authority(&self) -> Running {
        let mut authority = Running::start(self.connected(&["authority", "run"]));
        authority.wait_for("the broker has all");
        authority
    }

    /// `sealmq sub`, until the broker has confirmed the subscription.
    #[track_caller]
    pub(crate) fn subscribe(&self, device: &str, args: &[&str]) -> Running {
        let args = [&["sub", "--dir", device, "--debug"][..], args].concat();
        let mut reader = Running::start(self.connected(&args));
        reader.wait_for_remark("subscribed");
        reader
    }

    #[track_caller]
    pub(crate) fn publish(&self, device: &str, args: &[&str], input: &[u8]) -> Ended {
        let args = [&["pub", "--dir", device][..], args].concat();
        run_with(self.connected(&args), input)
    }
}
