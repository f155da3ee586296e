use std::path::PathBuf;

use clap::{Args, Subcommand};
use sealmq_core::object::{Role, suite_of_number};
use sealmq_core::wire::Suite;
use sealmq_keys::objects::Roles;

use super::UnlockArgs;

#[derive(Subcommand)]
pub(crate) enum RootCommand {
    /// Make a root key, and the public file that the authority and the devices get
    ///
    /// On a machine that is never connected. What travels is a file with the public key, then the
    /// authority's requests and the root's delegations; none of them is secret.
    Init(RootInit),
    /// Print the public key file
    Show(RootArgs),
    /// Sign an authority's request: which keys may act for the root, for what, and until when
    Delegate(RootDelegate),
}

/// The root's folder.
#[derive(Args, Clone)]
pub(crate) struct RootArgs {
    /// The root's folder: its key, encrypted
    ///
    /// Without it: sealmq-root, or if there is no root in it, the authority's folder (SEALMQ_AUTHORITY_DIR
    /// or sealmq-authority), where `sealmq init` puts the root key that it makes.
    #[arg(long, value_name = "FOLDER", env = "SEALMQ_ROOT_DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) unlock: UnlockArgs,
}

#[derive(Args)]
pub(crate) struct RootInit {
    /// The root's folder: its key, encrypted
    #[arg(
        long,
        value_name = "FOLDER",
        env = "SEALMQ_ROOT_DIR",
        default_value = "sealmq-root"
    )]
    pub(crate) dir: PathBuf,
    /// Where the public key file goes; - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// 1, or 2: with post-quantum key exchange, and larger objects; for the life of the domain
    #[arg(long, value_name = "N", default_value = "1", value_parser = suite)]
    pub(crate) suite: Suite,
    /// Where the reserved topics live; _sealmq/<domain id> if not given
    #[arg(long, value_name = "TOPIC")]
    pub(crate) prefix: Option<String>,
    #[command(flatten)]
    pub(crate) unlock: UnlockArgs,
}

#[derive(Args)]
pub(crate) struct RootDelegate {
    /// The authority's request; - for standard input
    pub(crate) request: PathBuf,
    /// What its keys may do at most: issue, groups, heartbeat, with commas between
    #[arg(long = "role", value_name = "ROLES", default_value = "issue,groups,heartbeat", value_parser = roles)]
    pub(crate) roles: Roles,
    /// Days until it ends
    ///
    /// Until then stolen keys can be of use to a thief who has the broker's help; without a later
    /// delegation the domain stands still afterwards.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub(crate) days: u32,
    /// Its serial; the next one if not given
    ///
    /// Above all before it. The root's store remembers the last one.
    #[arg(long, value_name = "N")]
    pub(crate) serial: Option<u32>,
    /// No key of the delegations before was stolen: retained values and wills of before stay readable
    ///
    /// For a routine renewal. Never after a theft, nor for an authority whose store was put back.
    #[arg(long)]
    pub(crate) continues: bool,
    /// Where the delegation goes; - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) root: RootArgs,
}

/// A suite's number.
pub(crate) fn suite(text: &str) -> Result<Suite, String> {
    text.parse()
        .ok()
        .and_then(|number| suite_of_number(number).ok())
        .ok_or_else(|| "the suite is 1 or 2".to_owned())
}

fn roles(text: &str) -> Result<Roles, String> {
    text.split(',').try_fold(Roles::NONE, |roles, name| {
        let role = match name.trim() {
            "issue" => Role::Issue,
            "groups" => Role::Groups,
            "heartbeat" => Role::Heartbeat,
            _ => return Err(format!("{name:?} is none of issue, groups, heartbeat")),
        };
        Ok(roles.with(role))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_lists() {
        assert_eq!(roles("issue,groups,heartbeat"), Ok(Roles::ALL));
        assert_eq!(
            roles("heartbeat, issue"),
            Ok(Roles::NONE.with(Role::Issue).with(Role::Heartbeat))
        );
        for bad in ["", "all", "issue,", "Issue"] {
            assert!(roles(bad).is_err(), "{bad}");
        }
    }
}
