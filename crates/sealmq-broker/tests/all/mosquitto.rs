//! The clients that everybody has: mosquitto_pub and mosquitto_sub.

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use crate::all::common::{PATIENCE, V5, v5};
use sealmq_broker::Broker;

fn installed() -> bool {
    let found = ["mosquitto_pub", "mosquitto_sub"].iter().all(|program| {
        Command::new(program)
            .arg("--help")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    });
    if !found {
        println!("skipped: mosquitto_pub and mosquitto_sub are not on the PATH");
    }
    found
}

async fn run(program: &'static str, address: SocketAddr, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command
        .args([
            "-h",
            &address.ip().to_string(),
            "-p",
            &address.port().to_string(),
        ])
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    crate::all::common::within(PATIENCE, program, output)
        .await
        .unwrap()
}

async fn succeed(program: &'static str, address: SocketAddr, arguments: &[&str]) -> String {
    let output = run(program, address, arguments).await;
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn mosquitto_clients_publish_retain_and_keep_sessions() {
    if !installed() {
        return;
    }
    let broker = Broker::builder().start().await.unwrap();
    let address = broker.local_addr();
    let mut reader = V5::connect(v5("reader", address)).await;
    reader.subscribe("m/#", 2).await;
    for (version, name) in [("311", "old"), ("5", "new")] {
        for qos in ["0", "1", "2"] {
            let topic = format!("m/{name}/{qos}");
            succeed(
                "mosquitto_pub",
                address,
                &["-V", version, "-q", qos, "-t", &topic, "-m", qos, "-r"],
            )
            .await;
            let received = reader.next().await;
            assert_eq!(
                (received.topic.as_str(), received.payload.as_slice()),
                (&*topic, qos.as_bytes())
            );
        }
        let filter = format!("m/{name}/+");
        let retained = succeed(
            "mosquitto_sub",
            address,
            &[
                "-V", version, "-q", "2", "-t", &filter, "-C", "3", "-W", "10",
            ],
        )
        .await;
        let mut retained: Vec<_> = retained.lines().collect();
        retained.sort_unstable();
        assert_eq!(retained, ["0", "1", "2"]);

        // A session: subscribe and leave, publish, come back.
        let session = [
            "-V", version, "-i", name, "-c", "-x", "3600", "-q", "1", "-t", "queued",
        ];
        let session = if version == "5" {
            &session[..]
        } else {
            &[&session[..5], &session[7..]].concat()
        };
        succeed("mosquitto_sub", address, &[session, &["-E"]].concat()).await;
        succeed(
            "mosquitto_pub",
            address,
            &["-V", version, "-q", "1", "-t", "queued", "-m", "late"],
        )
        .await;
        let queued = succeed(
            "mosquitto_sub",
            address,
            &[session, &["-C", "1", "-W", "10"]].concat(),
        )
        .await;
        assert_eq!(queued.trim(), "late");
    }
    broker.shutdown().await;
}

#[tokio::test]
async fn mosquitto_clients_log_in() {
    if !installed() {
        return;
    }
    let broker = Broker::builder()
        .user("ann", "secret")
        .start()
        .await
        .unwrap();
    let address = broker.local_addr();
    let message = ["-t", "a", "-m", "x", "-q", "1"];
    for version in ["311", "5"] {
        let with = |user: &[&'static str]| [&message[..], &["-V", version], user].concat();
        succeed(
            "mosquitto_pub",
            address,
            &with(&["-u", "ann", "-P", "secret"]),
        )
        .await;
        for user in [&["-u", "ann", "-P", "wrong"][..], &["-u", "ann"], &[]] {
            let output = run("mosquitto_pub", address, &with(user)).await;
            assert!(!output.status.success(), "{user:?}: {output:?}");
        }
    }
    broker.shutdown().await;
}
