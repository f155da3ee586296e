//! `sealmq broker` and `sealmq passwd`.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::time::Duration;

use sealmq_broker::{Broker, BrokerBuilder, Config, TlsSettings, hash_password};
use zeroize::Zeroizing;

use crate::args::{BrokerArgs, BrokerSettings, PasswdArgs};
use crate::failure::Failure;
use crate::output::{note, say, say_all};
use crate::signals::{Reload, Stop};
use crate::site;

/// Many systems let a process open 1024 files unless it asks for more.
fn open_files(connections: usize) {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let wanted = connections.saturating_mul(2).saturating_add(64);
        let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
        let limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|current| current < wanted) {
            let current = limit.maximum.map_or(wanted, |most| most.min(wanted));
            let raised = Rlimit {
                current: Some(current),
                ..limit
            };
            // If not, the broker takes fewer connections.
            let _raised = setrlimit(Resource::Nofile, raised);
        }
    }
    #[cfg(not(unix))]
    let _ = connections;
}

const MAX_RETAINED: usize = 250_000;
const MAX_SESSIONS: usize = 10_000;
/// As in a configuration file.
const FIGURES_EVERY: Duration = Duration::from_secs(60);

/// What the command line says, or the file.
struct Wanted {
    builder: BrokerBuilder,
    connections: usize,
    /// Everybody may connect.
    open: bool,
}

pub(crate) async fn run(args: BrokerArgs) -> Result<(), Failure> {
    if args.print_config {
        return say_all(Config::commented().lines());
    }
    if let Some(folder) = &args.certificates.make_certs {
        return site::make_certificates(folder, &args.certificates);
    }
    if let Some(file) = &args.access.write_acl {
        return site::write_access_list(file, &args.access);
    }
    let (mut stop, mut reload) = (Stop::new()?, Reload::new()?);
    let wanted = wanted(&args)?;
    open_files(wanted.connections);
    let broker = wanted.builder.start().await?;
    let mut reachable = false;
    for (address, spoken) in broker.listeners() {
        reachable |= !address.ip().is_loopback();
        let spoken = match spoken {
            "MQTT" => "",
            "MQTT over TLS" => " (TLS)",
            "MQTT over WebSocket" => " (WebSocket)",
            _ => " (WebSocket over TLS)",
        };
        say(format_args!("listening on {address}{spoken}"))?;
    }
    if let Some(address) = broker.metrics_addr() {
        say(format_args!("figures at http://{address}/metrics"))?;
    }
    if wanted.open && reachable {
        note("everybody may connect: give --password-file or --client-ca to change that");
    }
    loop {
        tokio::select! {
            () = stop.requested() => break,
            () = reload.requested() => again(&broker, &args),
        }
    }
    note("stopping");
    broker.shutdown().await;
    Ok(())
}

/// Files that an administrator has changed.
fn again(broker: &Broker, args: &BrokerArgs) {
    let reloaded = wanted(args).and_then(|wanted| Ok(broker.reload(wanted.builder)?));
    match reloaded {
        Ok(()) => note("read users, access list and certificates again"),
        Err(error) => note(format_args!("goes on with what it had: {}", error.message)),
    }
}

fn wanted(args: &BrokerArgs) -> Result<Wanted, Failure> {
    let Some(file) = &args.config else {
        return of_options(&args.settings);
    };
    let config = Config::from_file(file)?;
    Ok(Wanted {
        builder: config.builder()?,
        connections: config.connections(),
        open: config.is_open(),
    })
}

fn of_options(args: &BrokerSettings) -> Result<Wanted, Failure> {
    let mut builder = Broker::builder()
        .max_packet_size(args.max_packet_size)
        .max_connections(args.max_connections)
        .max_subscriptions(args.max_subscriptions)
        .max_retained(MAX_RETAINED, args.max_retained_bytes)
        .max_sessions(MAX_SESSIONS, args.max_session_bytes)
        .max_session_expiry(Duration::from_secs(args.max_session_expiry.into()))
        .figures_every(FIGURES_EVERY);
    if let Some(connections) = args.max_connections_per_address {
        builder = builder.max_connections_per_address(connections);
    }
    builder = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let mut settings = TlsSettings::from_files(certificate, key)?;
            if let Some(authority) = &args.client_ca {
                settings = settings.client_authority_file(authority)?;
            }
            builder.listen_tls(args.listen, settings)
        }
        _ => builder.listen(args.listen),
    };
    if let Some(folder) = &args.data {
        builder = builder.data_folder(folder);
    }
    if let Some(file) = &args.acl_file {
        builder = builder.access_list(file);
    }
    let open = args.password_file.is_none() && args.client_ca.is_none();
    if let Some(file) = &args.password_file {
        builder = builder.password_file(file);
    }
    Ok(Wanted {
        builder,
        connections: args.max_connections,
        open,
    })
}

pub(crate) fn passwd(args: &PasswdArgs) -> Result<(), Failure> {
    if args.name.is_empty() || args.name.contains([':', '\n', '\r']) || args.name.starts_with('#') {
        return Err(Failure::usage(
            "a user name is not empty, does not begin with # and contains no colon",
        ));
    }
    let unreadable =
        |error: io::Error| Failure::usage(format_args!("no password could be read: {error}"));
    let mut password = Zeroizing::new(String::new());
    if io::stdin().is_terminal() {
        *password = rpassword::prompt_password(format!("Password for {}: ", args.name))
            .map_err(unreadable)?;
    } else {
        io::stdin()
            .lock()
            .read_line(&mut password)
            .map_err(unreadable)?;
    }
    let password = password.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(Failure::usage(
            "the password is empty: type one, or give it as a line on standard input",
        ));
    }
    say(format_args!("{}:{}", args.name, hash_password(password)?))
}
