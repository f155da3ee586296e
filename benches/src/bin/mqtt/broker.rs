use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

/// The broker of a run; ends with it if it was started for it.
pub(crate) struct Broker {
    pub(crate) address: String,
    /// For the table.
    pub(crate) name: String,
    started: Option<(Child, TempDir)>,
}

impl Broker {
    pub(crate) fn new(address: Option<&str>) -> Self {
        if let Some(address) = address {
            return Self {
                address: address.to_owned(),
                name: format!("the broker at {address}"),
                started: None,
            };
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("mosquitto.conf");
        // As it comes, but for the two that would drop what a window of this size lets pass.
        let lines = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_inflight_messages 1000\n\
             max_queued_messages 10000\n"
        );
        fs::write(&configuration, lines).unwrap();
        let program = ["mosquitto", "/usr/sbin/mosquitto"];
        let child = program.iter().find_map(|program| {
            let mut command = Command::new(program);
            command.arg("-c").arg(&configuration);
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()
        });
        let child = child.expect("apt-get install mosquitto, or give a broker as HOST:PORT");
        let address = format!("127.0.0.1:{port}");
        while TcpStream::connect(&address).is_err() {
            sleep(Duration::from_millis(20));
        }
        Self {
            address,
            name: "Mosquitto".to_owned(),
            started: Some((child, folder)),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.started {
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}
