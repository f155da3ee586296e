//! The bundled broker for a small site: what its commands write, and what it withstands.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;
use crate::common::{Running, run, run_with, sealmq};

const PASSWORD: &str = "correct horse";

fn log_in(domain: &mut Domain, broker: &Broker, user: &str) {
    let options = [
        "-h",
        "127.0.0.1",
        "-p",
        &broker.port,
        "-u",
        user,
        "-P",
        PASSWORD,
    ];
    domain.connection = options.map(str::to_owned).to_vec();
}

/// The authority, two members and a device that joins, each with what the written list allows.
fn members_have_what_they_need(mut domain: Domain, broker: &Broker) {
    log_in(&mut domain, broker, "authority");
    let _authority = domain.authority();
    let create = [
        "token",
        "create",
        "--group",
        "plant",
        "--role",
        "subscribe",
        "--name",
        "late",
    ];
    let token =
        run(domain.command(&[&create[..], &["-h", "127.0.0.1", "-p", &broker.port]].concat()));
    let token = token.expect(0).stdout.trim_end().to_owned();
    let join = domain.command(&[
        "join", &token, "--name", "late", "--dir", "late", "-u", "join", "-P", PASSWORD,
    ]);
    run(join).expect(0);
    log_in(&mut domain, broker, "2");
    let mut ann = domain.subscribe("ann", &["-t", "plant/#"]);
    log_in(&mut domain, broker, "1");
    let sent = domain.publish(
        "sensor",
        &["-t", "plant/sensor/t", "-m", "sealed", "-q", "1"],
        b"",
    );
    sent.expect(0);
    ann.wait_for("sealed");
}

fn site(folder: &Path, users: impl Fn(&str) -> String) -> Domain {
    let domain = Domain::new();
    domain.enrol("sensor", &["--publish", "plant"]);
    domain.enrol("ann", &["--subscribe", "plant"]);
    let write = ["broker", "--write-acl", "acl", "--acl-topic", "plant/#"];
    run(sealmq(folder, &write)).expect(0);
    // Nothing is overwritten.
    run(sealmq(folder, &write)).complains(1, &["acl", "nothing is overwritten"]);
    let lines: String = ["authority", "join", "1", "2"]
        .iter()
        .map(|user| users(user))
        .collect();
    fs::write(folder.join("users"), lines).unwrap();
    domain
}

#[test]
fn the_written_access_list_is_enough_at_the_bundled_broker() {
    let folder = tempfile::tempdir().unwrap();
    let line = |user: &str| {
        let password = format!("{PASSWORD}\n");
        run_with(
            sealmq(folder.path(), &["passwd", user]),
            password.as_bytes(),
        )
        .expect(0)
        .stdout
    };
    let domain = site(folder.path(), line);
    let broker = brokers::bundled(
        folder.path(),
        &["--acl-file", "acl", "--password-file", "users"],
    );
    members_have_what_they_need(domain, &broker);
}

#[test]
fn the_written_access_list_is_enough_at_mosquitto() {
    let folder = tempfile::tempdir().unwrap();
    let domain = site(folder.path(), |_| String::new());
    let users = folder.path().join("users");
    for user in ["authority", "join", "1", "2"] {
        let made = Command::new("mosquitto_passwd")
            .arg("-b")
            .arg(&users)
            .args([user, PASSWORD])
            .output();
        if !made.is_ok_and(|output| output.status.success()) {
            assert!(
                brokers::mosquitto(folder.path(), "").is_none(),
                "mosquitto_passwd is missing"
            );
            return;
        }
    }
    let acl = folder.path().join("acl");
    let configuration = format!(
        "user root\nallow_anonymous false\npassword_file {}\nacl_file {}",
        users.display(),
        acl.display()
    );
    if let Some(broker) = brokers::mosquitto(folder.path(), &configuration) {
        members_have_what_they_need(domain, &broker);
    }
}

/// As a person copies them from the terminal.
fn shell(folder: &Path, line: &str, port: &str) -> Command {
    shell_script(folder, &format!("exec {}", line.replace("8883", port)))
}

fn shell_script(folder: &Path, script: &str) -> Command {
    let mut command = sealmq(folder, &[]);
    let program = command.get_program().to_owned();
    let beside = Path::new(&program).parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    command = Command::new("bash");
    command.arg("-c").arg(script).current_dir(folder);
    command
        .env("PATH", format!("{beside}:{path}"))
        .env("SEALMQ_KEY_FILE", "stores.key");
    command
}

