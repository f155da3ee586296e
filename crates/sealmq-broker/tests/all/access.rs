//! Who may connect: ports, TLS, client certificates, passwords.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::all::common::{V4, V5, v4, v5};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rumqttc::tokio_rustls::rustls::ClientConfig;
use rumqttc::{TlsConfiguration, Transport};
use sealmq_broker::{Broker, BrokerError, TlsSettings, hash_password};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// PEM texts: certificate and private key.
pub(crate) type Identity = (String, String);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each has its own name, or clients could not tell which one is missing.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn issue(&self, name: &str) -> Identity {
        self.issue_until(name, 4000)
    }

    /// Valid until the end of this year. The common name is the name, too.
    pub(crate) fn issue_until(&self, name: &str, year: i32) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 12, 31);
        params.distinguished_name.push(DnType::CommonName, name);
        (
            params.signed_by(&key, &self.0).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    /// A client that trusts this authority and perhaps shows a certificate.
    pub(crate) fn client(&self, identity: Option<&Identity>) -> Transport {
        Transport::Tls(TlsConfiguration::Rustls(Arc::new(self.config(identity))))
    }

    /// TLS over this connection to 127.0.0.1.
    pub(crate) async fn connect(&self, stream: TcpStream) -> TlsStream<TcpStream> {
        self.try_connect(stream, None).await.unwrap()
    }

    pub(crate) async fn try_connect(
        &self,
        stream: TcpStream,
        identity: Option<&Identity>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::new(self.config(identity)));
        let name = "127.0.0.1".try_into().unwrap();
        connector.connect(name, stream).await
    }

    fn config(&self, identity: Option<&Identity>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem().as_bytes()).unwrap())
            .unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        }
    }
}

fn v5_tls(id: &str, broker: &Broker, transport: Transport) -> rumqttc::v5::MqttOptions {
    let mut options = v5(id, broker.tls_addr().unwrap());
    options.set_transport(transport);
    options
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = Broker::builder().start().await.unwrap();
    let error = Broker::builder()
        .listen(first.local_addr())
        .start()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, BrokerError::Listen { address, source }
            if *address == first.local_addr() && source.kind() == std::io::ErrorKind::AddrInUse),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains(&first.local_addr().to_string()) && text.contains("choose another port"),
        "{text}"
    );
    first.shutdown().await;
}

#[tokio::test]
async fn tls_and_plain_clients_meet() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("127.0.0.1");
    let broker = Broker::builder()
        .listen(ANY_PORT)
        .listen_tls(ANY_PORT, TlsSettings::new(certificate, key))
        .start()
        .await
        .unwrap();
    assert_ne!(Some(broker.local_addr()), broker.tls_addr());

    let mut plain = V5::connect(v5("plain", broker.local_addr())).await;
    plain.subscribe("a", 1).await;
    let mut sealed = V5::connect(v5_tls("sealed", &broker, authority.client(None))).await;
    sealed.publish("a", 1, false, "over TLS").await;
    assert_eq!(plain.next().await.payload, b"over TLS");

    // An authority that the client does not trust.
    let stranger = Authority::new().client(None);
    assert!(
        V5::try_connect(v5_tls("distrusting", &broker, stranger))
            .await
            .is_err()
    );
    // TLS spoken to the plain port, plain MQTT to the TLS port.
    let mut wrong = v5("wrong", broker.local_addr());
    wrong.set_transport(authority.client(None));
    assert!(V5::try_connect(wrong).await.is_err());
    assert!(
        V5::try_connect(v5("wrong", broker.tls_addr().unwrap()))
            .await
            .is_err()
    );
    broker.shutdown().await;
}

#[tokio::test]
async fn a_client_that_never_finishes_its_handshake_stops_nobody() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("127.0.0.1");
    let broker = Broker::builder()
        .listen_tls(ANY_PORT, TlsSettings::new(certificate, key))
        .start()
        .await
        .unwrap();
    assert_eq!(Some(broker.local_addr()), broker.tls_addr());
    let silent = std::net::TcpStream::connect(broker.local_addr()).unwrap();
    let client = crate::all::common::within(
        std::time::Duration::from_secs(5),
        "a second TLS client",
        V5::connect(v5_tls("second", &broker, authority.client(None))),
    );
    drop(client.await);
    broker.shutdown().await;
    drop(silent);
}

