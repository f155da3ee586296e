//! rumqttc builds its TLS configuration with rustls' default provider of cryptography. When the
//! program links two of them, there is no default, and rustls panics: rumqttc with its default
//! features beside this crate is enough. So the configuration is built here, with its provider named.

use std::sync::Arc;

use rumqttc::{TlsConfiguration, Transport};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Certificate chain and private key, as PEM.
type ClientAuth = (Vec<u8>, Vec<u8>);

/// The transport with its provider named; a configuration that was made outside has it already.
pub(crate) fn name_provider(transport: Transport) -> Result<Option<Transport>, String> {
    let (configuration, over): (_, fn(TlsConfiguration) -> Transport) = match transport {
        Transport::Tls(configuration) => (configuration, Transport::Tls),
        #[cfg(feature = "websocket")]
        Transport::Wss(configuration) => (configuration, Transport::Wss),
        _ => return Ok(None),
    };
    let TlsConfiguration::Simple {
        ca,
        alpn,
        client_auth,
    } = configuration
    else {
        return Ok(None);
    };
    let mut config = config(&ca, client_auth.as_ref())?;
    config.alpn_protocols = alpn.unwrap_or_default();
    Ok(Some(over(TlsConfiguration::Rustls(Arc::new(config)))))
}

fn config(ca: &[u8], client_auth: Option<&ClientAuth>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    // Like rumqttc: certificates of a kind that rustls does not read are passed over.
    roots.add_parsable_certificates(certificates(ca)?);
    if roots.is_empty() {
        return Err("no certificate of an authority that could be used".to_owned());
    }
    let said = |error: tokio_rustls::rustls::Error| error.to_string();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(said)?
        .with_root_certificates(roots);
    let Some((chain, key)) = client_auth else {
        return Ok(builder.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| format!("no private key that could be used: {error}"))?;
    let chain = certificates(chain)?;
    builder.with_client_auth_cert(chain, key).map_err(said)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("not valid PEM: {error}"))
}
