//! A broker that takes publishes as a test wants it, and counts them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, Packet, PingResp, PubAck, PubComp, PubRec, Publish, SubAck,
    SubscribeReasonCode,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::qos;

/// What it does with a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    Take,
    Close,
    /// The first answer carries this reason code.
    Answer(u8),
    /// The last answer of QoS 2 does.
    Complete(u8),
}

#[derive(Default)]
pub struct Count {
    pub connections: usize,
    /// Of the application's, QoS 0 included.
    pub publishes: usize,
    /// How often it took each envelope, and on which topic.
    pub taken: BTreeMap<Vec<u8>, (String, usize)>,
}

pub struct Sink {
    pub address: SocketAddr,
    pub count: Arc<Mutex<Count>>,
}

type Treat = Arc<dyn Fn(&Publish) -> Treatment + Send + Sync>;

impl Sink {
    /// `keeps`: remembers envelopes.
    pub async fn start(
        keeps: bool,
        treat: impl Fn(&Publish) -> Treatment + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(Mutex::new(Count::default()));
        let (counted, treat): (_, Treat) = (Arc::clone(&count), Arc::new(treat));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                counted.lock().unwrap().connections += 1;
                let (count, treat) = (Arc::clone(&counted), Arc::clone(&treat));
                tokio::spawn(serve(stream, count, keeps, treat));
            }
        });
        Self { address, count }
    }

    pub fn connections(&self) -> usize {
        self.count.lock().unwrap().connections
    }

    pub fn publishes(&self) -> usize {
        self.count.lock().unwrap().publishes
    }
}

async fn serve(mut stream: TcpStream, count: Arc<Mutex<Count>>, keeps: bool, treat: Treat) {
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    // Messages whose last answer is not as usual.
    let mut odd = BTreeMap::new();
    loop {
        match stream.read_buf(&mut input).await {
            Ok(read) if read > 0 => {}
            _ => return,
        }
        while let Ok(packet) = Packet::read(&mut input, None) {
            let Packet::Publish(publish) = packet else {
                answer(packet, &mut odd, &mut output);
                continue;
            };
            let own = publish.topic.starts_with(b"_sealmq/");
            let treatment = if own {
                Treatment::Take
            } else {
                treat(&publish)
            };
            if treatment == Treatment::Close {
                let _gone = stream.write_all(&output).await;
                return;
            }
            if !own {
                let mut count = count.lock().unwrap();
                count.publishes += 1;
                if keeps && treatment == Treatment::Take {
                    let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                    let taken = count.taken.entry(publish.payload.to_vec());
                    taken.or_insert((topic, 0)).1 += 1;
                }
            }
            acknowledge(&publish, treatment, &mut odd, &mut output);
        }
        if stream.write_all(&output).await.is_err() {
            return;
        }
        output.clear();
    }
}

fn acknowledge(
    publish: &Publish,
    treatment: Treatment,
    odd: &mut BTreeMap<u16, u8>,
    output: &mut BytesMut,
) {
    let (level, pkid) = (publish.qos as u8, publish.pkid);
    match treatment {
        _ if level == 0 => {}
        Treatment::Answer(code) => raw(if level == 1 { 0x40 } else { 0x50 }, pkid, code, output),
        _ if level == 1 => {
            PubAck::new(pkid, None).write(output).unwrap();
        }
        _ => {
            if let Treatment::Complete(code) = treatment {
                odd.insert(pkid, code);
            }
            PubRec::new(pkid, None).write(output).unwrap();
        }
    }
}

fn raw(header: u8, pkid: u16, code: u8, output: &mut BytesMut) {
    let [high, low] = pkid.to_be_bytes();
    output.extend_from_slice(&[header, 3, high, low, code]);
}

fn answer(packet: Packet, odd: &mut BTreeMap<u16, u8>, output: &mut BytesMut) {
    let answer = match packet {
        Packet::Connect(..) => Packet::ConnAck(ConnAck {
            session_present: false,
            code: ConnectReturnCode::Success,
            properties: None,
        }),
        Packet::Subscribe(subscribe) => Packet::SubAck(SubAck {
            pkid: subscribe.pkid,
            return_codes: vec![SubscribeReasonCode::Success(qos(1)); subscribe.filters.len()],
            properties: None,
        }),
        Packet::PubRel(release) => match odd.remove(&release.pkid) {
            Some(code) => return raw(0x70, release.pkid, code, output),
            None => Packet::PubComp(PubComp::new(release.pkid, None)),
        },
        Packet::PingReq(_) => Packet::PingResp(PingResp),
        _ => return,
    };
    answer.write(output, None).unwrap();
}