#[tokio::test]
async fn mutual_tls_refuses_clients_without_a_certificate_of_the_authority() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("127.0.0.1");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let settings =
        TlsSettings::from_files(file("certificate.pem", &certificate), file("key.pem", &key))
            .unwrap()
            .client_authority_file(file("authority.pem", &authority.pem()))
            .unwrap();
    let broker = Broker::builder()
        .listen_tls(ANY_PORT, settings)
        .start()
        .await
        .unwrap();

    let device = authority.issue("device");
    let mut client = V5::connect(v5_tls("device", &broker, authority.client(Some(&device)))).await;
    client.subscribe("a", 1).await;
    client.publish("a", 1, false, "admitted").await;
    assert_eq!(client.next().await.payload, b"admitted");

    assert!(
        V5::try_connect(v5_tls("bare", &broker, authority.client(None)))
            .await
            .is_err()
    );
    let forged = Authority::new().issue("device");
    assert!(
        V5::try_connect(v5_tls("forged", &broker, authority.client(Some(&forged))))
            .await
            .is_err()
    );
    broker.shutdown().await;
}

#[tokio::test]
async fn bad_tls_material_is_explained() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("127.0.0.1");
    let (_, other_key) = authority.issue("127.0.0.1");
    let refused = |settings: TlsSettings| async move {
        let error = Broker::builder()
            .listen_tls(ANY_PORT, settings)
            .start()
            .await
            .unwrap_err();
        assert!(matches!(error, BrokerError::Tls { .. }), "{error}");
        error.to_string()
    };
    let good = || TlsSettings::new(certificate.clone(), key.clone());
    for (settings, reason) in [
        (
            TlsSettings::new("no PEM", key.clone()),
            "certificate chain holds no certificate",
        ),
        (
            TlsSettings::new(certificate.clone(), "no PEM"),
            "private key is not usable",
        ),
        (
            TlsSettings::new(certificate.clone(), other_key),
            "do not work together",
        ),
        (
            good().client_authority(""),
            "client authority holds no certificate",
        ),
    ] {
        let text = refused(settings).await;
        assert!(text.contains(reason), "{text}");
    }
    let text = TlsSettings::from_files("nowhere/certificate.pem", "nowhere/key.pem")
        .unwrap_err()
        .to_string();
    assert!(text.contains("nowhere/certificate.pem"), "{text}");
    assert!(!format!("{:?}", good()).contains("PRIVATE"));
}

#[tokio::test]
async fn users_need_their_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passwords");
    std::fs::write(
        &path,
        format!("bob:{}\n", hash_password("bob's: own").unwrap()),
    )
    .unwrap();
    let broker = Broker::builder()
        .user("ann", "secret")
        .password_file(&path)
        .start()
        .await
        .unwrap();
    let address = broker.local_addr();

    for (name, password, accepted) in [
        ("ann", "secret", true),
        ("bob", "bob's: own", true),
        ("ann", "wrong", false),
        ("ann", "bob's: own", false),
        ("eve", "secret", false),
        ("ann", "", false),
    ] {
        let mut new = v5("new", address);
        new.set_credentials(name, password);
        assert_eq!(
            V5::try_connect(new).await.is_ok(),
            accepted,
            "{name}: {password}"
        );
        let mut old = v4("old", address);
        old.set_credentials(name, password);
        assert_eq!(
            V4::try_connect(old).await.is_ok(),
            accepted,
            "{name}: {password}"
        );
    }
    assert!(V5::try_connect(v5("anonymous", address)).await.is_err());
    assert!(V4::try_connect(v4("anonymous", address)).await.is_err());
    broker.shutdown().await;
}

#[tokio::test]
async fn anonymous_clients_beside_users_do_not_open_the_users_names() {
    let broker = Broker::builder()
        .user("ann", "secret")
        .allow_anonymous(true)
        .start()
        .await
        .unwrap();
    let address = broker.local_addr();
    drop(V5::connect(v5("anonymous", address)).await);
    let mut impostor = v5("impostor", address);
    impostor.set_credentials("ann", "");
    assert!(V5::try_connect(impostor).await.is_err());
    broker.shutdown().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_per_address() {
    let broker = Broker::builder()
        .user("ann", "secret")
        .start()
        .await
        .unwrap();
    let login = |password: &str| {
        let mut options = v5("ann", broker.local_addr());
        options.set_credentials("ann", password);
        V5::try_connect(options)
    };
    for guess in 0..20 {
        assert!(login(&guess.to_string()).await.is_err());
    }
    let Err(error) = login("secret").await else {
        panic!("the address is still welcome")
    };
    assert!(
        error.to_string().contains("ConnectionRateExceeded"),
        "{error}"
    );
    broker.shutdown().await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    for builder in [
        Broker::builder().allow_anonymous(false),
        Broker::builder().max_packet_size(10),
        Broker::builder().max_connections(0),
        Broker::builder().max_queued_messages(0),
    ] {
        let error = builder.start().await.unwrap_err();
        assert!(matches!(error, BrokerError::Settings { .. }), "{error}");
    }
    for builder in [
        Broker::builder().user("", "x"),
        Broker::builder().password_file("nowhere/passwords"),
    ] {
        let error = builder.start().await.unwrap_err();
        assert!(matches!(error, BrokerError::Users { .. }), "{error}");
    }
}
