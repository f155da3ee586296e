//! What a client that is refused is told, by the bundled broker and by Mosquitto.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sealmq_broker::{Broker, TlsSettings, hash_password};
use tokio::net::TcpStream;

use crate::all::access::{Authority, Identity};
use crate::all::common::PATIENCE;
use crate::all::raw::{Login, Raw, login};

const LIST: &str = "user ann\ntopic readwrite plant/#\n";

/// A broker with three listeners: passwords and an access list; client certificates; a certificate
/// of its own that has expired.
struct Listeners {
    plain: SocketAddr,
    mutual: SocketAddr,
    expired: SocketAddr,
}

struct Site {
    authority: Authority,
    folder: tempfile::TempDir,
    server: Identity,
    expired: Identity,
}

impl Site {
    fn new() -> Self {
        let authority = Authority::new();
        Self {
            server: authority.issue("127.0.0.1"),
            expired: authority.issue_until("127.0.0.1", 2020),
            folder: tempfile::tempdir().unwrap(),
            authority,
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    async fn bundled(&self) -> (Broker, Listeners) {
        let any = "127.0.0.1:0".parse().unwrap();
        let passwords = format!("ann:{}\n", hash_password("secret").unwrap());
        let tls =
            |(certificate, key): &Identity| TlsSettings::new(certificate.clone(), key.clone());
        let broker = Broker::builder()
            .listen(any)
            .listen_tls(
                any,
                tls(&self.server).client_authority(self.authority.pem()),
            )
            .listen_tls(any, tls(&self.expired))
            .password_file(self.file("passwords", &passwords))
            .access_list(self.file("acl", LIST))
            .start()
            .await
            .unwrap();
        let addresses: Vec<SocketAddr> = broker.listeners().map(|(address, _)| address).collect();
        let listeners = Listeners {
            plain: addresses[0],
            mutual: addresses[1],
            expired: addresses[2],
        };
        (broker, listeners)
    }

    /// `None` if it is not installed.
    fn mosquitto(&self) -> Option<(Mosquitto, Listeners)> {
        let program = [
            "/usr/sbin/mosquitto",
            "/usr/local/sbin/mosquitto",
            "/usr/bin/mosquitto",
        ];
        let program = program.into_iter().find(|path| Path::new(path).is_file())?;
        let users = self.folder.path().join("users");
        let made = Command::new("mosquitto_passwd")
            .args(["-c", "-b"])
            .arg(&users)
            .args(["ann", "secret"])
            .output();
        assert!(made.ok()?.status.success());
        let file = |name: &str, text: &str| self.file(name, text).display().to_string();
        let free = || {
            TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
        };
        let listeners = Listeners {
            plain: free(),
            mutual: free(),
            expired: free(),
        };
        let configuration = format!(
            "user root\nallow_anonymous false\npassword_file {}\nacl_file {}\n\
             listener {} 127.0.0.1\n\
             listener {} 127.0.0.1\ncertfile {}\nkeyfile {}\ncafile {}\nrequire_certificate true\n\
             listener {} 127.0.0.1\ncertfile {}\nkeyfile {}\n",
            users.display(),
            file("list", LIST),
            listeners.plain.port(),
            listeners.mutual.port(),
            file("server.pem", &self.server.0),
            file("server.key", &self.server.1),
            file("ca.pem", &self.authority.pem()),
            listeners.expired.port(),
            file("expired.pem", &self.expired.0),
            file("expired.key", &self.expired.1),
        );
        let child = Command::new(program)
            .arg("-c")
            .arg(self.file("mosquitto.conf", &configuration))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut broker = Mosquitto(child);
        let begun = Instant::now();
        while std::net::TcpStream::connect(listeners.expired).is_err() {
            assert!(
                broker.0.try_wait().unwrap().is_none(),
                "mosquitto does not start"
            );
            assert!(begun.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(20));
        }
        Some((broker, listeners))
    }

    /// What a TLS client hears: of TLS 1.3 the broker's refusal comes after its own handshake.
    async fn tls(
        &self,
        trusted: &Authority,
        identity: Option<&Identity>,
        at: SocketAddr,
    ) -> String {
        let stream = TcpStream::connect(at).await.unwrap();
        let login = Login {
            user: Some(("ann", "secret")),
            ..login(5, "tls")
        };
        let opened = async {
            let stream = trusted.try_connect(stream, identity).await?;
            Raw::open(stream, login).await
        };
        match opened.await {
            Ok((_, code)) => format!("CONNACK {code:#x}"),
            Err(error) => error.to_string(),
        }
    }

    async fn all(&self, at: &Listeners, name: &str) {
        let device = self.authority.issue("device");
        let trusted = &self.authority;
        let stranger = Authority::new();
        assert_eq!(
            self.tls(trusted, Some(&device), at.mutual).await,
            "CONNACK 0x0"
        );
        for (what, trusted, identity, address, expected) in [
            (
                "wrong CA",
                &stranger,
                Some(&device),
                at.mutual,
                "UnknownIssuer",
            ),
            (
                "no client certificate",
                trusted,
                None,
                at.mutual,
                "CertificateRequired",
            ),
            (
                "the broker's certificate has expired",
                trusted,
                None,
                at.expired,
                "Expired",
            ),
            (
                "a client's certificate has expired",
                trusted,
                Some(&self.authority.issue_until("device", 2020)),
                at.mutual,
                "CertificateExpired",
            ),
            (
                "a client's certificate of another CA",
                trusted,
                Some(&stranger.issue("device")),
                at.mutual,
                "UnknownCA",
            ),
        ] {
            let said = self.tls(trusted, identity, address).await;
            assert!(
                said.to_lowercase().contains(&expected.to_lowercase()),
                "{name}: {what}: {said}"
            );
        }
        for version in [4, 5] {
            let open = |user| {
                let login = Login {
                    user,
                    ..login(version, "client")
                };
                async move {
                    let stream = TcpStream::connect(at.plain).await.unwrap();
                    Raw::open(stream, login).await.unwrap()
                }
            };
            // "Bad user name or password", or Mosquitto's "not authorized".
            let refusals: &[u8] = if version == 4 { &[4, 5] } else { &[0x86, 0x87] };
            for user in [Some(("ann", "wrong")), Some(("eve", "secret")), None] {
                let (_, code) = open(user).await;
                assert!(
                    refusals.contains(&code),
                    "{name} {version} {user:?}: {code:#x}"
                );
            }
            let (mut ann, code) = open(Some(("ann", "secret"))).await;
            assert_eq!(code, 0);
            // MQTT 3.1.1 has no code for a publication, and Mosquitto's list none for a subscription.
            let topic = if version == 4 { 0 } else { 0x87 };
            assert_eq!(ann.publish("forbidden", 1, b"x").await, topic, "{name}");
            assert_eq!(ann.publish("forbidden", 2, b"x").await, topic, "{name}");
            assert_eq!(ann.publish("plant/a", 1, b"x").await & 0x80, 0, "{name}");
            let filter = match (name, version) {
                ("mosquitto", _) => 1,
                (_, 4) => 0x80,
                _ => 0x87,
            };
            assert_eq!(ann.subscribe("forbidden").await, filter, "{name}");
            assert_eq!(ann.subscribe("plant/a").await, 1, "{name}");
        }
    }
}

struct Mosquitto(Child);

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

#[tokio::test]
async fn each_refusal_has_its_reason_at_the_bundled_broker() {
    let site = Site::new();
    let (broker, listeners) = site.bundled().await;
    site.all(&listeners, "bundled").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn each_refusal_has_its_reason_at_mosquitto() {
    let site = Site::new();
    let Some((_broker, listeners)) = site.mosquitto() else {
        println!("skipped: mosquitto is not installed");
        return;
    };
    site.all(&listeners, "mosquitto").await;
}
