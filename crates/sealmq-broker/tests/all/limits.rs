//! What strangers and single clients cannot use up.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Event, EventLoop};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::all::access::Authority;
use crate::all::common::{PATIENCE, V5, v5, v5_persistent, within};
use crate::all::raw::{Login, Raw, framed, login};
use sealmq_broker::{Broker, TlsSettings};

/// A connection from this address of the loopback network.
async fn from(source: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::new(source.parse().unwrap(), 0))
        .unwrap();
    socket.connect(to).await.unwrap()
}

async fn is_open(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut byte));
    read.await.is_err()
}

async fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _reset = within(
        PATIENCE,
        "the broker ends it",
        stream.read_to_end(&mut rest),
    )
    .await;
}

/// 20 of them made mqtt5 hold 337 MB.
#[tokio::test]
async fn a_connect_that_announces_much_is_not_waited_for() {
    let broker = Broker::builder().start().await.unwrap();
    let begun = Instant::now();
    for announced in [
        &[0x10, 0xf0, 0xff, 0xff, 0x07, 0, 4][..],
        &[0x10, 0x81, 0x80, 0x06, 0, 4],
        &[0x30, 0xf0, 0xff, 0xff, 0x07],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = from("127.0.0.1", broker.local_addr()).await;
        stream.write_all(announced).await.unwrap();
        ends(&mut stream).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    // A will of the largest size still fits, even if its first bytes dribble in.
    let mut options = v5("will", broker.local_addr());
    let will = rumqttc::v5::mqttbytes::v5::LastWill::new(
        "w",
        vec![7; 65_535],
        rumqttc::v5::mqttbytes::QoS::AtLeastOnce,
        false,
        None,
    );
    options.set_last_will(will);
    V5::connect(options).await.disconnect().await;
    let mut slow = from("127.0.0.1", broker.local_addr()).await;
    let connect = [
        0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 1, b'x',
    ];
    for byte in connect {
        slow.write_all(&[byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut answer = [0];
    within(PATIENCE, "CONNACK", slow.read_exact(&mut answer))
        .await
        .unwrap();
    assert_eq!(answer, [0x20]);
    broker.shutdown().await;
}

#[tokio::test]
async fn silence_keeps_nobody_out() {
    // 20 strangers, 10 per address; 80 connections.
    let builder = Broker::builder().max_connections(80);
    let broker = builder.start().await.unwrap();
    let address = broker.local_addr();
    let mut member = V5::connect(v5("member", address)).await;
    let mut silent = Vec::new();
    for number in 0..100 {
        let source = format!("127.0.1.{}", 1 + number % 25);
        silent.push(from(&source, address).await);
    }
    for _ in 0..100 {
        silent.push(from("127.0.0.1", address).await);
    }
    for number in 0..5 {
        let id = format!("late{number}");
        let mut late = V5::connect(v5(&id, address)).await;
        late.nothing_before(&id).await;
        late.disconnect().await;
    }
    member.nothing_before("here").await;
    let mut open = 0;
    for stream in &mut silent {
        open += usize::from(is_open(stream).await);
    }
    assert!((1..=20).contains(&open), "{open}");
    broker.shutdown().await;
}

#[tokio::test]
async fn the_time_for_the_login_ends() {
    let (certificate, key) = Authority::new().issue("localhost");
    let settings = TlsSettings::new(certificate, key);
    let any = "127.0.0.1:0".parse().unwrap();
    let broker = Broker::builder()
        .listen(any)
        .listen_tls(any, settings)
        .listen_websocket(any, "/mqtt", [], None)
        .login_time(Duration::from_secs(1))
        .start()
        .await
        .unwrap();
    let begun = Instant::now();
    let address = broker.local_addr();
    let mut silent = from("127.0.0.1", address).await;
    let mut half = from("127.0.0.1", address).await;
    half.write_all(&[0x10, 14, 0, 4, b'M']).await.unwrap();
    let mut half_header = from("127.0.0.1", address).await;
    half_header.write_all(&[0x10, 0x80]).await.unwrap();
    let mut no_handshake = from("127.0.0.1", broker.tls_addr().unwrap()).await;
    let websocket = broker.websocket_addr(false).unwrap();
    let mut no_upgrade = from("127.0.0.1", websocket).await;
    let mut half_upgrade = from("127.0.0.1", websocket).await;
    half_upgrade
        .write_all(b"GET /mqtt HTTP/1.1\r\nUpg")
        .await
        .unwrap();
    let mut no_connect = from("127.0.0.1", websocket).await;
    let request = "GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n\r\n";
    no_connect.write_all(request.as_bytes()).await.unwrap();
    let mut member = V5::connect(v5("member", address)).await;
    for stream in [
        &mut silent,
        &mut half,
        &mut half_header,
        &mut no_handshake,
        &mut no_upgrade,
        &mut half_upgrade,
        &mut no_connect,
    ] {
        ends(stream).await;
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    member.nothing_before("still here").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn an_address_has_its_share_of_connections() {
    let builder = Broker::builder().max_connections_per_address(2);
    let broker = builder.start().await.unwrap();
    let address = broker.local_addr();
    let _first = V5::connect(v5("1", address)).await;
    let second = V5::connect(v5("2", address)).await;
    assert!(V5::try_connect(v5("3", address)).await.is_err());
    let mut elsewhere = from("127.0.0.2", address).await;
    assert!(is_open(&mut elsewhere).await);
    second.disconnect().await;
    let begun = Instant::now();
    while V5::try_connect(v5("3", address)).await.is_err() {
        assert!(begun.elapsed() < PATIENCE);
    }
    broker.shutdown().await;
}

async fn retained(address: SocketAddr, id: &str) -> Vec<(String, usize)> {
    let mut reader = V5::connect(v5(id, address)).await;
    reader.subscribe("a/#", 0).await;
    // mqtt5 has a way of its own for each QoS: an end of QoS 0 is behind them.
    reader.subscribe("end", 0).await;
    reader.publish("end", 1, false, "x").await;
    let mut found = Vec::new();
    loop {
        let message = reader.next().await;
        if message.topic == "end" {
            reader.disconnect().await;
            return found;
        }
        found.push((message.topic, message.payload.len()));
    }
}

#[tokio::test]
async fn retained_messages_are_bounded_in_number_and_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        Broker::builder()
            .data_folder(folder.path())
            .max_retained(20, 100_000)
            .start()
    };
    let broker = start().await.unwrap();
    let address = broker.local_addr();
    let mut stranger = V5::connect(v5("stranger", address)).await;
    for number in 0..40 {
        let topic = format!("a/{number}");
        stranger.publish(&topic, 1, true, vec![7; 10_000]).await;
        stranger.publish(&topic, 0, true, vec![7; 10_000]).await;
    }
    let kept = retained(address, "one").await;
    let bytes: usize = kept.iter().map(|(_, len)| len).sum();
    assert!((70_000..=100_000).contains(&bytes), "{bytes}");
    // A new value of what is there is taken, no new topic is, also after a restart.
    stranger.publish(&kept[0].0, 1, true, vec![7; 5000]).await;
    broker.shutdown().await;
    let broker = start().await.unwrap();
    let address = broker.local_addr();
    let mut stranger = V5::connect(v5("stranger", address)).await;
    stranger.publish("a/new", 1, true, vec![7; 9_999]).await;
    let now = retained(address, "two").await;
    assert!(now.contains(&(kept[0].0.clone(), 5000)), "{now:?}");
    let bytes: usize = now.iter().map(|(_, len)| len).sum();
    assert!(bytes <= 100_000, "{bytes}");
    // What is cleared makes room; then the number counts.
    for (topic, _) in &now {
        stranger.publish(topic, 1, true, "").await;
    }
    for number in 0..40 {
        stranger.publish(&format!("a/{number}"), 1, true, "x").await;
    }
    assert_eq!(retained(address, "three").await.len(), 20);
    broker.shutdown().await;
}

#[tokio::test]
async fn a_user_alone_does_not_fill_the_room_for_retained_messages() {
    let builder = Broker::builder().max_retained(40, 1_000_000);
    let builder = builder.user("ann", "secret").user("eve", "secret");
    let broker = builder.start().await.unwrap();
    let address = broker.local_addr();
    let login = |name: &'static str| Login {
        user: Some((name, "secret")),
        ..login(5, name)
    };
    let connect = || tokio::net::TcpStream::connect(address);
    let (mut eve, _) = Raw::open(connect().await.unwrap(), login("eve"))
        .await
        .unwrap();
    let mut kept = 0;
    for number in 0..40 {
        // Between others, in one piece, so that it is known which of them is retained.
        let topic = format!("e/{number}");
        let mut body = vec![0, u8::try_from(topic.len()).unwrap()];
        body.extend(topic.as_bytes());
        body.extend([0, 7, 0, b'x']);
        let plain = framed(0x30, &[0, 1, b'p', 0]);
        eve.send(&[&plain[..], &framed(0x33, &body), &plain].concat())
            .await
            .unwrap();
        let (first, body) = eve.packet().await.unwrap();
        assert_eq!(first, 0x40);
        kept += usize::from(body.get(2).copied().unwrap_or_default() < 0x80);
    }
    assert_eq!(kept, 30);
    assert_eq!(eve.publish("e/40", 1, b"not retained").await & 0x80, 0);
    let (mut ann, _) = Raw::open(connect().await.unwrap(), login("ann"))
        .await
        .unwrap();
    let mut retain = framed(0x33, b"\x00\x01a\x00\x07\x00x");
    for topic in b'a'..b'j' {
        retain[4] = topic;
        ann.send(&retain).await.unwrap();
        let (_, body) = ann.packet().await.unwrap();
        assert!(body.get(2).copied().unwrap_or_default() < 0x80);
    }
    broker.shutdown().await;
}

/// 30 absent sessions took 885 MB.
#[tokio::test]
async fn what_waits_in_sessions_is_bounded() {
    let builder = Broker::builder().max_sessions(100, 1_000_000);
    let broker = builder.start().await.unwrap();
    let address = broker.local_addr();
    for number in 0..10 {
        let mut absent = V5::connect(v5_persistent(&format!("absent{number}"), address)).await;
        absent.subscribe("a", 1).await;
        absent.disconnect().await;
    }
    let mut writer = V5::connect(v5("writer", address)).await;
    for _ in 0..30 {
        writer.publish("a", 1, false, vec![7; 20_000]).await;
    }
    let mut waiting = 0;
    let mut left = 0;
    for number in 0..10 {
        let mut back = V5::connect(v5_persistent(&format!("absent{number}"), address)).await;
        if back.session_present {
            left += 1;
            back.subscribe("end", 1).await;
            back.publish("end", 1, false, "x").await;
            while back.next().await.topic != "end" {
                waiting += 20_000;
            }
        }
        back.disconnect().await;
    }
    assert!((1..10).contains(&left), "{left}");
    assert!((1..=1_000_000).contains(&waiting), "{waiting}");
    broker.shutdown().await;
}

#[tokio::test]
async fn sessions_are_bounded_in_number_and_time() {
    let builder = Broker::builder().max_sessions(8, 1_000_000);
    let broker = builder.start().await.unwrap();
    let address = broker.local_addr();
    for number in 0..40 {
        let options = v5_persistent(&format!("absent{number}"), address);
        V5::connect(options).await.disconnect().await;
    }
    let mut left = Vec::new();
    for number in 0..40 {
        let mut options = v5_persistent(&format!("absent{number}"), address);
        options.set_session_expiry_interval(Some(0));
        let back = V5::connect(options).await;
        if back.session_present {
            left.push(number);
        }
        back.disconnect().await;
    }
    assert!((1..=10).contains(&left.len()), "{left:?}");
    assert!(left.contains(&39), "{left:?}");

    let mut options = v5_persistent("for ever", address);
    options.set_session_expiry_interval(Some(u32::MAX));
    let mut events = EventLoop::new(options, 1);
    let Event::Incoming(Packet::ConnAck(ack)) = events.poll().await.unwrap() else {
        panic!("no CONNACK");
    };
    let granted = ack.properties.unwrap().session_expiry_interval;
    assert_eq!(granted, Some(30 * 24 * 60 * 60));
    broker.shutdown().await;
}

#[tokio::test]
async fn subscriptions_are_bounded_in_number_and_length() {
    let builder = Broker::builder().max_subscriptions(2);
    let broker = builder.start().await.unwrap();
    let mut client = V5::connect(v5("client", broker.local_addr())).await;
    let long = "x".repeat(1025);
    client.subscribe(&long, 1).await;
    client.subscribe("a", 1).await;
    client.subscribe("b", 1).await;
    client.subscribe("c", 1).await;
    for topic in [&long, "c", "b", "a"] {
        client.publish(topic, 1, false, "x").await;
    }
    assert_eq!(client.next().await.topic, "b");
    assert_eq!(client.next().await.topic, "a");
    broker.shutdown().await;
}

/// The settings that users need are checked.
#[tokio::test]
async fn limits_of_nothing_are_refused() {
    for builder in [
        Broker::builder().max_connections_per_address(0),
        Broker::builder().max_subscriptions(0),
        Broker::builder().max_retained(0, 1),
        Broker::builder().max_sessions(0, 1),
    ] {
        assert!(builder.start().await.is_err());
    }
}
