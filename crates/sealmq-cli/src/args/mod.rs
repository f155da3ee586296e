//! What the user can type. The texts here are the program's manual.

mod audit;
mod broker;
mod connection;
mod device;
mod domain;
mod duration;
mod factory;
mod join;
mod log;
mod messages;
mod recovery;
mod root;
mod unlock;

use clap::{Parser, Subcommand};

pub(crate) use audit::{AuditCommand, AuditExport, AuditVerify};
pub(crate) use broker::{
    AccessArgs, BrokerArgs, BrokerSettings, CertificateArgs, DemoArgs, InspectArgs, PasswdArgs,
};
pub(crate) use connection::{ConnectionArgs, Protocol, TopicMapArgs};
pub(crate) use device::DeviceArgs;
pub(crate) use domain::{
    AuthorityArgs, AuthorityCommand, GroupAdd, GroupCommand, GroupShow, InitArgs, MemberAdd,
    MemberCommand, MemberExport, MemberInstall, MemberRemove, MemberRenew, MemberRequest,
    MembershipArgs, RotateArgs, RunArgs,
};
pub(crate) use factory::FactoryArgs;
pub(crate) use join::{
    ApproveArgs, JoinArgs, RejectArgs, Role, TokenCommand, TokenCreate, TokenRevoke,
};
pub(crate) use log::{LogArgs, LogFormat};
pub(crate) use messages::{PubArgs, PubInput, SubArgs};
pub(crate) use recovery::{BackupArgs, InstallDelegation, RequestDelegation, ResumeArgs};
pub(crate) use root::{RootArgs, RootCommand, RootDelegate, RootInit};
pub(crate) use unlock::UnlockArgs;

use crate::failure::EXIT_CODES;

const ABOUT: &str = "End-to-end encryption for MQTT, with key management";

const LONG_ABOUT: &str = "End-to-end encryption for MQTT, with key management.

The broker routes; it never sees a payload, cannot forge one and cannot replay one.
An authority says who may publish and who may read, and hands out keys through the broker.
See it work: sealmq demo";

const STEPS: &str =
    "From nothing to sealed messages (secrets of all stores: export SEALMQ_KEY_FILE=./sealmq.key):
  sealmq init                                                  a domain, in ./sealmq-authority
  sealmq group add plant --topic 'plant/#'                     topics that share keys
  sealmq member request sensor --dir ./sensor -o sensor.req    on the device: keys, request
  sealmq member add sensor.req --publish plant -o sensor.cred  at the authority
  sealmq member install sensor.cred --dir ./sensor             on the device
  sealmq broker                                                or any other broker
  sealmq authority run -h localhost                            hands out the keys
  sealmq pub --dir ./sensor -t plant/a/temp -m 21.5
  sealmq sub --dir ./reader -t 'plant/#' -v                    a member with --subscribe plant";

#[derive(Parser)]
#[command(name = "sealmq", version, about = ABOUT, long_about = LONG_ABOUT)]
#[command(after_help = EXIT_CODES, after_long_help = format!("{STEPS}\n\n{EXIT_CODES}"))]
#[command(disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a domain: the root key, the authority's key and its store
    Init(InitArgs),
    /// Keep the root key offline, and sign with it who may act for it
    #[command(subcommand)]
    Root(RootCommand),
    /// Add and list groups: sets of topics that share keys
    #[command(subcommand)]
    Group(GroupCommand),
    /// Enrol, remove and list members: devices, gateways, applications
    #[command(subcommand)]
    Member(MemberCommand),
    /// Make and end tokens, with which devices join over MQTT
    #[command(subcommand)]
    Token(TokenCommand),
    /// On the device: become a member over MQTT, with a token or by an operator's approval
    #[command(disable_help_flag = true)]
    Join(JoinArgs),
    /// Enrol devices by a list of names, and make an image of flash for each
    ///
    /// For firmware over sealmq-embedded: a device with such an image in its flash is a member from its
    /// first start on, without a token. The images hold the devices' secret keys. The same command again
    /// goes on where it was interrupted; no name is enrolled twice.
    Factory(FactoryArgs),
    /// Give a group new keys now
    Rotate(RotateArgs),
    /// Run the authority; renew its delegation, back it up, restore it
    #[command(subcommand)]
    Authority(AuthorityCommand),
    /// Check and copy the log of everything that the authority decides and signs
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Run the bundled MQTT broker
    Broker(BrokerArgs),
    /// Print a line for the bundled broker's --password-file
    ///
    /// The password is read from the terminal, or as the first line of standard input; the line is
    /// NAME:HASH.
    Passwd(PasswdArgs),
    /// Seal and publish messages
    #[command(disable_help_flag = true)]
    Pub(PubArgs),
    /// Receive and open messages
    #[command(disable_help_flag = true)]
    Sub(SubArgs),
    /// Show what an envelope or key object tells an outsider
    Inspect(InspectArgs),
    /// Run everything once, over a real broker, and check it
    ///
    /// Starts the bundled broker on a free port, makes a domain, a group, a publish-only sensor and
    /// readers with real keys in a temporary folder, and publishes each line of FILE as one message. Keys
    /// rotate while messages flow; then one reader is removed. An outsider subscribes to everything, and
    /// then attacks: replays, alters, moves and forges. Prints what the broker saw beside what the readers
    /// read, then what was checked. Ends with 0 if every check passed, with 5 otherwise.
    Demo(DemoArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
