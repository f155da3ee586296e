use std::error::Error as StdError;
use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, OtherError};

use super::pinned::is_authority;

/// What is wrong with TLS, and what to do, if that is in this error.
pub(crate) fn explain(error: &(dyn StdError + 'static), host: &str) -> Option<String> {
    let Some(error) = find(error) else {
        return late(&error.to_string());
    };
    Some(match error {
        Error::InvalidCertificate(why) => certificate(why, host),
        Error::AlertReceived(alert) => alerted(*alert),
        Error::InvalidMessage(_) => {
            "what answers there does not speak TLS: is this the broker's TLS port? check -p, or leave --cafile out".to_owned()
        }
        other => other.to_string(),
    })
}

/// With TLS 1.3 the broker looks at a client's certificate when the connection stands already, and what
/// rumqttc then reports is text.
fn late(text: &str) -> Option<String> {
    use AlertDescription as Alert;
    let alerts = [
        Alert::CertificateRequired,
        Alert::CertificateExpired,
        Alert::UnknownCA,
        Alert::BadCertificate,
        Alert::UnsupportedCertificate,
        Alert::CertificateUnknown,
        Alert::CertificateRevoked,
        Alert::DecodeError,
        Alert::DecryptError,
        Alert::AccessDenied,
    ];
    let mut alerts = alerts.into_iter();
    let alert = alerts.find(|alert| text.contains(&Error::AlertReceived(*alert).to_string()))?;
    Some(alerted(alert))
}

/// The error of rustls somewhere inside.
fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match inside {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    None
}

fn certificate(why: &CertificateError, host: &str) -> String {
    use CertificateError as Why;
    match why {
        Why::NotValidForName => name(host, &[]),
        Why::NotValidForNameContext { presented, .. } => name(host, presented),
        Why::Expired | Why::ExpiredContext { .. } => {
            "the broker's certificate has expired: renew it, or set this machine's clock right".to_owned()
        }
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "the broker's certificate is not valid yet: set this machine's clock right".to_owned()
        }
        Why::UnknownIssuer => {
            "nobody that this client trusts vouches for the broker's certificate: give the certificate of the authority that issued it with --cafile, or the broker's own one if it is self-signed".to_owned()
        }
        Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => {
            "the broker's certificate is not for servers: make it again with extendedKeyUsage serverAuth, or without that".to_owned()
        }
        Why::Other(OtherError(other)) if other.to_string().contains("UnsupportedCertVersion") => version(),
        Why::Other(OtherError(other)) if is_authority(&other.to_string()) => {
            "the broker shows the certificate of an authority (CA:TRUE) as its own: give just that one with --cafile, or make it one without CA:TRUE".to_owned()
        }
        Why::BadEncoding => format!("the broker's certificate cannot be read; {}", version()),
        Why::BadSignature => {
            "the broker's certificate is not from the authority that it names: is --cafile an older certificate of that authority?".to_owned()
        }
        other => format!("the broker's certificate is refused: {other}"),
    }
}

fn version() -> String {
    "the broker's certificate is of X.509 version 1, which has no names of hosts: make it again, with -extfile and subjectAltName (`openssl x509 -req` makes version 1 without)".to_owned()
}

fn name(host: &str, presented: &[String]) -> String {
    let kind = if host.parse::<std::net::IpAddr>().is_ok() {
        "IP"
    } else {
        "DNS"
    };
    if presented.is_empty() {
        return format!(
            "the broker's certificate has no subjectAltName, and its common name (CN) does not count: make it again with subjectAltName={kind}:{host} (openssl req -x509 … -addext, openssl x509 -req … -extfile)"
        );
    }
    format!(
        "the broker's certificate is for {}, not for {host}: give one of these with -h, or make it again with subjectAltName={kind}:{host}",
        presented.join(", ")
    )
}

fn alerted(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the broker asks for a certificate of this client: give --cert and --key".to_owned()
        }
        AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => format!(
            "the broker and this client have no version and ciphers of TLS in common ({alert:?}), or it asks for a certificate of this client: TLS 1.2 or 1.3 is needed"
        ),
        AlertDescription::CertificateExpired => {
            "the broker says that the certificate of --cert has expired: renew it, and check the clocks".to_owned()
        }
        AlertDescription::UnknownCA => {
            "the broker does not know the authority that issued the certificate of --cert".to_owned()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRevoked
        | AlertDescription::DecodeError
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => format!(
            "the broker refuses the certificate of --cert ({alert:?}): it has to come from an authority that the broker knows, for clients (extendedKeyUsage clientAuth, or none), and for many brokers of X.509 version 3 (`openssl x509 -req` makes version 1 unless it gets -extfile)"
        ),
        other => format!("the broker ended the TLS handshake: {other:?}"),
    }
}
