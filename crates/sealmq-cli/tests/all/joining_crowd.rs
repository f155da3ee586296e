//! Many devices that join at once, where a token comes from, and a broker that is too small.

use std::fs;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;
use crate::common::{Ended, run, run_with};

/// More than can be told at once by the budgets of an idle authority.
const DEVICES: usize = 200;

fn domain(broker: &Broker) -> Domain {
    let mut domain = Domain::new();
    domain.connection = ["-h", "127.0.0.1", "-p", &broker.port]
        .map(str::to_owned)
        .into();
    domain
}

fn token(domain: &Domain, uses: usize) -> String {
    let uses = uses.to_string();
    let args = [
        "token",
        "create",
        "--group",
        "plant",
        "--role",
        "publish",
        "--uses",
        &uses,
        "-h",
        "127.0.0.1",
        "-p",
        &domain.connection[3],
    ];
    domain.ok(&args).stdout.trim_end().to_owned()
}

/// A fleet that is powered on together.
#[test]
fn two_hundred_devices_join_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let broker = brokers::bundled(folder.path(), &[]);
    let domain = domain(&broker);
    let _authority = domain.authority();
    fs::write(domain.path().join("token"), token(&domain, DEVICES)).unwrap();
    let start = Instant::now();
    let join = |n: usize| -> Child {
        let name = format!("device-{n}");
        let args = [
            "join",
            "--token-file",
            "token",
            "--name",
            &name,
            "--dir",
            &name,
            "--packages",
            "2",
            "--timeout",
            "110s",
        ];
        let said = fs::File::create(domain.path().join(format!("{name}.err"))).unwrap();
        let mut command = domain.command(&args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said);
        command.spawn().unwrap()
    };
    let mut devices: Vec<Child> = (0..DEVICES).map(join).collect();
    let mut failed = Vec::new();
    for (n, device) in devices.iter_mut().enumerate() {
        let status = loop {
            if let Some(status) = device.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < Duration::from_secs(120), "device {n}");
            sleep(Duration::from_millis(10));
        };
        if !status.success() {
            let said = fs::read_to_string(domain.path().join(format!("device-{n}.err")));
            failed.push((n, status, said.unwrap()));
        }
    }
    println!("{:?}", start.elapsed());
    assert!(failed.is_empty(), "{}: {:?}", failed.len(), failed.first());
    let list = domain.ok(&["member", "list"]).stdout;
    assert_eq!(list.matches(": valid until").count(), DEVICES);
}

/// As an argument everybody on the machine sees it.
#[test]
fn a_token_comes_from_a_file_standard_input_or_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let broker = brokers::bundled(folder.path(), &[]);
    let domain = domain(&broker);
    let _authority = domain.authority();
    let token = token(&domain, 4);
    fs::write(domain.path().join("token"), format!("\n{token}\n")).unwrap();
    let join = |name: &str, more: &[&str]| {
        let args = [&["join", "--name", name, "--dir", name][..], more].concat();
        domain.command(&args)
    };
    let joined = |ended: Ended, name: &str| {
        let said = ended.expect(0).stdout;
        assert!(said.contains(&format!(" {name}\n")), "{said}");
    };
    joined(run(join("file", &["--token-file", "token"])), "file");
    let input = run_with(join("input", &["--token-file", "-"]), token.as_bytes());
    joined(input, "input");
    let mut variable = join("variable", &[]);
    variable.env("SEALMQ_JOIN_TOKEN", &token);
    joined(run(variable), "variable");
    joined(run(join("argument", &[&token])), "argument");

    // Neither, both, or nothing useful.
    let all = ["--token-file", "SEALMQ_JOIN_TOKEN", "--root"];
    run(join("none", &[])).complains(2, &all);
    assert_eq!(
        run(join("both", &[&token, "--token-file", "token"])).code(),
        Some(2)
    );
    run(join("missing", &["--token-file", "nowhere"])).complains(2, &["nowhere"]);
    fs::write(domain.path().join("empty"), "\n").unwrap();
    assert_eq!(
        run(join("empty", &["--token-file", "empty"])).code(),
        Some(2)
    );
    let help = run(domain.command(&["join", "--help"])).expect(0).stdout;
    assert!(
        help.contains("--token-file") && help.contains("SEALMQ_JOIN_TOKEN"),
        "{help}"
    );
}

/// What the authority's log says about packets that are too long, its devices do not see.
#[test]
fn a_broker_with_a_small_limit_is_named_as_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let small = brokers::bundled(folder.path(), &["--max-packet-size", "1024"]);
    let domain = domain(&small);
    fs::write(domain.path().join("token"), token(&domain, 1)).unwrap();
    let join = |packages: &str| {
        let args = [
            "join",
            "--token-file",
            "token",
            "--name",
            "x",
            "--dir",
            "x",
            "--packages",
            packages,
            "--timeout",
            "2s",
        ];
        run(domain.command(&args))
    };
    // Nothing of the authority's is there.
    join("8").complains(27, &["at most 1024 bytes", "max_packet_size"]);
    let _whatever_fits = domain.try_run(&[
        "authority",
        "run",
        "--once",
        "-h",
        "127.0.0.1",
        "-p",
        &small.port,
    ]);
    join("8").complains(3, &["at most 1024 bytes", "the request has", "--packages"]);
}
