//! What goes wrong in practice: each gives one line that says what happened and what to do.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::common::brokers;
use crate::common::domain::Domain;
use crate::common::{content, run, run_with, sealmq};

#[test]
fn help_and_wrong_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let help = run(sealmq(at, &["--help"])).expect(0).stdout;
    for text in ["demo", "authority", "Exit codes", "sealmq member request"] {
        assert!(help.contains(text), "{text}: {help}");
    }
    for command in [
        "init", "pub", "sub", "broker", "inspect", "demo", "rotate", "passwd",
    ] {
        let help = run(sealmq(at, &[command, "--help"])).expect(0).stdout;
        assert!(help.contains("Usage: sealmq"), "{command}: {help}");
    }
    assert!(
        run(sealmq(at, &["--version"]))
            .expect(0)
            .stdout
            .starts_with("sealmq ")
    );
    for bad in [
        &[][..],
        &["nonsense"],
        &["pub"],
        &["pub", "-t", "x"],
        &["pub", "-t", "x", "-m", "a", "-l"],
        &["pub", "-t", "x", "-m", "a", "-q", "3"],
        &["pub", "-t", "x", "-m", "a", "-V", "mqttv31"],
        &["sub"],
        &["sub", "-t", "x", "-c"],
        &["sub", "-t", "x", "-v", "--json"],
        &["group", "add"],
        &["group", "add", "g"],
        &["group", "add", "g", "-t", "x", "--padding", "bucket:1"],
        &["group", "add", "g", "-t", "x", "--validity", "1 day"],
        &["member", "add", "x.req"],
        &["broker", "--listen", "nowhere"],
        &["broker", "--tls-cert", "x"],
    ] {
        let ended = run(sealmq(at, bad)).expect(2);
        assert!(
            !ended.stderr.is_empty() && !ended.stderr.contains("panicked"),
            "{bad:?}: {ended:?}"
        );
    }
}

