//! Brokers of this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::Duration;

use sealmq_broker::{Broker, BrokerBuilder};

/// A broker that ends with the test.
pub enum Any {
    Bundled(Broker),
    Mosquitto(Child, tempfile::TempDir, SocketAddr),
}

impl Any {
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Bundled(broker) => broker.local_addr(),
            Self::Mosquitto(.., address) => *address,
        }
    }
}

impl Drop for Any {
    fn drop(&mut self) {
        if let Self::Mosquitto(child, ..) = self {
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// The bundled one, and Mosquitto if it is installed.
pub async fn brokers() -> Vec<Any> {
    limited(|bundled| bundled, "").await
}

/// With other limits than usual.
pub async fn limited(
    bundled: impl FnOnce(BrokerBuilder) -> BrokerBuilder,
    lines: &str,
) -> Vec<Any> {
    let bundled = bundled(Broker::builder()).start().await.unwrap();
    let all = std::iter::once(Any::Bundled(bundled)).chain(mosquitto(lines));
    all.collect()
}

/// With further lines of configuration.
pub fn mosquitto(more: &str) -> Option<Any> {
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
    let Some(program) = program
        .iter()
        .find(|path| std::path::Path::new(path).is_file())
    else {
        assert!(
            std::env::var_os("SEALMQ_SKIP_MOSQUITTO").is_some(),
            "mosquitto is not installed: apt-get install mosquitto, or set SEALMQ_SKIP_MOSQUITTO"
        );
        return None;
    };
    // Between finding a free port and using it, another program may take it.
    for _ in 0..5 {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mosquitto.conf");
        let port = address.port();
        let lines =
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n{more}\n");
        std::fs::write(&file, lines).unwrap();
        let mut child = Command::new(program).arg("-c").arg(&file).spawn().unwrap();
        for _ in 0..500 {
            if TcpStream::connect(address).is_ok() && child.try_wait().unwrap().is_none() {
                return Some(Any::Mosquitto(child, folder, address));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ended = child.kill();
    }
    panic!("mosquitto does not start");
}
