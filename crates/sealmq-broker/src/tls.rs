use core::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use crate::error::BrokerError;

/// The broker's certificate and key, and whose client certificates it demands.
#[derive(Clone)]
pub struct TlsSettings {
    certificates: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_authority: Option<Vec<u8>>,
    optional: bool,
    pub(crate) names: bool,
}

impl TlsSettings {
    /// From PEM texts: the certificate chain (the broker's own first) and its private key
    /// (PKCS #8, PKCS #1 or SEC 1). They are checked when the broker starts.
    #[must_use]
    pub fn new(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            certificates: certificates.into(),
            key: Zeroizing::new(key.into()),
            client_authority: None,
            optional: false,
            names: false,
        }
    }

    /// As [`TlsSettings::new`], from files.
    ///
    /// # Errors
    /// [`BrokerError::Tls`] when a file cannot be read.
    pub fn from_files(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, BrokerError> {
        Ok(Self::new(read(certificates.as_ref())?, read(key.as_ref())?))
    }

    /// Demands a certificate of every client, issued by one of these authorities (PEM).
    #[must_use]
    pub fn client_authority(mut self, certificates: impl Into<Vec<u8>>) -> Self {
        self.client_authority = Some(certificates.into());
        self
    }

    /// As [`TlsSettings::client_authority`], from a file.
    ///
    /// # Errors
    /// [`BrokerError::Tls`] when the file cannot be read.
    pub fn client_authority_file(self, path: impl AsRef<Path>) -> Result<Self, BrokerError> {
        let certificates = read(path.as_ref())?;
        Ok(self.client_authority(certificates))
    }

    /// Clients may also come without a certificate, to log in with a password. One that they show
    /// must be of the [client authority](Self::client_authority).
    #[must_use]
    pub fn client_certificate_optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The common name in a client's certificate is its user name: for the access list, and in the
    /// place of a password. A client that names another user is refused.
    #[must_use]
    pub fn certificate_is_user(mut self) -> Self {
        self.names = true;
        self
    }

    /// `protocol`: for ALPN, for clients that ask.
    pub(crate) fn acceptor(&self, protocol: &[u8]) -> Result<TlsAcceptor, BrokerError> {
        if self.client_authority.is_none() && (self.optional || self.names) {
            return Err(tls(
                "certificates of clients need a client authority to check them".to_owned(),
            ));
        }
        let chain = certificates(&self.certificates, "certificate chain")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| {
            if String::from_utf8_lossy(&self.key).contains("ENCRYPTED") {
                return tls("the private key is encrypted: take the passphrase off with `openssl pkey -in FILE -out plain.key`, and keep that file to the broker (chmod 600)".to_owned());
            }
            tls(format!("the private key is not usable PEM ({error}): give the key that belongs to the certificate"))
        })?;
        // The provider is named, because two linked ones would make rustls panic on its default.
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| tls(error.to_string()))?;
        let builder = match &self.client_authority {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                // One of them that is not understood does not spoil the others.
                let (good, bad) =
                    roots.add_parsable_certificates(certificates(authority, "client authority")?);
                if good == 0 {
                    return Err(tls(
                        "no certificate of the client authority can be used: X.509 version 3 is needed"
                            .to_owned(),
                    ));
                }
                if bad > 0 {
                    tracing::warn!(bad, "certificates of the client authority are left out");
                }
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                if self.optional {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier
                    .build()
                    .map_err(|error| tls(format!("the client authority is refused: {error}")))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                Error::InvalidCertificate(_) => tls(
                    "the certificate cannot be used: it is damaged, or not of X.509 version 3 with subjectAltName, which is needed (`openssl x509 -req` makes version 1 unless it gets -extfile)"
                        .to_owned(),
                ),
                Error::InconsistentKeys(_) => tls(
                    "certificate and private key do not work together: the key has to be that of the first certificate"
                        .to_owned(),
                ),
                error => tls(format!(
                    "the private key cannot be used ({error}): keys are RSA from 2048 bits on, ECDSA on P-256 or P-384, or Ed25519"
                )),
            })?;
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("client_certificates", &self.client_authority.is_some())
            .finish_non_exhaustive()
    }
}

/// The only common name of a certificate that was verified.
pub(crate) fn common_name(certificate: &CertificateDer<'_>) -> io::Result<String> {
    let refused = |reason| io::Error::new(io::ErrorKind::InvalidData, reason);
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|_| refused("the client's certificate cannot be read"))?;
    let mut names = parsed.subject().iter_common_name();
    let name = names.next().and_then(|name| name.as_str().ok());
    match (name, names.next()) {
        // As for the access list's patterns: a part of one level.
        (Some(name), None) if !name.is_empty() && !name.contains(['+', '#', '/', '\0']) => {
            Ok(name.to_owned())
        }
        _ => Err(refused(
            "the client's certificate needs one common name, without +, # and /",
        )),
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, BrokerError> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| tls(format!("the {what} is not valid PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(tls(format!(
            "the {what} holds no certificate: give PEM text that contains BEGIN CERTIFICATE"
        )));
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, BrokerError> {
    fs::read(path).map_err(|error| {
        tls(format!(
            "cannot read {}: {error}; check the path and the file's permissions",
            path.display()
        ))
    })
}

fn tls(reason: String) -> BrokerError {
    BrokerError::Tls { reason }
}
