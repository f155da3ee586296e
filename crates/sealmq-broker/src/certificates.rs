//! Certificates for a small site: an authority of its own, a broker, clients.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::error::BrokerError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Clocks of devices may be behind.
const BEFORE: Duration = DAY;
const DAYS: u32 = 730;
const MOST_DAYS: u32 = 36_500;

/// Makes an authority, and certificates of it for the broker and for clients (P-256).
#[derive(Clone, Debug)]
#[must_use = "nothing is made until write is called"]
pub struct SiteCertificates {
    names: Vec<String>,
    clients: Vec<String>,
    days: u32,
}

/// The files of [`SiteCertificates::write`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WrittenCertificates {
    /// The authority's certificate: for `--cafile` of clients, `--client-ca` of the broker.
    pub authority: PathBuf,
    /// The authority's private key: only for more certificates, so it need not stay on the machine.
    pub authority_key: PathBuf,
    /// The broker's certificate.
    pub server: PathBuf,
    /// The broker's private key.
    pub server_key: PathBuf,
    /// Each client's name, certificate and private key.
    pub clients: Vec<(String, PathBuf, PathBuf)>,
    /// For which hosts the broker's certificate is.
    pub names: Vec<String>,
}

impl SiteCertificates {
    /// For `localhost`, the loopback addresses and this machine's name; valid for two years.
    pub fn new() -> Self {
        let mut names = ["localhost", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .to_vec();
        names.extend(host_name());
        Self {
            names,
            clients: Vec::new(),
            days: DAYS,
        }
    }

    /// Another name or address under which clients reach the broker.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if !self.names.contains(&name) {
            self.names.push(name);
        }
        self
    }

    /// A client, by the name that the broker may take for its user name. Default: one, `client`.
    pub fn client(mut self, name: impl Into<String>) -> Self {
        self.clients.push(name.into());
        self
    }

    /// How long they are valid. Default: 730 days.
    pub fn days(mut self, days: u32) -> Self {
        self.days = days;
        self
    }

    /// Makes them, in this folder, which is created for this user only if its last component is
    /// missing. Private keys are readable for this user only.
    ///
    /// # Errors
    /// [`BrokerError::Certificates`] if a name cannot stand in a certificate, or if one of the files
    /// is there: nothing is overwritten.
    pub fn write(mut self, folder: &Path) -> Result<WrittenCertificates, BrokerError> {
        if self.clients.is_empty() {
            self.clients.push("client".to_owned());
        }
        if !(1..=MOST_DAYS).contains(&self.days) {
            return Err(failed("they are valid for 1 to 36500 days".to_owned()));
        }
        for name in &self.clients {
            check_client(name)?;
        }
        let mut sorted = self.clients.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() < self.clients.len() {
            return Err(failed("two clients have the same name".to_owned()));
        }
        let made = self.make().map_err(|error| failed(error.to_string()))?;
        create(folder, &made)?;
        let path = |name: &str| folder.join(name);
        let clients = self.clients.iter().map(|name| {
            (
                name.clone(),
                path(&format!("{name}.pem")),
                path(&format!("{name}.key")),
            )
        });
        Ok(WrittenCertificates {
            authority: path("ca.pem"),
            authority_key: path("ca.key"),
            server: path("server.pem"),
            server_key: path("server.key"),
            clients: clients.collect(),
            names: self.names,
        })
    }

    fn make(&self) -> Result<Vec<Made>, rcgen::Error> {
        let mut params = self.params("sealmq site authority", Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let mut made = vec![Made::key("ca", &key)];
        let authority = CertifiedIssuer::self_signed(params, key)?;
        made.push(Made::certificate("ca", authority.pem()));
        let server = ("server", "sealmq broker", self.names.clone());
        let clients = self.clients.iter();
        let clients = clients.map(|name| (name.as_str(), name.as_str(), Vec::new()));
        for (file, name, hosts) in std::iter::once(server).chain(clients) {
            let usage = if hosts.is_empty() {
                ExtendedKeyUsagePurpose::ClientAuth
            } else {
                ExtendedKeyUsagePurpose::ServerAuth
            };
            let mut params = self.params(name, hosts)?;
            params.use_authority_key_identifier_extension = true;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &authority)?;
            made.push(Made::key(file, &key));
            made.push(Made::certificate(file, certificate.pem()));
        }
        Ok(made)
    }

    fn params(&self, name: &str, hosts: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
        let mut params = CertificateParams::new(hosts)?;
        let mut names = DistinguishedName::new();
        names.push(DnType::CommonName, name);
        params.distinguished_name = names;
        let now = SystemTime::now();
        let validity = DAY.saturating_mul(self.days);
        params.not_before = OffsetDateTime::from(now.checked_sub(BEFORE).unwrap_or(now));
        params.not_after = OffsetDateTime::from(now.checked_add(validity).unwrap_or(now));
        Ok(params)
    }
}

