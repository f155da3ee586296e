//! Example of how to configure rumqttc to connect to a server using TLS and authentication.
use std::error::Error;

use rumqttc::{MqttOptions, Transport};
use sealmq_rumqttc::v4::{AsyncClient, Event};
use tokio_rustls::rustls::ClientConfig;

use super::device;

#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let mut mqttoptions = MqttOptions::new("test-1", device::host(), device::port());
    mqttoptions.set_keep_alive(std::time::Duration::from_secs(5));
    mqttoptions.set_credentials("username", "password");

    // Use rustls-native-certs to load root certificates from the operating system.
    let mut root_cert_store = tokio_rustls::rustls::RootCertStore::empty();
    root_cert_store.add_parsable_certificates(
        rustls_native_certs::load_native_certs().expect("could not load platform certs"),
    );

    let client_config = ClientConfig::builder()
        .with_root_certificates(root_cert_store)
        .with_no_client_auth();

    mqttoptions.set_transport(Transport::tls_with_config(client_config.into()));

    let (_client, mut eventloop) = AsyncClient::new(mqttoptions, device::store()?, 10)?;

    loop {
        match eventloop.poll().await {
            Ok(Event::Message(p)) => {
                println!("Topic: {}, Payload: {:?}", p.topic, p.payload);
            }
            Ok(i) => {
                println!("Incoming = {i:?}");
            }
            Err(e) => {
                println!("Error = {e:?}");
                return Ok(());
            }
        }
    }
}
