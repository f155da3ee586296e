use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use tracing::error;

use crate::args::{
    AuditCommand, AuthorityCommand, Cli, Command, GroupCommand, LogFormat, MemberCommand,
    RootCommand, TokenCommand,
};
use crate::failure::{Exit, Failure};
use crate::log::{self, PROGRAM};
use crate::output::{note, note_all};
use crate::{authority, demo, device, inspect, join, publish, root, server, subscribe};

/// How long to wait, after the work is done, for threads that hang in a system call.
const THREADS_END_WITHIN: Duration = Duration::from_millis(200);

/// Runs the program with these arguments (the first is its name) and says how it ended.
pub fn run(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() {
                note_all(error.to_string().trim_end().lines());
            } else {
                let _closed = error.print();
            }
            let code = u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8);
            return ExitCode::from(code);
        }
    };
    // The demo's authority stays in the background.
    let foreground = !matches!(cli.command, Command::Demo(_));
    log::start(&cli.log, foreground);
    match dispatch(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match cli.log.log_format {
                _ if failure.message.is_empty() => {}
                LogFormat::Text => note(format_args!("sealmq: {}", failure.message)),
                LogFormat::Json => error!(target: PROGRAM, event = "ended", "{}", failure.message),
            }
            failure.exit.into()
        }
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Init(args) => authority::init(&args),
        Command::Group(GroupCommand::Add(args)) => authority::group_add(&args),
        Command::Group(GroupCommand::List(args)) => authority::group_list(&args),
        Command::Group(GroupCommand::Show(args)) => authority::group_show(&args),
        Command::Group(GroupCommand::Renew(args)) => authority::group_renew(&args),
        Command::Member(MemberCommand::Request(args)) => device::request(&args),
        Command::Member(MemberCommand::Add(args)) => authority::member_add(&args),
        Command::Member(MemberCommand::Install(args)) => device::install(&args),
        Command::Member(MemberCommand::Export(args)) => authority::member_export(&args),
        Command::Member(MemberCommand::Renew(args)) => authority::member_renew(&args),
        Command::Member(MemberCommand::Remove(args)) => authority::member_remove(&args),
        Command::Member(MemberCommand::List(args)) => authority::member_list(&args),
        Command::Token(TokenCommand::Create(args)) => authority::token_create(&args),
        Command::Token(TokenCommand::List(args)) => authority::token_list(&args),
        Command::Token(TokenCommand::Revoke(args)) => authority::token_revoke(&args),
        Command::Join(args) => in_runtime(join::run(args)),
        Command::Factory(args) => authority::factory(&args),
        Command::Rotate(args) => authority::rotate(&args),
        Command::Authority(AuthorityCommand::Run(args)) => in_runtime(authority::run(args)),
        Command::Authority(AuthorityCommand::RequestDelegation(args)) => {
            authority::request_delegation(&args)
        }
        Command::Authority(AuthorityCommand::InstallDelegation(args)) => {
            authority::install_delegation(&args)
        }
        Command::Authority(AuthorityCommand::Backup(args)) => authority::backup(&args),
        Command::Authority(AuthorityCommand::Resume(args)) => authority::resume(&args),
        Command::Audit(AuditCommand::Verify(args)) => authority::audit_verify(&args),
        Command::Audit(AuditCommand::Export(args)) => authority::audit_export(&args),
        Command::Root(RootCommand::Init(args)) => root::init(&args),
        Command::Root(RootCommand::Show(args)) => root::show(&args),
        Command::Root(RootCommand::Delegate(args)) => root::delegate(&args),
        Command::Authority(AuthorityCommand::Pending(args)) => authority::pending(&args),
        Command::Authority(AuthorityCommand::Approve(args)) => authority::approve(&args),
        Command::Authority(AuthorityCommand::Reject(args)) => authority::reject(&args),
        Command::Broker(args) => in_runtime(server::run(args)),
        Command::Passwd(args) => server::passwd(&args),
        Command::Pub(args) => in_runtime(publish::run(args)),
        Command::Sub(args) => in_runtime(subscribe::run(args)),
        Command::Inspect(args) => inspect::run(&args),
        Command::Demo(args) => in_runtime(demo::run(args)),
    }
}

fn in_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::refused(format_args!(
                "no threads for the network: {error}; check the limits on threads and open files"
            ))
        })?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    result
}