#[test]
fn secrets_of_the_stores() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("pass"), "correct horse\n").unwrap();
    fs::write(at.join("wrong"), "battery staple\n").unwrap();
    fs::write(at.join("empty"), "\n").unwrap();
    run(sealmq(at, &["init"]))
        .complains(2, &["--passphrase-file", "--key-file", "SEALMQ_PASSPHRASE"]);
    run(sealmq(at, &["init", "--passphrase-file", "empty"])).complains(2, &["no passphrase"]);
    run(sealmq(at, &["init", "--passphrase-file", "missing"])).complains(2, &["missing"]);
    assert!(!at.join("sealmq-authority").exists());

    let made = run(sealmq(at, &["init", "--passphrase-file", "pass"])).expect(0);
    assert!(
        made.stdout.contains("root fingerprint") && made.stdout.contains("offline"),
        "{made:?}"
    );
    assert!(!made.stdout.contains("horse"));
    run(sealmq(at, &["init", "--passphrase-file", "pass"])).complains(1, &["exists already"]);
    for stored in ["authority.store", "root.store"] {
        let bytes = content(&at.join("sealmq-authority").join(stored));
        assert!(!bytes.windows(5).any(|window| window == b"horse"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for stored in ["authority.store", "root.store"] {
            let mode = fs::metadata(at.join("sealmq-authority").join(stored))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    run(sealmq(at, &["group", "list", "--passphrase-file", "wrong"]))
        .complains(4, &["wrong passphrase"]);
    run(sealmq(at, &["group", "list", "--key-file", "pass"])).expect(4);
    run(sealmq(
        at,
        &[
            "group",
            "list",
            "--dir",
            "nowhere",
            "--passphrase-file",
            "pass",
        ],
    ))
    .complains(4, &["nowhere", "sealmq init"]);
    let mut by_variable = sealmq(at, &["group", "list"]);
    by_variable.env("SEALMQ_PASSPHRASE", "correct horse");
    assert!(run(by_variable).expect(0).stdout.contains("no groups yet"));

    // A damaged store is noticed, not believed.
    let path = at.join("sealmq-authority/authority.store");
    let whole = content(&path);
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    run(sealmq(at, &["group", "list", "--passphrase-file", "pass"]))
        .complains(4, &["authority.store"]);
    fs::write(&path, b"this is no store").unwrap();
    run(sealmq(at, &["group", "list", "--passphrase-file", "pass"]))
        .complains(4, &["authority.store"]);
}

#[test]
fn a_root_with_a_secret_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    run(sealmq(
        at,
        &[
            "init",
            "--key-file",
            "online.key",
            "--root-key-file",
            "offline.key",
            "--prefix",
            "keys/here",
        ],
    ))
    .expect(0);
    assert_ne!(
        content(&at.join("online.key")),
        content(&at.join("offline.key"))
    );
    // The root is not needed any more.
    fs::remove_file(at.join("sealmq-authority/root.store")).unwrap();
    fs::remove_file(at.join("offline.key")).unwrap();
    run(sealmq(
        at,
        &["group", "add", "g", "-t", "a/#", "--key-file", "online.key"],
    ))
    .expect(0);
    // Reserved topics cannot be covered by a group.
    run(sealmq(
        at,
        &[
            "group",
            "add",
            "h",
            "-t",
            "keys/#",
            "--key-file",
            "online.key",
        ],
    ))
    .complains(1, &["keys/#"]);
    let bad = tempfile::tempdir().unwrap();
    for prefix in ["$SYS/x", "a/", "a/#", ""] {
        run(sealmq(
            bad.path(),
            &["init", "--key-file", "k", "--prefix", prefix],
        ))
        .complains(1, &["prefix"]);
    }
    assert!(!bad.path().join("sealmq-authority").exists());
}

#[test]
fn groups_members_and_files() {
    let domain = Domain::new();
    let at = domain.path();
    domain
        .try_run(&["group", "add", "other", "-t", "plant/a"])
        .complains(1, &["plant/a", "overlaps", "plant/#"]);
    domain
        .try_run(&["group", "add", "plant", "-t", "x"])
        .complains(1, &["exists already"]);
    domain
        .try_run(&["group", "add", "no spaces", "-t", "x"])
        .expect(1);
    domain
        .try_run(&["group", "add", "g", "-t", "a/#/b"])
        .complains(1, &["a/#/b"]);
    domain
        .try_run(&["group", "add", "g", "-t", "x", "--rotate-every", "7d"])
        .complains(2, &["two thirds"]);
    domain
        .try_run(&["rotate", "nothing"])
        .complains(1, &["nothing", "group list"]);
    domain
        .try_run(&["member", "remove", "nobody"])
        .complains(1, &["nobody", "member list"]);

    let requested = domain
        .ok(&[
            "member",
            "request",
            "sensor",
            "--dir",
            "sensor",
            "-o",
            "sensor.req",
        ])
        .stdout;
    domain
        .try_run(&[
            "member", "request", "sensor", "--dir", "sensor", "-o", "x.req",
        ])
        .complains(1, &["exists already"]);
    domain
        .try_run(&[
            "member",
            "request",
            "two words",
            "--dir",
            "x",
            "-o",
            "x.req",
        ])
        .expect(2);
    domain
        .try_run(&["member", "request", "x", "--dir", "x", "-o", "sensor.req"])
        .complains(1, &["not replaced"]);
    assert!(!at.join("x").exists());

    fs::write(
        at.join("broken.req"),
        content(&at.join("sensor.req")).split_at(200).0,
    )
    .unwrap();
    fs::write(at.join("binary.req"), [0xff; 300]).unwrap();
    let add = |args: &[&str]| domain.try_run(&[&["member", "add"], args].concat());
    add(&["missing.req", "--publish", "plant"]).complains(2, &["missing.req"]);
    add(&["broken.req", "--publish", "plant"]).complains(2, &["damaged"]);
    add(&["binary.req", "--publish", "plant"]).complains(2, &["not a text file"]);
    add(&["sensor.req", "--publish", "nothing"]).complains(1, &["nothing"]);
    add(&["sensor.req", "--publish", "plant:"]).complains(2, &["filter"]);
    add(&["sensor.req", "--publish", "plant:a/#/b"]).complains(1, &["a/#/b"]);
    add(&["sensor.req", "--subscribe", "plant:plant/a"]).complains(2, &["cannot be narrowed"]);
    add(&["sensor.req", "--publish", "plant", "--fingerprint", "0000"])
        .complains(1, &["fingerprint"]);
    assert!(
        domain
            .ok(&["member", "list"])
            .stdout
            .contains("no members yet")
    );

    let shown = requested
        .lines()
        .find_map(|line| line.strip_prefix("key fingerprint"))
        .unwrap()
        .trim();
    add(&[
        "sensor.req",
        "--publish",
        "plant",
        "--fingerprint",
        shown,
        "-o",
        "sensor.cred",
    ])
    .expect(0);
    add(&["sensor.req", "--publish", "plant", "-o", "sensor.cred"]).complains(1, &["not replaced"]);
    add(&["sensor.req", "--publish", "plant", "-o", "again.cred"])
        .complains(1, &["exists already"]);
    assert!(!at.join("again.cred").exists());
    // A credential file that was lost can be made again, of members only.
    domain.ok(&["member", "export", "sensor", "-o", "again.cred"]);
    assert_eq!(
        content(&at.join("again.cred")),
        content(&at.join("sensor.cred"))
    );
    domain
        .try_run(&["member", "export", "nobody"])
        .complains(1, &["nobody"]);

    let install = |args: &[&str]| domain.try_run(&[&["member", "install"], args].concat());
    install(&["sensor.req", "--dir", "sensor"]).complains(2, &["SEALMQ CREDENTIAL"]);
    install(&["sensor.cred", "--dir", "nowhere"]).complains(4, &["member request"]);
    install(&["sensor.cred", "--dir", "sensor", "--root", "1234"])
        .complains(1, &["root key", "fingerprint"]);
    domain.ok(&[
        "member",
        "request",
        "other",
        "--dir",
        "other",
        "-o",
        "other.req",
    ]);
    install(&["sensor.cred", "--dir", "other"]).complains(1, &["another device"]);
    install(&["sensor.cred", "--dir", "sensor"]).expect(0);

    // A device that is not enrolled yet cannot publish.
    domain
        .publish("other", &["-t", "plant/x", "-m", "x"], b"")
        .complains(1, &["not enrolled"]);
}

#[test]
fn brokers_that_are_not_there() {
    let domain = Domain::new();
    domain.enrol("sensor", &["--publish", "plant"]);
    let port = brokers::free_port().to_string();
    for args in [
        &[
            "pub",
            "--dir",
            "sensor",
            "-t",
            "plant/x",
            "-m",
            "x",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
        ][..],
        &[
            "sub",
            "--dir",
            "sensor",
            "-t",
            "plant/x",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
        ],
        &["authority", "run", "--once", "-h", "127.0.0.1", "-p", &port],
    ] {
        let ended = domain.try_run(args).expect(3);
        assert!(
            ended.stderr.contains(&port) && ended.stderr.contains("-h and -p"),
            "{ended:?}"
        );
    }
    let missing = domain.try_run(&[
        "pub",
        "--dir",
        "sensor",
        "-t",
        "plant/x",
        "-m",
        "x",
        "-h",
        "no.such.host.invalid",
    ]);
    missing.complains(3, &["no.such.host.invalid"]);
}

#[test]
fn a_port_or_folder_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let broker = brokers::bundled(folder.path(), &["--data", "data"]);
    let address = format!("127.0.0.1:{}", broker.port);
    run(sealmq(folder.path(), &["broker", "--listen", &address]))
        .complains(1, &[&address, "another program"]);
    run(sealmq(
        folder.path(),
        &["broker", "--listen", "127.0.0.1:0", "--data", "data"],
    ))
    .complains(1, &["data", "another broker"]);
    run(sealmq(
        folder.path(),
        &[
            "broker",
            "--listen",
            "127.0.0.1:0",
            "--password-file",
            "missing",
        ],
    ))
    .complains(2, &["missing"]);
    run(sealmq(
        folder.path(),
        &[
            "broker",
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            "no.pem",
            "--tls-key",
            "no.key",
        ],
    ))
    .complains(2, &["no.pem"]);
    fs::write(folder.path().join("bad.toml"), "[general]\nfoo = 1\n").unwrap();
    fs::write(folder.path().join("bad.acl"), "topics all\n").unwrap();
    run(sealmq(folder.path(), &["broker", "--config", "bad.toml"]))
        .complains(2, &["line 2", "foo"]);
    run(sealmq(folder.path(), &["broker", "--config", "no.toml"])).complains(2, &["no.toml"]);
    let list = ["broker", "--listen", "127.0.0.1:0", "--acl-file", "bad.acl"];
    run(sealmq(folder.path(), &list)).complains(2, &["bad.acl", "line 1"]);
    broker.process.interrupt().expect(0);
}

#[test]
fn what_speaks_another_protocol() {
    let domain = Domain::new();
    domain.enrol("sensor", &["--publish", "plant"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let web = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _read = stream.read(&mut [0; 1024]).unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
    });
    let at = ["-h", "127.0.0.1", "-p", &port];
    let args = ["pub", "--dir", "sensor", "-t", "plant/x", "-m", "x"];
    domain
        .try_run(&[&args[..], &at].concat())
        .complains(3, &["something else than MQTT", "check -p"]);
    web.join().unwrap();
    // Nor does what accepts connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let at = ["-h", "127.0.0.1", "-p", &port, "--patience", "1s"];
    domain
        .try_run(&[&args[..], &at].concat())
        .complains(3, &["did not answer within 1 s: nothing was sent"]);
}

#[test]
fn a_client_identifier_that_the_broker_does_not_allow() {
    let domain = Domain::new();
    domain.enrol("sensor", &["--publish", "plant"]);
    let file = "[general]\nclient_id_prefix = \"site-\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n";
    fs::write(domain.path().join("broker.toml"), file).unwrap();
    let broker = brokers::configured(domain.path(), "broker.toml");
    for version in ["mqttv5", "mqttv311"] {
        let args = ["-h", "127.0.0.1", "-p", &broker.port, "-V", version];
        let publish = ["pub", "--dir", "sensor", "-t", "plant/x", "-m", "x"];
        domain
            .try_run(&[&publish[..], &args].concat())
            .complains(3, &["does not allow this client identifier", "-i"]);
    }
}

#[test]
fn members_that_were_removed_are_told_from_those_that_never_were() {
    let domain = Domain::new();
    domain.enrol("sensor", &["--publish", "plant:plant/%c/#"]);
    for command in [&["member", "list"][..], &["group", "show", "plant"]] {
        let shown = domain.ok(command).stdout;
        assert!(
            shown.contains("publishing on plant/sensor/# only") && !shown.contains("%c"),
            "{shown}"
        );
    }
    let none = domain.try_run(&["member", "add", "sensor.req"]).expect(2);
    assert!(none.stderr.contains("|--subscribe <GROUP>>"), "{none:?}");
    domain.ok(&["member", "remove", "sensor"]);
    for who in ["sensor", "1"] {
        for what in ["remove", "renew", "export"] {
            domain
                .try_run(&["member", what, who])
                .complains(1, &["member 1 sensor was removed before"]);
        }
    }
    domain
        .try_run(&["member", "remove", "2"])
        .complains(1, &["no member `2`"]);
}

#[test]
fn passwords() {
    let folder = tempfile::tempdir().unwrap();
    let passwd =
        |name: &str, input: &[u8]| run_with(sealmq(folder.path(), &["passwd", name]), input);
    let line = passwd("ann", b"secret\n").expect(0).stdout;
    assert!(
        line.starts_with("ann:$argon2") && !line.contains("secret"),
        "{line}"
    );
    passwd("ann", b"\n").complains(2, &["empty"]);
    passwd("a:b", b"secret\n").complains(2, &["colon"]);
    passwd("", b"secret\n").expect(2);
}
