//! Each kind of certificate works, or is a sentence that says what to do.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Event, EventLoop};
use rumqttc::{TlsConfiguration, Transport};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::*;
use crate::connection::{Mqtt as _, describe};
use sealmq_rumqttc::v5::V5;

const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];
const V1: [&str; 2] = [include_str!("data/v1.pem"), include_str!("data/v1.key")];
const V1_AUTHORITY: &str = include_str!("data/ca.pem");
const ENCRYPTED: &str = include_str!("data/encrypted.key");

/// PEM of a certificate and of its key.
type Identity = [String; 2];

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issue(
    authority: &CertifiedIssuer<'_, KeyPair>,
    names: &[&str],
    change: impl FnOnce(&mut CertificateParams),
) -> Identity {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    [
        params.signed_by(&key, authority).unwrap().pem(),
        key.serialize_pem(),
    ]
}

fn self_signed(names: &[&str], is_ca: IsCa) -> Identity {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = is_ca;
    let key = KeyPair::generate().unwrap();
    [params.self_signed(&key).unwrap().pem(), key.serialize_pem()]
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

/// What a broker with this certificate answers to a client; `clients`: whose certificates it asks for.
async fn serve([chain, key]: [&str; 2], clients: Option<&str>) -> u16 {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap())
                .unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    // Without the look at the certificate that `with_single_cert` takes.
    let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_cert_resolver(Arc::new(resolver))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _left = stream.read(&mut [0; 512]).await;
                let _left = stream.write_all(&CONNACK).await;
                let _left = stream.read(&mut [0; 512]).await;
            }
        }
    });
    port
}

/// How a client fares with the broker at this port: `Ok`, or what it says.
async fn meets(port: u16, host: &str, config: Option<ClientConfig>) -> Result<(), String> {
    let mut options = V5::plain("id", host, port);
    if let Some(config) = config {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
            Arc::new(config),
        )));
    }
    let mut events = EventLoop::new(options, 1);
    let polled = tokio::time::timeout(Duration::from_secs(20), events.poll());
    match polled.await.unwrap() {
        Ok(Event::Incoming(Packet::ConnAck(_))) => Ok(()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(describe::<V5>(&error, &format!("{host}:{port}"))),
    }
}

#[tokio::test]
async fn certificates_of_brokers() {
    let authority = authority();
    let ca = authority.pem();
    let good = issue(&authority, &["localhost"], |_| {});
    let bare = issue(&authority, &[], |_| {});
    let elsewhere = issue(&authority, &["broker.example"], |_| {});
    let expired = issue(&authority, &["localhost"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let future = issue(&authority, &["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2999, 1, 1);
    });
    let lone = self_signed(&["localhost"], IsCa::NoCa);
    let lone_ca = self_signed(&["localhost"], IsCa::Ca(BasicConstraints::Unconstrained));
    let lone_bare = self_signed(&[], IsCa::Ca(BasicConstraints::Unconstrained));
    let bundle = format!(
        "{}\n-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{ca}",
        lone[0]
    );
    let v1 = V1.map(str::to_owned);
    let cases: [(&str, &Identity, &str, &str, Option<&str>); 15] = [
        ("good", &good, &ca, "localhost", None),
        (
            "IP",
            &good,
            &ca,
            "127.0.0.1",
            Some("subjectAltName=IP:127.0.0.1"),
        ),
        (
            "bare",
            &bare,
            &ca,
            "localhost",
            Some(
                "no subjectAltName, and its common name (CN) does not count: make it again with subjectAltName=DNS:localhost",
            ),
        ),
        (
            "elsewhere",
            &elsewhere,
            &ca,
            "localhost",
            Some("broker.example"),
        ),
        ("expired", &expired, &ca, "localhost", Some("expired")),
        ("future", &future, &ca, "localhost", Some("clock")),
        ("unknown", &good, &lone[0], "localhost", Some("--cafile")),
        ("alone", &lone, &lone[0], "localhost", None),
        ("alone, CA", &lone_ca, &lone_ca[0], "localhost", None),
        (
            "alone, CA, not in the file",
            &lone_ca,
            &ca,
            "localhost",
            Some("--cafile"),
        ),
        (
            "alone, elsewhere",
            &lone_ca,
            &lone_ca[0],
            "127.0.0.1",
            Some("subjectAltName=IP"),
        ),
        (
            "alone, bare",
            &lone_bare,
            &lone_bare[0],
            "localhost",
            Some("subjectAltName=DNS"),
        ),
        ("bundle", &good, &bundle, "localhost", None),
        (
            "version 1",
            &v1,
            V1_AUTHORITY,
            "localhost",
            Some("version 1"),
        ),
        (
            "version 1 in the file",
            &v1,
            &format!("{}{V1_AUTHORITY}", V1[0]),
            "localhost",
            Some("version 1"),
        ),
    ];
    let files = Files::new();
    for (what, [chain, key], trusted, host, expected) in cases {
        let port = serve([chain, key], None).await;
        let file = files.write("ca.pem", trusted);
        let config = config(Trust::File(&file), None).unwrap();
        match (meets(port, host, Some(config)).await, expected) {
            (Ok(()), None) => {}
            (Err(said), Some(expected)) => assert!(said.contains(expected), "{what}: {said}"),
            (other, _) => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn certificates_of_clients() {
    let authority = authority();
    let ca = authority.pem();
    let broker = issue(&authority, &["localhost"], |_| {});
    let client = issue(&authority, &["client"], |_| {});
    let other = self_signed(&["client"], IsCa::NoCa);
    let port = serve([&broker[0], &broker[1]], Some(&ca)).await;
    let files = Files::new();
    let ca = files.write("ca.pem", &ca);
    let with = |[chain, key]: [&str; 2]| {
        let chain = files.write("chain.pem", chain);
        let key = files.write("key.pem", key);
        config(Trust::File(&ca), Some((&chain, &key)))
    };
    let good = with([&client[0], &client[1]]).unwrap();
    assert_eq!(meets(port, "localhost", Some(good)).await, Ok(()));
    for (config, about) in [
        (config(Trust::File(&ca), None), "give --cert and --key"),
        (with([&other[0], &other[1]]), "--cert"),
        // It is shown: brokers that take it exist.
        (with(V1), "--cert"),
    ] {
        let said = meets(port, "localhost", Some(config.unwrap())).await;
        let said = said.unwrap_err();
        assert!(said.contains(about), "{said}");
    }
    for (files, about) in [
        ([&client[0][..], ENCRYPTED], "openssl pkey -in"),
        ([&client[0], &other[1]], "do not work together"),
        ([&client[0], "no PEM"], "BEGIN PRIVATE KEY"),
        (["no PEM", &client[1]], "BEGIN CERTIFICATE"),
    ] {
        let failure = with(files).unwrap_err();
        assert!(failure.message.contains(about), "{}", failure.message);
    }
}

#[tokio::test]
async fn the_wrong_port() {
    let authority = authority();
    let [chain, key] = issue(&authority, &["localhost"], |_| {});
    let tls = serve([&chain, &key], None).await;
    let said = meets(tls, "localhost", None).await.unwrap_err();
    assert!(said.contains("--tls-use-os-certs"), "{said}");

    let files = Files::new();
    let file = files.write("ca.pem", &authority.pem());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _left = stream.read(&mut [0; 512]).await;
            let _left = stream.write_all(&CONNACK).await;
        }
    });
    let config = config(Trust::File(&file), None).unwrap();
    let said = meets(plain, "localhost", Some(config)).await.unwrap_err();
    assert!(said.contains("check -p, or leave --cafile out"), "{said}");
}
