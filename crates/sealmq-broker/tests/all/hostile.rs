//! Peers that stall or send garbage, while others are served.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sealmq_broker::{Broker, TlsSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::all::access::Authority;
use crate::all::common::{PATIENCE, V4, V5, v4, v5, within};
use crate::all::figures::{ask, value};
use crate::all::raw::{Raw, framed, login};

const MIB: usize = 1024 * 1024;

async fn served(address: SocketAddr, id: &str) {
    let mut five = V5::connect(v5(id, address)).await;
    five.nothing_before(id).await;
    five.disconnect().await;
    let mut four = V4::connect(v4(id, address)).await;
    four.nothing_before(id).await;
    four.disconnect().await;
}

/// Whatever the first bytes are, at every listener.
#[tokio::test]
async fn garbage_and_half_handshakes_stop_nobody() {
    let (certificate, key) = Authority::new().issue("127.0.0.1");
    let any = "127.0.0.1:0".parse().unwrap();
    let tls = TlsSettings::new(certificate, key);
    let broker = Broker::builder()
        .listen(any)
        .listen_tls(any, tls.clone())
        .listen_websocket(any, "/mqtt", [], None)
        .listen_websocket(any, "/mqtt", [], Some(tls))
        .start()
        .await
        .unwrap();
    assert_eq!(broker.listeners().count(), 4);
    let mut garbage = vec![
        vec![0x10, 0xff, 0xff, 0x3f],
        vec![0; 64],
        vec![0xff; 64],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0x16, 3, 1, 0xff, 0xff],
        // A CONNECT of 1 MiB, all of it.
        framed(0x10, &vec![b'M'; MIB]),
        // One that is as long as it may be, and makes no sense.
        framed(0x10, &vec![b'M'; 96 * 1024]),
        // The first half of a CONNECT, of a ClientHello, of an upgrade.
        vec![0x10, 60, 0, 4, b'M', b'Q'],
        vec![0x16, 3, 1, 2, 0, 1, 0, 1],
        b"GET /mqtt HTTP/1.1\r\nUpgrade: webso".to_vec(),
    ];
    let mut state = 0x9e37_79b9_u32;
    garbage.extend((0..40).map(|length| {
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::try_from(state >> 24).unwrap()
        };
        (0..length * 5).map(|_| byte()).collect()
    }));
    let mut open = Vec::new();
    for (address, _) in broker.listeners() {
        for bytes in &garbage {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _refused =
                tokio::time::timeout(Duration::from_secs(1), stream.write_all(bytes)).await;
            open.push(stream);
        }
    }
    served(broker.local_addr(), "honest").await;
    broker.shutdown().await;
}

/// After the login: mqtt5 has no limit in bytes for what waits in memory.
#[tokio::test]
async fn who_does_not_read_loses_its_connection_and_not_the_memory_of_others() {
    let builder = Broker::builder().max_unread_bytes(16 * MIB);
    let broker = builder.start().await.unwrap();
    let address = broker.local_addr();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let (mut slow, _) = Raw::open(stream, login(5, "slow")).await.unwrap();
    assert_eq!(slow.subscribe("a").await, 1);
    // Reads, and acknowledges nothing.
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut mute, _) = Raw::open(stream, login(4, "mute")).await.unwrap();
    assert_eq!(mute.subscribe("a").await, 1);
    let mute = tokio::spawn(async move {
        let mut count = 0;
        while mute.packet().await.is_ok() {
            count += 1;
        }
        count
    });
    let mut reader = V5::connect(v5("reader", address)).await;
    reader.subscribe("a", 1).await;
    let begun = Instant::now();
    let mut number = 0_u32;
    let mut ended = false;
    while !(ended && mute.is_finished()) {
        reader.publish("a", 1, false, vec![7; 256 * 1024]).await;
        reader.next().await;
        number += 1;
        if number.is_multiple_of(8) && !ended {
            ended = slow.send(&[0xc0, 0]).await.is_err();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(begun.elapsed() < PATIENCE, "{ended} {}", mute.is_finished());
    }
    // As many messages of QoS 1 are on their way at a time.
    assert_eq!(mute.await.unwrap(), 64);
    assert!(begun.elapsed() > Duration::from_secs(4));
    served(address, "honest").await;
    reader.nothing_before("still").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn halves_of_large_packets_have_a_bound_and_make_room() {
    let any = "127.0.0.1:0".parse().unwrap();
    let broker = Broker::builder()
        .metrics(any)
        .max_packet_size(4 * MIB)
        .max_incoming_bytes(8 * MIB)
        .user("ann", "secret")
        .allow_anonymous(true)
        .start()
        .await
        .unwrap();
    let address = broker.local_addr();
    let mut halves = Vec::new();
    for number in 0..20 {
        let stream = TcpStream::connect(address).await.unwrap();
        let id = format!("half{number}");
        let (mut half, _) = Raw::open(stream, login(5, &id)).await.unwrap();
        let packet = framed(0x30, &vec![0; 3 * MIB]);
        let part = half.send(&packet[..MIB]);
        let _sent = tokio::time::timeout(Duration::from_millis(100), part).await;
        halves.push(half);
    }
    // What does not fit stays with the sender.
    let figures = ask(
        broker.metrics_addr().unwrap(),
        b"GET /metrics HTTP/1.1\r\n\r\n",
    )
    .await;
    assert_eq!(value(&figures, "incoming_bytes"), 6 * MIB as u64);
    let received = value(&figures, "received_bytes_total");
    assert!(received < 3 * MIB as u64, "{received}");
    // Small packets are not in the way of anything, and a large one gets its room.
    served(address, "small").await;
    let mut options = v5("large", address);
    options.set_credentials("ann", "secret");
    let mut large = V5::connect(options).await;
    large.subscribe("a", 1).await;
    let begun = Instant::now();
    within(
        PATIENCE,
        "room",
        large.publish("a", 1, false, vec![7; 2 * MIB]),
    )
    .await;
    assert_eq!(large.next().await.payload.len(), 2 * MIB);
    println!("had room after {:?}", begun.elapsed());
    broker.shutdown().await;
}

/// The client that it is about may send its packet as slowly as it likes, while nobody else needs room.
#[tokio::test]
async fn a_large_packet_may_take_its_time() {
    let broker = Broker::builder().start().await.unwrap();
    let stream = TcpStream::connect(broker.local_addr()).await.unwrap();
    let (mut client, _) = Raw::open(stream, login(4, "dribbling")).await.unwrap();
    assert_eq!(client.subscribe("a").await, 1);
    let mut body = vec![0, 1, b'a'];
    body.extend(vec![7; 100_000]);
    for part in framed(0x30, &body).chunks(10_000) {
        client.send(part).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (first, body) = client.packet().await.unwrap();
    assert_eq!((first, body.len()), (0x30, 100_003));
    // The connection is in step: a packet may follow in the same piece.
    client.send(&[0xc0, 0, 0xe0, 0]).await.unwrap();
    assert_eq!(client.packet().await.unwrap().0, 0xd0);
    let mut rest = Vec::new();
    client.stream.read_to_end(&mut rest).await.unwrap();
    broker.shutdown().await;
}