impl Default for SiteCertificates {
    fn default() -> Self {
        Self::new()
    }
}

/// One file to be.
struct Made {
    name: String,
    text: Zeroizing<String>,
    secret: bool,
}

impl Made {
    fn key(name: &str, key: &KeyPair) -> Self {
        Self {
            name: format!("{name}.key"),
            text: Zeroizing::new(key.serialize_pem()),
            secret: true,
        }
    }

    fn certificate(name: &str, pem: String) -> Self {
        Self {
            name: format!("{name}.pem"),
            text: Zeroizing::new(pem),
            secret: false,
        }
    }
}

fn check_client(name: &str) -> Result<(), BrokerError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(failed(format!(
            "{name:?} is no client's name: letters, digits, -, _, . and @, at most 64"
        )));
    }
    if ["ca", "server"].contains(&name) {
        return Err(failed(format!("a client cannot be called {name}")));
    }
    Ok(())
}

fn create(folder: &Path, files: &[Made]) -> Result<(), BrokerError> {
    let at = |path: &Path, error: io::Error| failed(format!("{}: {error}", path.display()));
    if !folder.is_dir() {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        builder.create(folder).map_err(|error| at(folder, error))?;
    }
    // Before anything is written: half of an old set and half of a new one fit nobody.
    for file in files {
        let path = folder.join(&file.name);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(failed(format!(
                "{} is there already, and nothing is overwritten: name another folder",
                path.display()
            )));
        }
    }
    for file in files {
        let path = folder.join(&file.name);
        write(&path, file).map_err(|error| at(&path, error))?;
    }
    Ok(())
}

fn write(path: &Path, made: &Made) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if made.secret { 0o600 } else { 0o644 });
    }
    let mut file = options.open(path)?;
    file.write_all(made.text.as_bytes())?;
    file.sync_all()
}

fn host_name() -> Option<String> {
    #[cfg(unix)]
    {
        let name = rustix::system::uname();
        let name = name.nodename().to_str().ok()?.to_owned();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        (!name.is_empty() && name != "localhost" && name.bytes().all(plain)).then_some(name)
    }
    #[cfg(not(unix))]
    None
}

fn failed(reason: String) -> BrokerError {
    BrokerError::Certificates { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_and_keys_are_for_their_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("certs");
        let site = SiteCertificates::new()
            .server_name("broker.site")
            .client("ann")
            .client("bob");
        let written = site.clone().write(&folder).unwrap();
        assert!(written.names.contains(&"broker.site".to_owned()));
        let before = fs::read(&written.server_key).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            for key in [
                &written.authority_key,
                &written.server_key,
                &written.clients[1].2,
            ] {
                assert_eq!(mode(key), 0o600);
            }
            assert_eq!(mode(&folder), 0o700);
        }
        fs::remove_file(&written.authority).unwrap();
        let error = site.write(&folder).unwrap_err().to_string();
        assert!(error.contains("is there already"), "{error}");
        assert!(!written.authority.exists());
        assert_eq!(fs::read(&written.server_key).unwrap(), before);
        // Also if only one of the new names is taken.
        assert!(
            SiteCertificates::new()
                .client("bob")
                .write(&folder)
                .is_err()
        );
    }

    #[test]
    fn names_that_are_no_file_names_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "", "../x", "a/b", ".hidden", "server", "ca", "a b", "+", "a\0",
        ] {
            assert!(
                SiteCertificates::new()
                    .client(name)
                    .write(folder.path())
                    .is_err(),
                "{name}"
            );
        }
        let twice = SiteCertificates::new().client("a").client("a");
        assert!(twice.write(folder.path()).is_err());
        assert!(
            SiteCertificates::new()
                .days(0)
                .write(folder.path())
                .is_err()
        );
        assert!(
            SiteCertificates::new()
                .server_name("ö")
                .write(folder.path())
                .is_err()
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
