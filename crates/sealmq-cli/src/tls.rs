//! TLS to the broker, with certificates as people make them.

mod explain;
mod pinned;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::output::note;
pub(crate) use explain::explain;
use pinned::Pinned;

/// Whom this client trusts to vouch for the broker.
pub(crate) enum Trust<'a> {
    /// The certificates in a file.
    File(&'a Path),
    /// Those of the operating system.
    System,
}

/// A configuration; `client` has the files of this client's certificate and key.
pub(crate) fn config(
    trust: Trust<'_>,
    client: Option<(&Path, &Path)>,
) -> Result<ClientConfig, Failure> {
    let failed = |error: Error| Failure::usage(format_args!("cannot set up TLS: {error}"));
    let (roots, pinned) = trusted(trust)?;
    // The provider is named, because two linked ones would make rustls panic on its default.
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| Failure::usage(format_args!("cannot set up TLS: {error}")))?;
    let verifier = Arc::new(Pinned::new(verifier, pinned));
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some((chain, key)) = client else {
        return Ok(builder.with_no_client_auth());
    };
    let (chain_der, key_der) = (certificates(chain)?, private_key(key)?);
    let own = match CertifiedKey::from_der(chain_der.clone(), key_der.clone_key(), &provider) {
        // Of version 1, say. It is for the broker to judge.
        Err(Error::InvalidCertificate(_)) => {
            let key = provider.key_provider.load_private_key(key_der);
            key.map(|key| CertifiedKey::new(chain_der, key))
        }
        other => other,
    };
    let own = own.map_err(|error| {
        let (chain, key) = (chain.display(), key.display());
        match error {
            Error::InconsistentKeys(_) => Failure::usage(format_args!(
                "{chain} and {key} do not work together: --key has to be the key of the first certificate of --cert"
            )),
            error => Failure::usage(format_args!(
                "{key} cannot be used ({error}): keys are RSA from 2048 bits on, ECDSA on P-256 or P-384, or Ed25519"
            )),
        }
    })?;
    Ok(builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))))
}

type Certificates = Vec<CertificateDer<'static>>;

/// Authorities, and certificates that are trusted as they are.
fn trusted(trust: Trust<'_>) -> Result<(RootCertStore, Certificates), Failure> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::File(path) => {
            let certificates = certificates(path)?;
            // One that is damaged, or of a kind that is not understood, does not spoil the others.
            let (good, bad) = roots.add_parsable_certificates(certificates.iter().cloned());
            if good == 0 {
                return Err(Failure::usage(format_args!(
                    "{}: none of its certificates can be used (X.509 version 3 is needed; `openssl x509 -req` makes version 1 unless it gets -extfile)",
                    path.display()
                )));
            }
            if bad > 0 {
                note(format_args!(
                    "sealmq: {}: {bad} of its certificates cannot be used and are left out",
                    path.display()
                ));
            }
            Ok((roots, certificates))
        }
        Trust::System => {
            let found = rustls_native_certs::load_native_certs();
            let (good, _) = roots.add_parsable_certificates(found.certs);
            if good == 0 {
                return Err(Failure::usage(
                    "this system has no certificates of authorities (on Debian: apt-get install ca-certificates): give --cafile",
                ));
            }
            Ok((roots, Vec::new()))
        }
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    let pem = Zeroizing::new(read(path)?);
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        let text = String::from_utf8_lossy(&pem);
        if text.contains("ENCRYPTED") {
            return Failure::usage(format_args!(
                "{0}: the private key is encrypted, and nobody could be asked for its passphrase when this program connects again: take it off with `openssl pkey -in {0} -out plain.key`, and keep that file to yourself (chmod 600)",
                path.display()
            ));
        }
        Failure::usage(format_args!(
            "{} holds no usable private key: {error}; give a PEM file with BEGIN PRIVATE KEY",
            path.display()
        ))
    })
}

/// All certificates of a file that can be read; those that cannot are said.
fn certificates(path: &Path) -> Result<Certificates, Failure> {
    let pem = read(path)?;
    let mut good = Vec::new();
    let mut bad = None;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        match certificate {
            Ok(certificate) => good.push(certificate),
            Err(error) => bad = Some(error),
        }
    }
    match (good.is_empty(), bad) {
        (false, None) => Ok(good),
        (false, Some(error)) => {
            note(format_args!(
                "sealmq: {}: a part is no valid PEM ({error}) and is left out",
                path.display()
            ));
            Ok(good)
        }
        (true, Some(error)) => Err(Failure::usage(format_args!(
            "{} is not valid PEM: {error}",
            path.display()
        ))),
        (true, None) => Err(Failure::usage(format_args!(
            "{} holds no certificate: give a PEM file with BEGIN CERTIFICATE (of DER: openssl x509 -inform der -in FILE)",
            path.display()
        ))),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path)
        .map_err(|error| Failure::usage(format_args!("{} cannot be read: {error}", path.display())))
}

#[cfg(test)]
mod tests;
