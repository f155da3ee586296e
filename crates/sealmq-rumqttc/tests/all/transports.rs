//! rumqttc's transports beside TCP and TLS: WebSocket, WebSocket over TLS, Unix sockets, and TLS
//! with a protocol that is named in the handshake.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rumqttc::{TlsConfiguration, Transport};
use sealmq_broker::{Broker, TlsSettings};
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::common::{Domain, PUBLISH, SUBSCRIBE, Sealed, Setup, both, text, within};

both!(a_unix_socket, tls_that_names_the_protocol);

/// The program turns the feature on, so it is there when the whole workspace is tested.
#[cfg(feature = "websocket")]
mod websocket {
    use super::{both, websockets_with_and_without_tls};

    both!(websockets_with_and_without_tls);
}

/// As an application makes them.
trait Reach: Setup {
    fn reach(id: &str, host: &str, port: u16, transport: Transport) -> Self::Options;
}

impl Reach for V4 {
    fn reach(id: &str, host: &str, port: u16, transport: Transport) -> Self::Options {
        let mut options = Self::Options::new(id, host, port);
        options.set_transport(transport);
        options
    }
}

impl Reach for V5 {
    fn reach(id: &str, host: &str, port: u16, transport: Transport) -> Self::Options {
        let mut options = Self::Options::new(id, host, port);
        options.set_transport(transport);
        options
    }
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Certificates {
    authority: String,
    certificate: String,
    key: String,
}

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        Self {
            certificate: params.signed_by(&key, &authority).unwrap().pem(),
            authority: authority.pem(),
            key: key.serialize_pem(),
        }
    }

    /// As applications write it: without a provider of cryptography.
    fn simple(&self, alpn: &[&str]) -> TlsConfiguration {
        TlsConfiguration::Simple {
            ca: self.authority.clone().into_bytes(),
            alpn: (!alpn.is_empty())
                .then(|| alpn.iter().map(|name| name.as_bytes().to_vec()).collect()),
            client_auth: None,
        }
    }
}

/// A sender and a reader whose connections are of this kind.
async fn carries<V: Setup>(domain: &mut Domain, options: impl Fn(&str) -> V::Options) {
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let sender = domain.enrol("sender", PUBLISH).await;
    let mut reader = Sealed::<V>::start(options("reader"), reader);
    reader.subscribe("plant/#").await;
    let sender = Sealed::<V>::start(options("sender"), sender);
    let large = "x".repeat(100_000);
    for payload in ["small", &large] {
        let publishing = sender
            .client
            .publish("plant/x", V::qos(1), false, payload.to_owned());
        within("publish", publishing).await.unwrap();
        assert!(text(&reader.message().await) == payload);
    }
}

#[cfg(feature = "websocket")]
async fn websockets_with_and_without_tls<V: Setup + Reach>() {
    let certificates = Certificates::new();
    let tls = TlsSettings::new(certificates.certificate.clone(), certificates.key.clone());
    let broker = Broker::builder()
        .listen(ANY)
        .listen_websocket(ANY, "/mqtt", [], None)
        .listen_websocket(ANY, "/mqtt", [], Some(tls))
        .allow_anonymous(true)
        .start()
        .await
        .unwrap();
    let mut domain = Domain::new(broker.local_addr()).await;
    let plain = broker.websocket_addr(false).unwrap().port();
    let url = format!("ws://127.0.0.1:{plain}/mqtt");
    carries::<V>(&mut domain, |id| V::reach(id, &url, plain, Transport::Ws)).await;
    let secured = broker.websocket_addr(true).unwrap().port();
    let url = format!("wss://localhost:{secured}/mqtt");
    // Beside the others, which are still connected.
    let mut domain = Domain::new(broker.local_addr()).await;
    carries::<V>(&mut domain, |id| {
        let transport = Transport::Wss(certificates.simple(&[]));
        V::reach(&format!("secured {id}"), &url, secured, transport)
    })
    .await;
    broker.shutdown().await;
}

async fn a_unix_socket<V: Setup + Reach>() {
    let broker = Broker::builder()
        .listen(ANY)
        .allow_anonymous(true)
        .start()
        .await
        .unwrap();
    let at = broker.local_addr();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("mqtt.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(at).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let mut domain = Domain::new(at).await;
    let socket = socket.to_str().unwrap();
    carries::<V>(&mut domain, |id| V::reach(id, socket, 1, Transport::unix())).await;
    broker.shutdown().await;
}

async fn tls_that_names_the_protocol<V: Setup + Reach>() {
    let broker = Broker::builder()
        .listen(ANY)
        .allow_anonymous(true)
        .start()
        .await
        .unwrap();
    let at = broker.local_addr();
    let certificates = Certificates::new();
    let chain = CertificateDer::pem_slice_iter(certificates.certificate.as_bytes());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            chain.collect::<Result<_, _>>().unwrap(),
            PrivateKeyDer::from_pem_slice(certificates.key.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"mqtt".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(ANY).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(mut near) = acceptor.accept(near).await else {
                continue;
            };
            // As a cloud that serves MQTT and HTTP on port 443 tells them apart.
            if near.get_ref().1.alpn_protocol() == Some(b"mqtt") {
                let mut far = TcpStream::connect(at).await.unwrap();
                tokio::spawn(
                    async move { tokio::io::copy_bidirectional(&mut near, &mut far).await },
                );
            }
        }
    });
    let mut domain = Domain::new(at).await;
    carries::<V>(&mut domain, |id| {
        V::reach(
            id,
            "localhost",
            port,
            Transport::Tls(certificates.simple(&["mqtt"])),
        )
    })
    .await;
    broker.shutdown().await;
}
