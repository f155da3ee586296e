//! Brokers with TLS, client certificates, and a login for `ann`.

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{CertificateParams, Issuer, KeyPair};

use super::brokers::{self, Broker};
use super::{run_with, sealmq};

pub(crate) const PASSWORD: &str = "correct horse";

/// The bundled broker. It asks for a certificate and the password.
pub(crate) fn bundled(folder: &Path) -> Broker {
    certificates(folder);
    let line = format!("{PASSWORD}\n");
    let line = run_with(sealmq(folder, &["passwd", "ann"]), line.as_bytes()).expect(0);
    fs::write(folder.join("users"), line.stdout).unwrap();
    let options = [
        ["--tls-cert", "server.pem"],
        ["--tls-key", "server.key"],
        ["--client-ca", "ca.pem"],
        ["--password-file", "users"],
    ];
    brokers::bundled(folder, &options.concat())
}

/// Debian's broker, if it is there. It asks for the password, and for a certificate if so wanted.
pub(crate) fn mosquitto(folder: &Path, client_certificate: bool) -> Option<Broker> {
    certificates(folder);
    let [ca, certificate, key, users] =
        ["ca.pem", "server.pem", "server.key", "users"].map(|name| path(folder, name));
    let hashed = Command::new("mosquitto_passwd")
        .args(["-c", "-b", &users, "ann", PASSWORD])
        .output();
    if !hashed.is_ok_and(|output| output.status.success()) {
        let missing = brokers::mosquitto(folder, "").is_none();
        assert!(missing, "mosquitto_passwd is missing");
        return None;
    }
    let configuration = format!(
        "cafile {ca}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate {client_certificate}\n\
         allow_anonymous false\npassword_file {users}"
    );
    brokers::mosquitto(folder, &configuration)
}

/// A file of the folder, for the command line.
pub(crate) fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// A certificate for `localhost` and 127.0.0.1, its key, and its authority, as files.
pub(crate) fn certificates(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(rcgen::DnType::CommonName, "test authority");
    let certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        fs::write(
            folder.join(format!("{name}.pem")),
            params.signed_by(&key, &issuer).unwrap().pem(),
        )
        .unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}
