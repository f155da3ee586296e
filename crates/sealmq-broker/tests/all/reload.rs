//! Files that change while the broker runs.

use std::fs;
use std::path::Path;

use sealmq_broker::{Broker, BrokerBuilder, TlsSettings, hash_password};
use tokio::net::TcpStream;

use crate::all::access::{ANY_PORT, Authority, Identity};
use crate::all::raw::{Login, Raw, login};

fn ann(password: &str) -> Login<'_> {
    Login {
        user: Some(("ann", password)),
        ..login(5, "ann")
    }
}

async fn come(broker: &Broker, login: Login<'_>) -> (Raw<TcpStream>, u8) {
    let stream = TcpStream::connect(broker.local_addr()).await.unwrap();
    Raw::open(stream, login).await.unwrap()
}

/// Users with the password that is their name's.
fn write(folder: &Path, users: &[(&str, &str)], topics: &str) {
    let line =
        |(name, password): &(&str, &str)| format!("{name}:{}\n", hash_password(password).unwrap());
    let users: String = users.iter().map(line).collect();
    fs::write(folder.join("users"), users).unwrap();
    fs::write(folder.join("acl"), topics).unwrap();
}

fn settings(folder: &Path) -> BrokerBuilder {
    Broker::builder()
        .password_file(folder.join("users"))
        .access_list(folder.join("acl"))
}

#[tokio::test]
async fn users_and_the_access_list_are_read_again() {
    const REFUSED: u8 = 0x87;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(
        path,
        &[("ann", "old"), ("bob", "bob")],
        "pattern readwrite a\n",
    );
    let broker = settings(path).start().await.unwrap();
    let (mut staying, code) = come(&broker, ann("old")).await;
    assert_eq!(code, 0);
    let bob = Login {
        user: Some(("bob", "bob")),
        ..login(5, "bob")
    };
    let (mut leaving, _) = come(&broker, bob).await;
    assert_eq!(staying.publish("a", 1, b"x").await & 0x80, 0);
    assert_eq!(staying.publish("b", 1, b"x").await, REFUSED);

    // What cannot be used changes nothing.
    let good = fs::read(path.join("users")).unwrap();
    fs::write(path.join("users"), "ann").unwrap();
    let error = broker.reload(settings(path)).unwrap_err().to_string();
    assert!(error.contains("line 1"), "{error}");
    fs::write(path.join("users"), &good).unwrap();
    let other = settings(path).listen(ANY_PORT).listen(ANY_PORT);
    let error = broker.reload(other).unwrap_err().to_string();
    assert!(error.contains("restart"), "{error}");
    assert_eq!(staying.publish("b", 1, b"x").await, REFUSED);

    // Bob goes, who has the same password stays, and may do something else.
    let ann_alone: Vec<u8> = good
        .split_inclusive(|byte| *byte == b'\n')
        .next()
        .unwrap()
        .to_vec();
    fs::write(path.join("users"), ann_alone).unwrap();
    fs::write(path.join("acl"), "pattern readwrite b\n").unwrap();
    broker.reload(settings(path)).unwrap();
    assert_eq!(staying.publish("b", 1, b"x").await & 0x80, 0);
    assert_eq!(staying.publish("a", 1, b"x").await, REFUSED);
    assert!(leaving.packet().await.is_err());
    assert_eq!(come(&broker, bob).await.1, 0x86);

    // Another password ends what the old one began.
    write(path, &[("ann", "new")], "pattern readwrite b\n");
    broker.reload(settings(path)).unwrap();
    assert!(staying.packet().await.is_err());
    assert_eq!(come(&broker, ann("old")).await.1, 0x86);
    assert_eq!(come(&broker, ann("new")).await.1, 0);
    broker.shutdown().await;
}

#[tokio::test]
async fn the_next_handshake_has_the_new_certificate() {
    let (old, new) = (Authority::new(), Authority::new());
    let settings = |(certificate, key): Identity| {
        Broker::builder().listen_tls(ANY_PORT, TlsSettings::new(certificate, key))
    };
    let broker = settings(old.issue("127.0.0.1")).start().await.unwrap();
    let address = broker.local_addr();
    let tcp = || async { TcpStream::connect(address).await.unwrap() };
    let first = old.try_connect(tcp().await, None).await.unwrap();
    let (mut first, _) = Raw::open(first, login(5, "first")).await.unwrap();
    assert!(new.try_connect(tcp().await, None).await.is_err());
    broker.reload(settings(new.issue("127.0.0.1"))).unwrap();
    assert!(old.try_connect(tcp().await, None).await.is_err());
    let next = new.try_connect(tcp().await, None).await.unwrap();
    assert_eq!(Raw::open(next, login(5, "next")).await.unwrap().1, 0);
    // Who is there stays.
    assert_eq!(first.publish("a", 1, b"x").await & 0x80, 0);
    broker.shutdown().await;
}
