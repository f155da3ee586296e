//! Brokers as processes: the bundled one, and Debian's Mosquitto.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{PATIENCE, Running, sealmq};

/// A broker that runs.
pub(crate) struct Broker {
    pub(crate) process: Running,
    pub(crate) port: String,
}

/// `sealmq broker` on a free port.
pub(crate) fn bundled(folder: &Path, options: &[&str]) -> Broker {
    bundled_at(folder, "127.0.0.1:0", options)
}

pub(crate) fn bundled_at(folder: &Path, address: &str, options: &[&str]) -> Broker {
    started(
        folder,
        &[&["broker", "--listen", address][..], options].concat(),
    )
}

/// `sealmq broker` with a configuration file, whose first listener is meant.
pub(crate) fn configured(folder: &Path, file: &str) -> Broker {
    started(folder, &["broker", "--config", file])
}

fn started(folder: &Path, args: &[&str]) -> Broker {
    let mut process = Running::start(sealmq(folder, args));
    let line = process.wait_for("listening on");
    let address = line.split_whitespace().nth(2).unwrap();
    let port = address.rsplit(':').next().unwrap().to_owned();
    Broker { process, port }
}

/// Debian's Mosquitto with this configuration (without its listener's port). `None` if it is not
/// installed and the environment says that this is fine.
pub(crate) fn mosquitto(folder: &Path, configuration: &str) -> Option<Broker> {
    let program = mosquitto_program()?;
    // Between finding a free port and using it, another program may take it.
    for _ in 0..5 {
        let broker = mosquitto_at(folder, &program, free_port(), configuration);
        if broker.is_some() {
            return broker;
        }
    }
    panic!("mosquitto does not start");
}

/// Debian's Mosquitto on this port; `None` if it does not start there.
pub(crate) fn mosquitto_at(
    folder: &Path,
    program: &Path,
    port: u16,
    configuration: &str,
) -> Option<Broker> {
    let path = folder.join("mosquitto.conf");
    fs::write(
        &path,
        format!("listener {port} 127.0.0.1\n{configuration}\n"),
    )
    .unwrap();
    let mut command = Command::new(program);
    command.arg("-c").arg(&path);
    let mut broker = Broker {
        process: Running::start(command),
        port: port.to_string(),
    };
    broker.accepts_connections(port).then_some(broker)
}

impl Broker {
    fn accepts_connections(&mut self, port: u16) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                // Ours, not another program's.
                return self.process.child.try_wait().unwrap().is_none();
            }
            if self.process.child.try_wait().unwrap().is_some() {
                return false;
            }
            sleep(Duration::from_millis(20));
        }
        false
    }
}

/// `None` if it is not installed and the environment says that this is fine.
pub(crate) fn mosquitto_program() -> Option<PathBuf> {
    let found = find_mosquitto();
    assert!(
        found.is_some() || std::env::var_os("SEALMQ_SKIP_MOSQUITTO").is_some(),
        "mosquitto is not installed: apt-get install mosquitto mosquitto-clients, \
         or set SEALMQ_SKIP_MOSQUITTO to leave its tests out"
    );
    found
}

fn find_mosquitto() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join("mosquitto"))
        .find(|program| program.is_file())
}

/// A client of Mosquitto, if it is installed.
pub(crate) fn mosquitto_client(name: &str) -> Option<Command> {
    let found = Command::new(name).arg("--help").output().is_ok();
    assert!(
        found || std::env::var_os("SEALMQ_SKIP_MOSQUITTO").is_some(),
        "{name} is not installed: apt-get install mosquitto-clients, or set SEALMQ_SKIP_MOSQUITTO"
    );
    found.then(|| Command::new(name))
}

/// A port of 127.0.0.1 that nobody uses now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
