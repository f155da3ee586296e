//! `sealmq broker --make-certs` and `--write-acl`: the files of a small site.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use sealmq_broker::{ReservedTopics, SiteCertificates};

use crate::args::{AccessArgs, CertificateArgs};
use crate::failure::Failure;
use crate::output::say_all;

pub(crate) fn make_certificates(folder: &Path, args: &CertificateArgs) -> Result<(), Failure> {
    let mut site = SiteCertificates::new().days(args.cert_days);
    for name in &args.cert_host {
        site = site.server_name(name);
    }
    for name in &args.cert_client {
        site = site.client(name);
    }
    let written = site.write(folder)?;
    let [ca, server, server_key] =
        [&written.authority, &written.server, &written.server_key].map(|path| quoted(path));
    let mut lines = vec![
        format!("made {} for {}", server, written.names.join(", ")),
        format!(
            "{ca} is what everybody trusts; {} is only for more certificates: keep it elsewhere",
            quoted(&written.authority_key)
        ),
        String::new(),
        format!(
            "sealmq broker --listen 127.0.0.1:8883 --tls-cert {server} --tls-key {server_key} --client-ca {ca}"
        ),
    ];
    for (name, certificate, key) in &written.clients {
        let options = format!(
            "-h localhost -p 8883 --cafile {ca} --cert {} --key {}",
            quoted(certificate),
            quoted(key)
        );
        lines.push(format!("mosquitto_sub {options} -i {name} -t '#' -v"));
        lines.push(format!(
            "sealmq sub {options} --dir ./{name} -t 'plant/#' -v"
        ));
    }
    say_all(lines)
}

/// For a shell.
fn quoted(path: &Path) -> Cow<'_, str> {
    let text = path.to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text;
    }
    Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
}

pub(crate) fn write_access_list(file: &Path, args: &AccessArgs) -> Result<(), Failure> {
    let mut topics = ReservedTopics::new()
        .authority(&args.acl_authority)
        .topics(args.acl_topic.iter().cloned());
    if let Some(prefix) = &args.acl_prefix {
        topics = topics.prefix(prefix);
    }
    if args.acl_client_ids {
        topics = topics.by_client_id();
    }
    let text = topics.checked()?;
    if file == Path::new("-") {
        return say_all(text.lines());
    }
    let written = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).open(file)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|error| {
        let remark = match error.kind() {
            io::ErrorKind::AlreadyExists => " (nothing is overwritten; - prints it)",
            _ => "",
        };
        Failure::refused(format_args!(
            "cannot write {}: {error}{remark}",
            file.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_a_shell() {
        let quoted = |path| quoted(Path::new(path)).into_owned();
        assert_eq!(quoted("certs/ca.pem"), "certs/ca.pem");
        assert_eq!(quoted("my certs"), "'my certs'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
