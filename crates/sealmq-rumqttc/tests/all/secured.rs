//! TLS, client certificates, logins: rumqttc's options, passed through.

use std::net::{Ipv4Addr, SocketAddr};

use crate::common::{Domain, Node, PUBLISH, options, text};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rumqttc::v5::ConnectionError;
use rumqttc::{TlsConfiguration, Transport};
use sealmq_broker::{Broker, TlsSettings};
use sealmq_rumqttc::{AsyncClient, Event, PollError};

#[tokio::test]
async fn mutual_tls_and_a_login() {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (
            params.signed_by(&key, &authority).unwrap().pem(),
            key.serialize_pem(),
        )
    };
    let (certificate, key) = issue("127.0.0.1");
    let tls = TlsSettings::new(certificate, key).client_authority(authority.pem());
    let broker = Broker::builder()
        .listen(any)
        .listen_tls(any, tls)
        .user("device", "correct horse")
        .allow_anonymous(true)
        .start()
        .await
        .unwrap();
    let mut domain = Domain::new(broker.local_addr()).await;
    let store = domain.enrol("both", crate::common::BOTH).await;

    let at = broker.tls_addr().unwrap();
    let identity = issue("device");
    let secured = |password: &str, identity: Option<&(String, String)>| {
        let mut secured = options("device", at);
        secured.set_credentials("device", password);
        secured.set_transport(Transport::Tls(TlsConfiguration::Simple {
            ca: authority.pem().into_bytes(),
            alpn: None,
            client_auth: identity.map(|(c, k)| (c.clone().into_bytes(), k.clone().into_bytes())),
        }));
        secured
    };
    for (password, identity) in [("wrong", Some(&identity)), ("correct horse", None)] {
        let (_client, mut eventloop) =
            AsyncClient::new(secured(password, identity), store.clone(), 10).unwrap();
        match crate::common::within("the refusal", eventloop.poll()).await {
            Err(PollError::Connection(ConnectionError::ConnectionRefused(_))) => {
                assert_eq!(password, "wrong");
            }
            Err(PollError::Connection(_)) => assert!(identity.is_none()),
            other => panic!("{other:?}"),
        }
    }

    let other = domain.enrol("other", PUBLISH).await;
    let mut device = Node::start(secured("correct horse", Some(&identity)), store);
    device.subscribe("plant/#").await;
    let sender = Node::start(options("sender", broker.local_addr()), other);
    sender.publish("plant/x", "through TLS").await;
    assert_eq!(text(&device.message().await), "through TLS");
    assert!(
        device
            .seen
            .iter()
            .any(|event| matches!(event, Event::Connected { .. }))
    );
    broker.shutdown().await;
}
