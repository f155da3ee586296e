//! A broker played by the test, packet by packet.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnAckProperties, Connect, ConnectReturnCode, Packet, PingResp, PubAck, PubComp,
    PubRec, PubRel, Publish, SubAck, SubscribeReasonCode, UnsubAck, UnsubAckReason,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{qos, within};

pub struct Script {
    listener: TcpListener,
    pub address: SocketAddr,
}

/// What the broker allows; `None` is not said.
#[derive(Default, Clone, Copy)]
pub struct Limits {
    pub receive_max: Option<u16>,
    pub max_qos: Option<u8>,
    pub topic_alias_max: Option<u16>,
    pub server_keep_alive: Option<u16>,
}

impl Script {
    pub async fn listen() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// The next client, accepted.
    pub async fn accept(&self, session_present: bool, limits: Limits) -> Connection {
        let (stream, _) = within("a client", self.listener.accept()).await.unwrap();
        let mut connection = Connection {
            stream,
            buffer: BytesMut::new(),
            connect: None,
        };
        let Packet::Connect(connect, ..) = connection.any().await else {
            panic!("CONNECT comes first");
        };
        connection.connect = Some(connect);
        let properties = ConnAckProperties {
            session_expiry_interval: None,
            receive_max: limits.receive_max,
            max_qos: limits.max_qos,
            retain_available: None,
            max_packet_size: None,
            assigned_client_identifier: None,
            topic_alias_max: limits.topic_alias_max,
            reason_string: None,
            user_properties: Vec::new(),
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive: limits.server_keep_alive,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        };
        connection
            .send(Packet::ConnAck(ConnAck {
                session_present,
                code: ConnectReturnCode::Success,
                properties: Some(properties),
            }))
            .await;
        connection
    }
}

pub struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    pub connect: Option<Connect>,
}

impl Connection {
    /// The next packet.
    pub async fn any(&mut self) -> Packet {
        loop {
            if let Ok(packet) = Packet::read(&mut self.buffer, None) {
                return packet;
            }
            let read = within("a packet", self.stream.read_buf(&mut self.buffer))
                .await
                .unwrap();
            assert!(read > 0, "the client closed the connection");
        }
    }

    /// The next packet; subscriptions, pings, and what the member publishes for the authority, are
    /// answered on the way.
    pub async fn next(&mut self) -> Packet {
        loop {
            match self.any().await {
                Packet::Subscribe(subscribe) => {
                    let code = SubscribeReasonCode::Success(qos(1));
                    let return_codes = vec![code; subscribe.filters.len()];
                    let pkid = subscribe.pkid;
                    self.send(Packet::SubAck(SubAck {
                        pkid,
                        return_codes,
                        properties: None,
                    }))
                    .await;
                }
                Packet::Unsubscribe(unsubscribe) => {
                    self.send(Packet::UnsubAck(UnsubAck {
                        pkid: unsubscribe.pkid,
                        reasons: vec![UnsubAckReason::Success; unsubscribe.filters.len()],
                        properties: None,
                    }))
                    .await;
                }
                Packet::PingReq(_) => self.send(Packet::PingResp(PingResp)).await,
                Packet::Publish(publish) if publish.topic.starts_with(b"_sealmq/") => {
                    self.puback(publish.pkid).await;
                }
                packet => return packet,
            }
        }
    }

    pub async fn publish(&mut self) -> Publish {
        match self.next().await {
            Packet::Publish(publish) => publish,
            other => panic!("{other:?} instead of PUBLISH"),
        }
    }

    pub async fn release(&mut self) -> u16 {
        match self.next().await {
            Packet::PubRel(release) => release.pkid,
            other => panic!("{other:?} instead of PUBREL"),
        }
    }

    pub async fn acknowledgement(&mut self) -> u16 {
        match self.next().await {
            Packet::PubAck(ack) => ack.pkid,
            other => panic!("{other:?} instead of PUBACK"),
        }
    }

    pub async fn send(&mut self, packet: Packet) {
        let mut buffer = BytesMut::new();
        packet.write(&mut buffer, None).unwrap();
        self.stream.write_all(&buffer).await.unwrap();
    }

    pub async fn puback(&mut self, pkid: u16) {
        self.send(Packet::PubAck(PubAck::new(pkid, None))).await;
    }

    pub async fn pubrec(&mut self, pkid: u16) {
        self.send(Packet::PubRec(PubRec::new(pkid, None))).await;
    }

    pub async fn pubrel(&mut self, pkid: u16) {
        self.send(Packet::PubRel(PubRel::new(pkid, None))).await;
    }

    pub async fn pubcomp(&mut self, pkid: u16) {
        self.send(Packet::PubComp(PubComp::new(pkid, None))).await;
    }

    /// Delivers a message at QoS 1.
    pub async fn deliver(&mut self, pkid: u16, topic: &str, payload: &[u8]) {
        let publish = Publish::new(topic, qos(1), payload.to_vec(), None);
        self.send(Packet::Publish(Publish { pkid, ..publish }))
            .await;
    }
}
