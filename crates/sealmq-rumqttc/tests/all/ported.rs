//! rumqttc's own examples, ported (`examples/ported`): each runs against the bundled broker, and
//! what the texts say of the changes is what was changed.

mod diffs;

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sealmq_broker::{Broker, BrokerBuilder, TlsSettings};

use crate::common::{BOTH, Domain, Node, PATIENCE, Raw, options, qos, within};
use crate::examples::{Program, example, spawn, store_file};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A device that may do everything that the examples do.
struct Scene {
    broker: Broker,
    domain: Domain,
    folder: tempfile::TempDir,
    device: [PathBuf; 2],
}

impl Scene {
    async fn new() -> Self {
        Self::at(Broker::builder()).await
    }

    async fn at(builder: BrokerBuilder) -> Self {
        let broker = builder.start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut domain = Domain::new(broker.local_addr()).await;
        let filters = ["hello/#", "bye/#", "jobs/#"];
        domain.add_group("examples", &filters).await;
        let device = enrol(&mut domain, folder.path(), "device").await;
        Self {
            broker,
            domain,
            folder,
            device,
        }
    }

    fn start(&self, name: &str) -> Lines {
        let at = self.broker.local_addr();
        self.start_at(name, &at.ip().to_string(), at.port())
    }

    fn start_at(&self, name: &str, host: &str, port: u16) -> Lines {
        Lines::of(name, &self.device, host, port, None)
    }
}

async fn enrol(domain: &mut Domain, folder: &Path, name: &str) -> [PathBuf; 2] {
    let store = domain.enrol_only(name, &[("examples", BOTH, "")]).await;
    domain.tick().await;
    store_file(folder, name, &store)
}

/// A program that runs, and what it prints.
struct Lines {
    _program: Program,
    lines: Receiver<String>,
}

impl Lines {
    fn of(name: &str, files: &[PathBuf; 2], host: &str, port: u16, roots: Option<&Path>) -> Self {
        let mut command = Command::new(example("ported"));
        command.arg(name).args(files);
        command.args([host, &port.to_string()]);
        if let Some(roots) = roots {
            command.env("SSL_CERT_FILE", roots);
        }
        let mut program = spawn(&mut command);
        let out = program.0.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _test_over = sender.send(line);
            }
        });
        Self {
            _program: program,
            lines,
        }
    }

    /// The next lines that contain a word.
    async fn with(self, word: &'static str, count: usize) -> (Self, Vec<String>) {
        let reading = tokio::task::spawn_blocking(move || {
            let mut seen = Vec::new();
            let mut found = Vec::new();
            while found.len() < count {
                let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                    panic!("{count} times {word}: {seen:?}");
                };
                assert!(!line.contains("Error"), "{line}");
                if line.contains(word) {
                    found.push(line.clone());
                }
                seen.push(line);
            }
            (self, found)
        });
        reading.await.unwrap()
    }
}

const MESSAGE: &str = "Message(";

/// It gets back what it publishes, from itself, and the broker has seen envelopes only.
async fn hears_itself(name: &str, count: usize, topics: &[&str]) {
    let scene = Scene::new().await;
    let mut wire = Raw::connect(options("wire", scene.broker.local_addr())).await;
    wire.subscribe("#").await;
    let (_running, messages) = scene.start(name).with(MESSAGE, count).await;
    for message in &messages {
        let named = topics.iter().any(|topic| message.contains(topic));
        assert!(named && message.contains("device"), "{message}");
    }
    loop {
        let packet = wire.next().await;
        if !packet.topic.starts_with(b"_sealmq/") {
            assert!(packet.payload.len() > 100, "an envelope");
            break;
        }
    }
}

#[tokio::test]
async fn asyncpubsub() {
    hears_itself("asyncpubsub", 2, &["hello/world"]).await;
}

#[tokio::test]
async fn asyncpubsub_v5() {
    hears_itself("asyncpubsub_v5", 1, &["hello/world"]).await;
}

#[tokio::test]
async fn topic_alias() {
    // Both topics, and then one of them without its name.
    hears_itself("topic_alias", 3, &["hello/world", "bye/world"]).await;
}

/// Once, however many subscriptions match.
#[tokio::test]
async fn subscription_ids() {
    hears_itself("subscription_ids", 2, &["hello/world"]).await;
}

/// Nine values and a clearing; its will when it is gone without a goodbye.
async fn with_a_will(name: &str) {
    let mut scene = Scene::new().await;
    let at = scene.broker.local_addr();
    let store = scene
        .domain
        .enrol_only("reader", &[("examples", BOTH, "")])
        .await;
    scene.domain.tick().await;
    let mut reader = Node::reader(options("reader", at), store, &["hello/#"]).await;
    let (running, _) = scene.start(name).with("Notification", 1).await;
    for number in 1..10_usize {
        let message = reader.message().await;
        assert_eq!(message.topic, format!("hello/{number}/world"));
        assert_eq!((message.payload.len(), message.will), (number, false));
    }
    drop(running);
    let will = reader.message().await;
    assert_eq!((&will.payload[..], will.will), (&b"good bye"[..], true));
}

