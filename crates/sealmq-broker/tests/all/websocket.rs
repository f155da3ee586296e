//! MQTT over WebSocket, with well-behaved and other clients.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sealmq_broker::{Broker, TlsSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::all::access::Authority;
use crate::all::common::{PATIENCE, V5, v5, within};

const CONNECT: [u8; 16] = [
    0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 1, b'w',
];

async fn start() -> Broker {
    let any = "127.0.0.1:0".parse().unwrap();
    Broker::builder()
        .listen(any)
        .listen_websocket(any, "/mqtt", [], None)
        .start()
        .await
        .unwrap()
}

async fn open(
    broker: &Broker,
    path: &str,
    protocol: Option<&'static str>,
    origin: Option<&'static str>,
) -> Result<WebSocketStream<TcpStream>, Error> {
    let address = broker.websocket_addr(false).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("ws://{address}{path}").into_client_request()?;
    for (name, value) in [("Sec-WebSocket-Protocol", protocol), ("Origin", origin)] {
        if let Some(value) = value {
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
    }
    let opened = within(PATIENCE, "the handshake", client_async(request, stream)).await;
    opened.map(|(socket, _)| socket)
}

async fn connect(broker: &Broker) -> WebSocketStream<TcpStream> {
    let mut socket = open(broker, "/mqtt", Some("mqtt"), None).await.unwrap();
    socket
        .send(Message::binary(CONNECT.to_vec()))
        .await
        .unwrap();
    let answer = packets(&mut socket, 1).await;
    assert_eq!(answer[0] >> 4, 2, "{answer:02x?}");
    socket
}

/// Binary content until there are so many bytes.
async fn packets(socket: &mut WebSocketStream<TcpStream>, bytes: usize) -> Vec<u8> {
    let mut found = Vec::new();
    while found.len() < bytes {
        let next = within(PATIENCE, "a frame", socket.next()).await;
        if let Message::Binary(content) = next.unwrap().unwrap() {
            found.extend_from_slice(&content);
        }
    }
    found
}

async fn ends(socket: &mut WebSocketStream<TcpStream>) {
    while let Some(Ok(_)) = within(PATIENCE, "the end", socket.next()).await {}
}

fn publish(topic: u8, payload: &[u8]) -> Vec<u8> {
    let mut length = payload.len() + 4;
    let mut packet = vec![0x30];
    while length >= 0x80 {
        packet.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    packet.push(u8::try_from(length).unwrap());
    packet.extend([0, 1, topic, 0]);
    packet.extend_from_slice(payload);
    packet
}

#[tokio::test]
async fn websocket_and_tcp_clients_meet() {
    let broker = start().await;
    let mut reader = V5::connect(v5("reader", broker.local_addr())).await;
    reader.subscribe("a", 0).await;
    let mut socket = connect(&broker).await;
    let payload: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    // One message of many frames, a ping in the middle of it, then several packets in one frame.
    let packet = publish(b'a', &payload);
    for (number, part) in packet.chunks(70_001).enumerate() {
        let kind = if number == 0 {
            Data::Binary
        } else {
            Data::Continue
        };
        let last = (number + 1) * 70_001 >= packet.len();
        let frame = Frame::message(part.to_vec(), OpCode::Data(kind), last);
        socket.send(Message::Frame(frame)).await.unwrap();
        if number == 1 {
            socket
                .send(Message::Ping(b"still there".to_vec().into()))
                .await
                .unwrap();
        }
    }
    assert_eq!(reader.next().await.payload, payload);
    let both = [publish(b'a', b"one"), publish(b'a', b"two")].concat();
    socket.send(Message::binary(both)).await.unwrap();
    assert_eq!(reader.next().await.payload, b"one");
    assert_eq!(reader.next().await.payload, b"two");
    let pong = within(PATIENCE, "the pong", socket.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(pong, Message::Pong(b"still there".to_vec().into()));

    // And back, a byte per frame.
    for byte in [0x82, 7, 0, 1, 0, 0, 1, b'b', 0] {
        socket.send(Message::binary(vec![byte])).await.unwrap();
    }
    assert_eq!(packets(&mut socket, 6).await[0], 0x90);
    reader.publish("b", 1, false, payload.clone()).await;
    let received = packets(&mut socket, payload.len()).await;
    let received = &received[received.len() - payload.len()..];
    assert_eq!(received, payload);

    socket.close(None).await.unwrap();
    ends(&mut socket).await;
    broker.shutdown().await;
}

#[tokio::test]
async fn websocket_over_tls_is_offered() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("127.0.0.1");
    let any = "127.0.0.1:0".parse().unwrap();
    let tls = TlsSettings::new(certificate, key);
    let builder = Broker::builder().listen_websocket(any, "/mqtt", [], Some(tls));
    let broker = builder.start().await.unwrap();
    let address = broker.websocket_addr(true).unwrap();
    assert_eq!(broker.local_addr(), address);
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = authority.connect(stream).await;
    let mut request = format!("wss://{address}/mqtt")
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    let (mut socket, _) = within(PATIENCE, "handshake", client_async(request, stream))
        .await
        .unwrap();
    socket
        .send(Message::binary(CONNECT.to_vec()))
        .await
        .unwrap();
    let answer = within(PATIENCE, "CONNACK", socket.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.into_data()[0], 0x20);
    broker.shutdown().await;
}

#[tokio::test]
async fn only_mqtt_on_its_path_and_from_its_pages_is_let_in() {
    let any = "127.0.0.1:0".parse().unwrap();
    let builder =
        Broker::builder().listen_websocket(any, "/site", ["https://site.example".to_owned()], None);
    let broker = builder.start().await.unwrap();
    let page = Some("https://site.example");
    let status = |path, protocol, origin| {
        let broker = &broker;
        async move {
            match open(broker, path, protocol, origin).await {
                Err(Error::Http(answer)) => answer.status().as_u16(),
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(status("/mqtt", Some("mqtt"), page).await, 404);
    assert_eq!(status("/site", Some("mqtt"), None).await, 403);
    assert_eq!(
        status("/site", Some("mqtt"), Some("https://other.example")).await,
        403
    );
    assert_eq!(status("/site", None, page).await, 400);
    assert_eq!(status("/site", Some("chat"), page).await, 400);
    open(&broker, "/site", Some("chat, mqtt"), page)
        .await
        .unwrap();
    broker.shutdown().await;
}

#[tokio::test]
async fn frames_that_break_rules_end_the_connection_and_nothing_else() {
    let broker = start().await;
    let mut member = V5::connect(v5("member", broker.local_addr())).await;
    let text = Message::text("MQTT");
    let continued = Message::Frame(Frame::message(
        vec![0xc0, 0],
        OpCode::Data(Data::Continue),
        true,
    ));
    for message in [text, continued] {
        let mut socket = connect(&broker).await;
        socket.send(message).await.unwrap();
        ends(&mut socket).await;
    }
    // Behind the handshake: no mask; a ping of 126 bytes; an extension's bit; a reserved opcode; more
    // in one frame than there is memory, of which nothing comes; garbage.
    let endless = [&[0x82, 0xff, 0x3f][..], &[0xff; 7], &[1, 2, 3, 4]].concat();
    for (frame, at_once) in [
        (&[0x82, 2, 0xc0, 0][..], true),
        (&[0x89, 0xfe, 0, 126, 1, 2, 3, 4], true),
        (&[0xc2, 0x82, 1, 2, 3, 4, 0xc1, 2], true),
        (&[0x83, 0x82, 1, 2, 3, 4, 0xc1, 2], true),
        (&[0x55; 64], true),
        (&endless, false),
    ] {
        let mut socket = connect(&broker).await;
        socket.get_mut().write_all(frame).await.unwrap();
        if at_once {
            let mut rest = Vec::new();
            let read = within(PATIENCE, "the end", socket.get_mut().read_to_end(&mut rest));
            let _reset = read.await;
        } else {
            let mut byte = [0];
            let read =
                tokio::time::timeout(Duration::from_millis(100), socket.get_mut().read(&mut byte));
            assert!(read.await.is_err(), "{frame:02x?}");
        }
    }
    // Half a handshake, and one with headers without an end.
    let address = broker.websocket_addr(false).unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /mqtt HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    let mut endless = TcpStream::connect(address).await.unwrap();
    let flood = async {
        while endless.write_all(&[b'x'; 1024]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within(PATIENCE, "endless headers are refused", flood).await;
    connect(&broker).await;
    member.nothing_before("still served").await;
    broker.shutdown().await;
}