#[test]
fn the_commands_that_make_certs_prints_work() {
    let domain = Domain::new();
    domain.enrol("ann", &["--subscribe", "plant", "--publish", "plant"]);
    let folder = domain.path().to_owned();
    let printed = domain
        .ok(&[
            "broker",
            "--make-certs",
            "its certs",
            "--cert-client",
            "ann",
        ])
        .stdout;
    let begins = |text: &str| printed.lines().find(|line| line.starts_with(text)).unwrap();
    let mut broker = Running::start(shell(&folder, begins("sealmq broker"), "0"));
    let listening = broker.wait_for("listening on");
    assert!(listening.ends_with("(TLS)"), "{listening}");
    let port = listening
        .trim_end_matches(" (TLS)")
        .rsplit(':')
        .next()
        .unwrap();
    let options = begins("mosquitto_sub")
        .split_once("-h localhost")
        .unwrap()
        .1;
    let connection = options.split(" -i ").next().unwrap().replace("8883", port);
    let mut authority = shell(
        &folder,
        &format!("sealmq authority run -h localhost {connection}"),
        port,
    );
    authority.env("SEALMQ_KEY_FILE", "stores.key");
    let mut authority = Running::start(authority);
    authority.wait_for("the broker has all");
    let reader = begins("sealmq sub");
    let mut reader = Running::start(shell(&folder, &format!("{reader} --debug"), port));
    reader.wait_for_remark("subscribed");
    if brokers::mosquitto_client("mosquitto_sub").is_some() {
        let line = begins("mosquitto_sub").replace("-i ann", "-i outsider");
        run(shell(&folder, &format!("{line} -C 1 -W 30"), port)).expect(0);
    }
    assert_eq!(authority.interrupt().code(), Some(0));
    // Without the certificate nobody comes in.
    let bare = connection.split("--cert").next().unwrap();
    run(shell(
        &folder,
        &format!("sealmq authority run --once -h localhost {bare}"),
        port,
    ))
    .expect(3);
    assert_eq!(broker.interrupt().code(), Some(0));
}

#[test]
fn one_file_has_everything_and_a_wrong_one_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run(sealmq(folder, &["broker", "--make-certs", "certs"])).expect(0);
    run(sealmq(folder, &["broker", "--write-acl", "acl"])).expect(0);
    let printed = run(sealmq(folder, &["broker", "--print-config"]))
        .expect(0)
        .stdout;
    // Every option in use. Users are missing, so what stands there is not one.
    let mut used: String = printed
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' '))
                .unwrap_or(line)
        })
        .filter(|line| !line.starts_with("client_id_prefix"))
        .flat_map(|line| [line, "\n"])
        .collect();
    used = used
        .replace("/var/lib/sealmq-broker", "data")
        .replace("127.0.0.1:1883", "127.0.0.1:0")
        .replace("127.0.0.1:9641", "127.0.0.1:0")
        .replace("allow_anonymous = false", "allow_anonymous = true");
    used.push_str("[[listener]]\naddress = \"127.0.0.1:0\"\nprotocol = \"websocket\"\n");
    fs::write(folder.join("passwords"), "").unwrap();
    fs::create_dir(folder.join("elsewhere")).unwrap();
    fs::write(folder.join("broker.toml"), &used).unwrap();
    let start = || {
        sealmq(
            &folder.join("elsewhere"),
            &["broker", "--config", "../broker.toml"],
        )
    };
    let mut broker = Running::start(start());
    let lines = broker.wait_for_lines(3);
    assert!(
        lines[0].ends_with(" (TLS)") && lines[1].ends_with(" (WebSocket)"),
        "{lines:?}"
    );
    assert!(
        lines[2].starts_with("figures at http://127.0.0.1:"),
        "{lines:?}"
    );
    assert!(folder.join("data").is_dir());
    // Another one on the same folder.
    run(start()).complains(1, &["data", "in use by another broker"]);
    broker.signal(rustix::process::Signal::TERM);
    assert_eq!(broker.end().code(), Some(0));

    for (wrong, about) in [
        (
            "[general]\ndata_foldr = \"x\"\n",
            &["broker.toml", "line 2", "data_foldr"][..],
        ),
        (
            "[limits]\nsessions = \"many\"\n",
            &["line 2", "sessions", "string"],
        ),
        (
            "[[listener]]\ncertificate = \"x\"\n",
            &["127.0.0.1:1883", "key"],
        ),
        (
            "[general]\naccess_list = \"broker.toml\"\n",
            &["access list", "line 1"],
        ),
    ] {
        fs::write(folder.join("broker.toml"), wrong).unwrap();
        run(start()).complains(2, about);
    }
}

/// With 1024 open files, as many systems have it.
#[test]
fn two_thousand_idle_connections_keep_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit
            .maximum
            .map_or(Some(4096), |most| Some(most.min(4096))),
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let line = "ulimit -n 1024; exec sealmq broker --listen 127.0.0.1:0".to_owned();
    let command = shell_script(folder.path(), &line);
    let mut broker = Running::start(command);
    let address = broker.wait_for("listening on");
    let address: SocketAddr = address.split_whitespace().nth(2).unwrap().parse().unwrap();
    let mut idle = Vec::new();
    let begun = Instant::now();
    while idle.len() < 2000 {
        let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else {
            break;
        };
        idle.push(stream);
    }
    assert_eq!(idle.len(), 2000, "this test needs so many files of its own");
    let port = address.port().to_string();
    for version in ["mqttv5", "mqttv311"] {
        let Some(mut client) = brokers::mosquitto_client("mosquitto_pub") else {
            return;
        };
        client.args(["-p", &port, "-V", version, "-q", "1", "-t", "a", "-m", "x"]);
        run(client).expect(0);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    drop(idle);
    assert_eq!(broker.interrupt().code(), Some(0));
}

/// Where systemd is installed: it understands every line of the unit.
#[test]
fn the_unit_is_understood() {
    let unit = include_str!("../../../sealmq-broker/sealmq-broker.service");
    let program = sealmq(Path::new("."), &[]).get_program().to_owned();
    let unit = unit.replace("/usr/bin/sealmq", &program.to_string_lossy());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sealmq-broker.service");
    fs::write(&path, unit).unwrap();
    let Ok(said) = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&path)
        .output()
    else {
        println!("skipped: systemd-analyze is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(
        said.status.success() && !text.contains("sealmq-broker.service:"),
        "{text}"
    );
}