#[tokio::test]
async fn syncpubsub() {
    with_a_will("syncpubsub").await;
}

#[tokio::test]
async fn syncpubsub_v5() {
    with_a_will("syncpubsub_v5").await;
}

#[tokio::test]
async fn syncrecv_of_both_versions() {
    for name in ["syncrecv", "syncrecv_v5"] {
        let scene = Scene::new().await;
        let (_running, connected) = scene.start(name).with("Connected", 1).await;
        assert!(connected[0].starts_with("Notification = "), "{connected:?}");
    }
}

struct Site {
    authority: String,
    server: TlsSettings,
    client: [String; 2],
}

fn certificates() -> Site {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        [certificate.pem(), key.serialize_pem()]
    };
    let [certificate, key] = issue("localhost");
    Site {
        authority: authority.pem(),
        server: TlsSettings::new(certificate, key),
        client: issue("device-1"),
    }
}

/// Roots of the operating system, a user name and a password; and those of a file, with a client
/// certificate.
#[tokio::test]
async fn tls_and_tls2() {
    let site = certificates();
    let mutual = site.server.clone().client_authority(site.authority.clone());
    for (name, server) in [("tls", site.server), ("tls2", mutual)] {
        let builder = Broker::builder()
            .listen(ANY)
            .listen_tls(ANY, server)
            .user("username", "password")
            .allow_anonymous(true);
        let scene = Scene::at(builder).await;
        let folder = scene.folder.path();
        let roots = folder.join("ca.cert.pem");
        std::fs::write(&roots, &site.authority).unwrap();
        std::fs::write(folder.join("device-1.cert.pem"), &site.client[0]).unwrap();
        std::fs::write(folder.join("device-1.key.pem"), &site.client[1]).unwrap();
        let port = scene.broker.tls_addr().unwrap().port();
        let running = Lines::of(name, &scene.device, "localhost", port, Some(&roots));
        let (_running, connected) = running.with("Connected", 1).await;
        assert_eq!(connected.len(), 1);
    }
}

#[cfg(feature = "websocket")]
#[tokio::test]
async fn websocket() {
    let builder = Broker::builder()
        .listen(ANY)
        .listen_websocket(ANY, "/mqtt", [], None)
        .allow_anonymous(true);
    let scene = Scene::at(builder).await;
    let port = scene.broker.websocket_addr(false).unwrap().port();
    let url = format!("ws://127.0.0.1:{port}/mqtt");
    let (_running, messages) = scene
        .start_at("websocket", &url, port)
        .with(MESSAGE, 1)
        .await;
    assert!(messages[0].contains("hello/world"));
}

/// Two workers, with identities of their own: each job goes to one of them, before and after.
#[tokio::test]
async fn shared_subscriptions() {
    const JOBS: usize = 20;
    let mut scene = Scene::new().await;
    let other = enrol(&mut scene.domain, scene.folder.path(), "other").await;
    let sender = scene
        .domain
        .enrol_only("sender", &[("examples", BOTH, "")])
        .await;
    scene.domain.tick().await;
    let at = scene.broker.local_addr();
    let sealed = Node::start(options("sender", at), sender);
    let mut plain = Raw::connect(options("plain sender", at)).await;
    let (host, port) = (at.ip().to_string(), at.port());
    for (name, ready) in [("plain/shared", "SubAck"), ("shared", "Subscribed")] {
        let mut jobs = Vec::new();
        let workers =
            [&scene.device, &other].map(|files| Lines::of(name, files, &host, port, None));
        let mut subscribed = Vec::new();
        for worker in workers {
            subscribed.push(worker.with(ready, 1).await.0);
        }
        for number in 0..JOBS {
            let (topic, payload) = (format!("jobs/{number}"), format!("job {number}."));
            if name == "shared" {
                let publishing = sealed.client.publish(topic, qos(1), false, payload);
                within("publish", publishing).await.unwrap();
            } else {
                plain.publish(&topic, 1, false, payload).await;
            }
        }
        let work = tokio::task::spawn_blocking(move || {
            while jobs.len() < JOBS {
                for (worker, printed) in subscribed.iter().enumerate() {
                    let pause = std::time::Duration::from_millis(5);
                    if let Ok(line) = printed.lines.recv_timeout(pause)
                        && line.starts_with("Job")
                    {
                        jobs.push((line, worker));
                    }
                }
            }
            jobs
        });
        let mut jobs = within(name, work).await.unwrap();
        assert!((0..2).all(|worker| jobs.iter().any(|(_, by)| *by == worker)));
        jobs.sort();
        jobs.dedup_by(|one, other| one.0 == other.0);
        assert_eq!(jobs.len(), JOBS, "{name}: {jobs:?}");
    }
}
