//! A client that shows each answer's code, in either version of MQTT, over anything.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::all::common::{PATIENCE, within};

pub(crate) struct Raw<S> {
    pub(crate) stream: S,
    version: u8,
}

/// How it connects.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) version: u8,
    pub(crate) id: &'a str,
    pub(crate) user: Option<(&'a str, &'a str)>,
    /// Topic of a retained will.
    pub(crate) will: Option<&'a str>,
}

pub(crate) fn login(version: u8, id: &str) -> Login<'_> {
    Login {
        version,
        id,
        user: None,
        will: None,
    }
}

fn text(packet: &mut Vec<u8>, text: &str) {
    packet.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    packet.extend(text.as_bytes());
}

/// With its fixed header.
pub(crate) fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let more = length >= 0x80;
        packet.push(u8::try_from(length & 0x7f).unwrap() | if more { 0x80 } else { 0 });
        length >>= 7;
        if !more {
            break;
        }
    }
    packet.extend(body);
    packet
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// The code of the CONNACK with it.
    pub(crate) async fn open(stream: S, login: Login<'_>) -> std::io::Result<(Self, u8)> {
        let Login {
            version,
            id,
            user,
            will,
        } = login;
        let mut body = Vec::new();
        text(&mut body, "MQTT");
        let flags =
            2 | if user.is_some() { 0xc0 } else { 0 } | if will.is_some() { 0x24 } else { 0 };
        body.extend([version, flags, 0, 60]);
        let mut raw = Self { stream, version };
        raw.properties(&mut body);
        text(&mut body, id);
        if let Some(topic) = will {
            raw.properties(&mut body);
            text(&mut body, topic);
            text(&mut body, "will");
        }
        if let Some((user, password)) = user {
            text(&mut body, user);
            text(&mut body, password);
        }
        raw.send(&framed(0x10, &body)).await?;
        let (first, body) = raw.packet().await?;
        assert_eq!(first, 0x20);
        Ok((raw, body[1]))
    }

    fn properties(&self, body: &mut Vec<u8>) {
        if self.version == 5 {
            body.push(0);
        }
    }

    pub(crate) async fn send(&mut self, packet: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(packet).await?;
        self.stream.flush().await
    }

    /// First byte and body of the next packet.
    pub(crate) async fn packet(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let read = async {
            let first = self.stream.read_u8().await?;
            let mut length = 0;
            for shift in [0, 7, 14, 21] {
                let byte = self.stream.read_u8().await?;
                length |= usize::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await?;
            Ok((first, body))
        };
        within(PATIENCE, "a packet", read).await
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) -> u8 {
        let mut body = vec![0, 9];
        self.properties(&mut body);
        text(&mut body, filter);
        body.push(1);
        self.send(&framed(0x82, &body)).await.unwrap();
        loop {
            let (first, body) = self.packet().await.unwrap();
            if first == 0x90 {
                return *body.last().unwrap();
            }
        }
    }

    /// The acknowledgement's code.
    pub(crate) async fn publish(&mut self, topic: &str, qos: u8, payload: &[u8]) -> u8 {
        let mut body = Vec::new();
        text(&mut body, topic);
        if qos > 0 {
            body.extend([0, 7]);
        }
        self.properties(&mut body);
        body.extend(payload);
        self.send(&framed(0x30 | qos << 1, &body)).await.unwrap();
        if qos == 0 {
            return 0;
        }
        let (first, body) = self.packet().await.unwrap();
        assert_eq!(first, if qos == 1 { 0x40 } else { 0x50 });
        let code = body.get(2).copied().unwrap_or_default();
        if qos == 2 && code < 0x80 {
            self.send(&[0x62, 2, 0, 7]).await.unwrap();
            assert_eq!(self.packet().await.unwrap().0, 0x70);
        }
        code
    }
}
