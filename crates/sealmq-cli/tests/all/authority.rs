//! `sealmq authority run` as a process: two of them, an old copy of its folder, a broker that
//! refuses. What its office does by itself is played in virtual time by sealmq-authority's tests.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use crate::common::brokers;
use crate::common::domain::Domain;
use crate::common::{PATIENCE, run};

fn connected(broker: &brokers::Broker) -> Domain {
    let mut domain = Domain::new();
    domain.connection = ["-h", "127.0.0.1", "-p", &broker.port]
        .map(str::to_owned)
        .to_vec();
    domain
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_second_one_and_an_old_copy_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let broker = brokers::bundled(folder.path(), &[]);
    let domain = connected(&broker);
    let authority = domain.authority();
    for once in [&["authority", "run"][..], &["authority", "run", "--once"]] {
        run(domain.connected(once)).complains(4, &["another sealmq process", "stop it first"]);
    }
    authority.interrupt().expect(0);

    // The copy is older than what the broker has.
    let (used, old) = (
        domain.path().join("sealmq-authority"),
        domain.path().join("copy"),
    );
    copy(&used, &old);
    domain.ok(&["rotate", "plant"]);
    run(domain.connected(&["authority", "run", "--once"])).expect(0);
    fs::remove_dir_all(&used).unwrap();
    fs::rename(&old, &used).unwrap();
    let before = domain.ok(&["group", "show", "plant"]).stdout;
    let about = ["a later epoch", "authority resume", "docs/runbooks.md"];
    run(domain.connected(&["authority", "run"])).complains(1, &about);
    // It stays so, without a broker as well.
    run(domain.connected(&["authority", "run", "--once"])).complains(1, &about);
    domain.try_run(&["rotate", "plant"]).expect(1);
    assert_eq!(domain.ok(&["group", "show", "plant"]).stdout, before);
}

#[test]
fn several_are_removed_with_one_epoch_and_generations_are_renewed() {
    let domain = Domain::new();
    for name in ["a", "b", "c"] {
        domain.enrol(name, &["--subscribe", "plant"]);
    }
    let removed = domain.ok(&["member", "remove", "a", "b"]).stdout;
    assert_eq!(removed.matches("healing epoch").count(), 1, "{removed}");
    domain
        .try_run(&["member", "remove", "c", "nobody"])
        .complains(1, &["no member `nobody`"]);
    let renewed = domain.ok(&["group", "renew", "plant"]).stdout;
    assert!(renewed.contains("generation 2 started"), "{renewed}");
    domain
        .try_run(&["group", "renew", "plant"])
        .complains(1, &["moving to a new generation"]);
    let shown = domain.ok(&["group", "show", "plant"]).stdout;
    for text in [
        "refused         2",
        "generation      1 since",
        "generation      2 since",
        "0 of 1 members say that they have their keys",
        "a removed, plant: subscribe",
        "c active, plant: subscribe",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

/// A broker that lets the authority publish and not read: nobody would notice an old copy.
#[test]
fn subscriptions_that_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let broker = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(packet(&mut stream).unwrap().0, 0x10, "CONNECT");
        stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
        let (kind, body) = packet(&mut stream).unwrap();
        assert_eq!(kind, 0x82, "SUBSCRIBE");
        // Its own topics come first.
        let codes = vec![0x87; 8];
        let mut refusal = vec![0x90, 3 + codes.len() as u8, body[0], body[1], 0];
        refusal.extend(codes);
        stream.write_all(&refusal).unwrap();
        // Until it leaves; what it publishes begins with 3.
        while let Some((kind, _)) = packet(&mut stream) {
            assert_ne!(kind >> 4, 3, "published");
        }
    });
    let mut domain = Domain::new();
    domain.connection = ["-h", "127.0.0.1", "-p", &port].map(str::to_owned).to_vec();
    let refused = run(domain.connected(&["authority", "run", "--once"])).expect(1);
    for about in ["NotAuthorized", "old copy: nothing was published"] {
        assert!(refused.stderr.contains(about), "{refused:?}");
    }
    broker.join().unwrap();
}

/// One MQTT packet, if the connection still stands.
fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut kind = [0];
    stream.read_exact(&mut kind).ok()?;
    let (mut len, mut shift) = (0, 0);
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        len |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] < 0x80 {
            break;
        }
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).ok()?;
    Some((kind[0], body))
}
