//! Who may use which topics and which client identifiers.

use std::net::SocketAddr;

use sealmq_broker::{Broker, ClientIds, TlsSettings};
use tokio::net::TcpStream;

use crate::all::access::Authority;
use crate::all::common::{V5, v5};
use crate::all::raw::{Login, Raw, login};

const LIST: &str = "\
topic read public/#
user ann
topic readwrite plant/#
topic deny plant/secret
user bob
topic read plant/+/temp
pattern readwrite own/%u/%c
";
const NOT_AUTHORIZED: u8 = 0x87;
const NO_SUCH_ID: u8 = 0x85;

async fn open(address: SocketAddr, login: Login<'_>) -> (Raw<TcpStream>, u8) {
    let stream = TcpStream::connect(address).await.unwrap();
    Raw::open(stream, login).await.unwrap()
}

fn user<'a>(version: u8, id: &'a str, name: &'a str) -> Login<'a> {
    Login {
        user: Some((name, "secret")),
        ..login(version, id)
    }
}

#[tokio::test]
async fn topics_are_used_as_the_list_says_in_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acl");
    std::fs::write(&path, LIST).unwrap();
    let broker = Broker::builder()
        .access_list(&path)
        .user("ann", "secret")
        .user("bob", "secret")
        .allow_anonymous(true)
        .start()
        .await
        .unwrap();
    let address = broker.local_addr();
    for version in [4, 5] {
        // A client of 3.1.1 is told of a subscription, and of no publication.
        let (refused_filter, refused_topic) = match version {
            4 => (0x80, 0),
            _ => (NOT_AUTHORIZED, NOT_AUTHORIZED),
        };
        let (mut ann, code) = open(address, user(version, "a", "ann")).await;
        assert_eq!(code, 0);
        let (mut bob, _) = open(address, user(version, "b", "bob")).await;
        assert_eq!(bob.subscribe("plant/+/temp").await, 1);
        assert_eq!(bob.subscribe("plant/#").await, refused_filter);
        assert_eq!(bob.subscribe("#").await, refused_filter);
        assert_eq!(bob.subscribe("$SYS/#").await, refused_filter);
        assert_eq!(ann.subscribe("plant/#").await, refused_filter);
        assert_eq!(ann.subscribe("$share/all/plant/a/#").await, 1);
        for qos in [0, 1, 2] {
            let refused = if qos == 0 { 0 } else { refused_topic };
            assert_eq!(bob.publish("plant/a/temp", qos, b"no").await, refused);
            assert_eq!(ann.publish("plant/secret", qos, b"no").await, refused);
            assert_eq!(ann.publish("other", qos, b"no").await, refused);
            assert_eq!(
                ann.publish("$SYS/broker/version", qos, b"no").await,
                refused
            );
        }
        assert_eq!(ann.publish("plant/b/temp", 1, b"yes").await, 0);
        let (first, body) = bob.packet().await.unwrap();
        assert_eq!(first >> 4, 3);
        assert!(body.ends_with(b"yes"), "{body:?}");
        // Its own session's topics, and no other one's.
        assert_eq!(bob.publish("own/bob/b", 1, b"x").await, 0);
        assert_eq!(bob.publish("own/bob/c", 1, b"x").await, refused_topic);
        assert_eq!(bob.subscribe("own/ann/a").await, refused_filter);
        let (mut nobody, _) = open(address, login(version, "n")).await;
        assert_eq!(nobody.subscribe("public/x").await, 1);
        assert_eq!(nobody.subscribe("plant/a/temp").await, refused_filter);
    }
    // A will is a publication of its client's.
    let mut reader = V5::connect({
        let mut options = v5("reader", address);
        options.set_credentials("ann", "secret");
        options
    })
    .await;
    reader.subscribe("plant/x/+", 1).await;
    for (will, arrives) in [("plant/x/temp", false), ("own/bob/w", true)] {
        let login = Login {
            will: Some(will),
            ..user(5, "w", "bob")
        };
        let (client, code) = open(address, login).await;
        assert_eq!(code, 0);
        drop(client);
        if arrives {
            let (mut bob, _) = open(address, user(5, "w", "bob")).await;
            assert_eq!(bob.subscribe(will).await, 1);
        }
    }
    let nothing = reader.client.publish(
        "plant/x/end",
        rumqttc::v5::mqttbytes::QoS::AtLeastOnce,
        false,
        "end",
    );
    nothing.await.unwrap();
    assert_eq!(reader.next().await.payload, b"end");
    broker.shutdown().await;
}

/// A session that was opened when the list was another one reads nothing more.
#[tokio::test]
async fn a_list_that_has_changed_counts_for_sessions_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acl");
    let start = |list: &'static str| {
        std::fs::write(&path, list).unwrap();
        let builder = Broker::builder().access_list(&path);
        builder.data_folder(folder.path().join("data")).start()
    };
    let broker = start("topic readwrite #").await.unwrap();
    let options = |address| crate::all::common::v5_persistent("old", address);
    let mut old = V5::connect(options(broker.local_addr())).await;
    old.subscribe("secret", 1).await;
    old.disconnect().await;
    broker.shutdown().await;
    let broker = start("topic readwrite open/#\ntopic write secret")
        .await
        .unwrap();
    let mut old = V5::connect(options(broker.local_addr())).await;
    assert!(old.session_present);
    old.publish("secret", 1, false, "x").await;
    old.nothing_before("open/end").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn client_identifiers_follow_their_rule() {
    for (rule, id, allowed) in [
        (ClientIds::Any, "whatever", true),
        (ClientIds::User, "ann", true),
        (ClientIds::User, "ann-2", false),
        (ClientIds::User, "", false),
        (ClientIds::UserPrefix, "ann-2", true),
        (ClientIds::UserPrefix, "bob", false),
        (ClientIds::Prefix("site-".to_owned()), "site-1", true),
        (ClientIds::Prefix("site-".to_owned()), "ann", false),
    ] {
        let builder = Broker::builder().client_ids(rule.clone());
        let broker = builder.user("ann", "secret").start().await.unwrap();
        for version in [4, 5] {
            let (_, code) = open(broker.local_addr(), user(version, id, "ann")).await;
            let refused = if version == 4 { 2 } else { NO_SUCH_ID };
            assert_eq!(
                code,
                if allowed { 0 } else { refused },
                "{rule:?} {id} {version}"
            );
        }
        broker.shutdown().await;
    }
}

#[tokio::test]
async fn a_certificate_says_who_its_client_is() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("127.0.0.1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acl");
    std::fs::write(&path, "pattern readwrite of/%u/#\n").unwrap();
    let settings = TlsSettings::new(certificate, key)
        .client_authority(authority.pem())
        .client_certificate_optional()
        .certificate_is_user();
    let broker = Broker::builder()
        .listen_tls("127.0.0.1:0".parse().unwrap(), settings)
        .user("bob", "secret")
        .access_list(&path)
        .client_ids(ClientIds::User)
        .start()
        .await
        .unwrap();
    let address = broker.local_addr();
    let connect = |identity, login| {
        let authority = &authority;
        async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let stream = authority.try_connect(stream, identity).await?;
            Raw::open(stream, login).await
        }
    };
    let device = authority.issue("device-7");
    for version in [4, 5] {
        let wrong_password = if version == 4 { 4 } else { 0x86 };
        let anonymous = if version == 4 { 5 } else { NOT_AUTHORIZED };
        let (mut client, code) = connect(Some(&device), login(version, "device-7"))
            .await
            .unwrap();
        assert_eq!(code, 0);
        assert_eq!(client.subscribe("of/device-7/#").await, 1);
        assert!(client.subscribe("of/bob/#").await >= 0x80);
        // Another user's name, with the right password of that user.
        let (_, code) = connect(Some(&device), user(version, "bob", "bob"))
            .await
            .unwrap();
        assert_eq!(code, wrong_password);
        // Without a certificate: the password.
        let (mut bob, code) = connect(None, user(version, "bob", "bob")).await.unwrap();
        assert_eq!(code, 0);
        assert_eq!(bob.subscribe("of/bob/x").await, 1);
        let (_, code) = connect(None, login(version, "device-7")).await.unwrap();
        assert_eq!(code, anonymous);
    }
    // Names that would be more than a level, and certificates of others.
    let mut others = ["+", "#", "a/b"].map(|name| authority.issue(name)).to_vec();
    others.push(Authority::new().issue("device-7"));
    for other in &others {
        assert!(connect(Some(other), login(5, "x")).await.is_err());
    }
    broker.shutdown().await;
}
