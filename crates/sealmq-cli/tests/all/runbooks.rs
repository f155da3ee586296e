//! The procedures of docs/runbooks.md with separate processes and an offline root, through the
//! bundled broker.

use std::fs;
use std::path::Path;

use crate::common::Running;
use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;

/// A domain under an offline root, with `pump` that publishes and `office` that reads.
fn domain(suite: &str) -> (Domain, Broker) {
    let mut domain = Domain {
        folder: tempfile::tempdir().unwrap(),
        connection: Vec::new(),
    };
    let broker = brokers::bundled(domain.path(), &[]);
    domain.connection = ["-h", "127.0.0.1", "-p", &broker.port]
        .map(str::to_owned)
        .into();
    domain.ok(&["root", "init", "--suite", suite, "-o", "root.pub"]);
    domain.ok(&["init", "--root", "root.pub", "--request", "first.req"]);
    // Without its delegation it can do nothing, and says so.
    domain
        .try_run(&["group", "add", "plant", "--topic", "plant/#"])
        .complains(1, &["sealmq root delegate"]);
    delegate(&domain, "first");
    domain.ok(&["authority", "install-delegation", "first.pem"]);
    domain.ok(&["group", "add", "plant", "--topic", "plant/#"]);
    domain.enrol("pump", &["--publish", "plant", "--subscribe", "plant"]);
    domain.enrol("office", &["--subscribe", "plant"]);
    (domain, broker)
}

/// The root's answer to a request.
#[track_caller]
fn delegate(domain: &Domain, name: &str) -> String {
    let (request, output) = (format!("{name}.req"), format!("{name}.pem"));
    let roles = "issue,groups,heartbeat";
    domain
        .ok(&[
            "root", "delegate", &request, "--role", roles, "--days", "90", "-o", &output,
        ])
        .stdout
}

#[track_caller]
fn request_new_keys(domain: &Domain, name: &str) -> String {
    let output = format!("{name}.req");
    domain
        .ok(&[
            "authority",
            "request-delegation",
            "--new-keys",
            "-o",
            &output,
        ])
        .stdout
}

#[track_caller]
fn reader(domain: &Domain, name: &str) -> Running {
    domain.subscribe(name, &["-t", "plant/#", "-F", "%s|%p"])
}

#[track_caller]
fn says(domain: &Domain, device: &str, text: &str) {
    domain
        .publish(device, &["-t", "plant/p", "-m", text], b"")
        .expect(0);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[track_caller]
fn member_line(domain: &Domain, name: &str) -> String {
    let list = domain.ok(&["member", "list"]).stdout;
    let line = list.lines().find(|line| line.contains(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("{name} is not listed: {list}"))
        .to_owned()
}

fn lists(domain: &Domain, name: &str) -> bool {
    let list = domain.ok(&["member", "list"]).stdout;
    list.lines().any(|line| line.contains(&format!("{name}:")))
}

#[test]
fn stolen_device() {
    let (domain, _broker) = domain("2");
    let _authority = domain.authority();
    let mut office = reader(&domain, "office");
    says(&domain, "pump", "before");
    assert_eq!(office.wait_for_lines(1), ["pump|before"]);

    domain.ok(&["member", "remove", "pump"]);
    domain.enrol("pump-2", &["--publish", "plant", "--subscribe", "plant"]);
    says(&domain, "pump-2", "replaced");
    assert_eq!(office.wait_for_lines(2)[1], "pump-2|replaced");
    let thief = domain.publish("pump", &["-t", "plant/p", "-m", "thief"], b"");
    assert_eq!(thief.code(), Some(1), "{thief:?}");
    assert!(
        thief.stderr.contains("removed by the authority"),
        "{thief:?}"
    );

    // Neither the key nor the credential is of use again.
    domain
        .try_run(&[
            "member",
            "add",
            "pump.req",
            "--publish",
            "plant",
            "-o",
            "again.cred",
        ])
        .complains(1, &["enrolled before"]);
    says(&domain, "pump-2", "still there");
    assert_eq!(office.wait_for_lines(3)[2], "pump-2|still there");
}

#[test]
fn stolen_controller() {
    let (domain, _broker) = domain("1");
    let authority = domain.authority();
    let mut office = reader(&domain, "office");
    says(&domain, "pump", "before");
    office.wait_for_lines(1);
    authority.interrupt().expect(0);

    // The thief enrols a device and announces epochs of its own.
    copy_folder(
        &domain.path().join("sealmq-authority"),
        &domain.path().join("thief"),
    );
    domain.ok(&[
        "member", "request", "mole", "--dir", "mole", "-o", "mole.req",
    ]);
    domain.ok(&[
        "member",
        "add",
        "mole.req",
        "--dir",
        "thief",
        "--publish",
        "plant",
        "--subscribe",
        "plant",
        "-o",
        "mole.cred",
    ]);
    domain.ok(&["member", "install", "mole.cred", "--dir", "mole"]);
    for _ in 0..3 {
        domain.ok(&["rotate", "plant", "--heal", "--dir", "thief"]);
    }
    crate::common::run(domain.connected(&["authority", "run", "--once", "--dir", "thief"]))
        .expect(0);
    says(&domain, "mole", "forged");
    assert_eq!(office.wait_for_lines(2)[1], "mole|forged");
    let mut mole = reader(&domain, "mole");
    says(&domain, "pump", "overheard");
    mole.wait_for_lines(1);
    office.wait_for_lines(3);

    // Recovery: only with new keys.
    domain.ok(&["authority", "request-delegation", "-o", "same.req"]);
    delegate(&domain, "same");
    domain
        .try_run(&["authority", "install-delegation", "same.pem", "--recovery"])
        .complains(1, &["new keys"]);
    let asked = request_new_keys(&domain, "recovery");
    let signed = delegate(&domain, "recovery");
    // Both sides show the same key to the operator.
    let key = asked.lines().find(|line| line.starts_with("key ")).unwrap();
    assert!(
        signed.contains(key) && signed.contains("serial             3"),
        "{signed}"
    );
    let installed = domain
        .ok(&[
            "authority",
            "install-delegation",
            "recovery.pem",
            "--recovery",
        ])
        .stdout;
    assert!(
        installed.contains(key) && installed.contains("serial 3"),
        "{installed}"
    );
    let _authority = domain.authority();
    assert!(!lists(&domain, "mole"));

    says(&domain, "pump", "recovered");
    assert_eq!(office.wait_for_lines(4)[3], "pump|recovered");
    // What the thief made is worth nothing any more.
    let forged = domain.publish("mole", &["-t", "plant/p", "-m", "forged again"], b"");
    assert_ne!(forged.code(), Some(0), "{forged:?}");
    domain.enrol("pump-2", &["--publish", "plant"]);
    says(&domain, "pump-2", "new");
    assert_eq!(office.wait_for_lines(5)[4], "pump-2|new");
    let heard = mole.interrupt().stdout;
    assert_eq!(heard.lines().collect::<Vec<_>>(), ["pump|overheard"]);
}

#[test]
fn lost_authority() {
    let (domain, _broker) = domain("2");
    let authority = domain.authority();
    let mut office = reader(&domain, "office");
    domain.enrol("pump-2", &["--publish", "plant"]);
    says(&domain, "pump-2", "before");
    assert_eq!(office.wait_for_lines(1), ["pump-2|before"]);
    domain.ok(&["authority", "backup", "backup"]);
    domain.ok(&["audit", "export", "-o", "audit.log"]);
    // Every day again, but never over something else.
    domain.ok(&["authority", "backup", "backup"]);
    domain
        .try_run(&["authority", "backup", "sealmq-authority"])
        .complains(1, &["the authority itself"]);

    domain.ok(&["member", "remove", "pump-2"]);
    domain.enrol("late", &["--publish", "plant"]);
    domain.ok(&["rotate", "plant"]);
    domain.ok(&["audit", "export", "-o", "audit.log"]);
    domain.ok(&["audit", "verify", "audit.log"]);
    says(&domain, "late", "late");
    office.wait_for_lines(2);
    authority.interrupt().expect(0);
    let folder = domain.path().join("sealmq-authority");
    fs::remove_dir_all(&folder).unwrap();

    copy_folder(&domain.path().join("backup"), &folder);
    domain
        .try_run(&["rotate", "plant"])
        .complains(1, &["sealmq authority resume"]);
    domain
        .try_run(&["audit", "verify", "audit.log"])
        .complains(1, &["resume"]);
    domain
        .try_run(&["audit", "export", "-o", "audit.log"])
        .complains(1, &["nothing was replaced"]);
    request_new_keys(&domain, "resume");
    delegate(&domain, "resume");
    domain
        .try_run(&["authority", "install-delegation", "resume.pem"])
        .complains(1, &["sealmq authority resume"]);
    let arguments = ["authority", "resume", "--delegation", "resume.pem"];
    domain.try_run(&arguments).expect(2);
    let resumed = domain
        .ok(&[&arguments[..], &["--audit-log", "audit.log"]].concat())
        .stdout;
    assert!(
        resumed.contains("late: enrolled after the backup"),
        "{resumed}"
    );
    assert!(
        resumed.contains("pump-2: removed after the backup"),
        "{resumed}"
    );

    let _authority = domain.authority();
    assert!(member_line(&domain, "pump-2").contains("removed"));
    assert!(member_line(&domain, "late").contains("removed"));
    domain.enrol("pump-3", &["--publish", "plant"]);
    says(&domain, "pump-3", "resumed");
    assert_eq!(office.wait_for_lines(3)[2], "pump-3|resumed");
    says(&domain, "pump", "me too");
    assert_eq!(office.wait_for_lines(4)[3], "pump|me too");
    for shut_out in ["pump-2", "late"] {
        // They may still send under the keys that they have: it is of no use.
        let _ended = domain.publish(shut_out, &["-t", "plant/p", "-m", "ghost"], b"");
    }
    says(&domain, "pump", "last");
    assert_eq!(office.wait_for_lines(5)[4], "pump|last");
    domain.ok(&["audit", "verify"]);
    domain.ok(&["audit", "export", "-o", "audit.log"]);
}

/// The root's own commands: what they refuse, and that serials only rise.
#[test]
fn root_keys_and_serials() {
    let (domain, _broker) = domain("1");
    let file = fs::read_to_string(domain.path().join("root.pub")).unwrap();
    assert_eq!(domain.ok(&["root", "show"]).stdout, file);
    domain
        .try_run(&["root", "init"])
        .complains(1, &["exists already"]);
    let delegate = |more: &[&str]| {
        domain.try_run(
            &[
                &["root", "delegate", "first.req", "-o", "next.pem"][..],
                more,
            ]
            .concat(),
        )
    };
    delegate(&["--serial", "1"]).complains(1, &["not above 1"]);
    delegate(&["--role", "everything"]).expect(2);
    let signed = delegate(&["--serial", "7", "--role", "issue,groups", "--days", "400"]).expect(0);
    assert!(signed.stdout.contains("issue,groups\n"), "{signed:?}");
    assert!(signed.stderr.contains("400 days are long"), "{signed:?}");
    domain.ok(&["authority", "install-delegation", "next.pem"]);
    // An older one does not come back.
    domain
        .try_run(&["authority", "install-delegation", "first.pem"])
        .complains(1, &["serial"]);

    // Another domain: its root made by `init`, in the authority's folder.
    domain.ok(&["init", "--dir", "other", "--suite", "2"]);
    let shown = domain.ok(&["root", "show", "--dir", "other"]).stdout;
    assert!(shown.contains("suite   2"), "{shown}");
    domain.ok(&[
        "authority",
        "request-delegation",
        "--dir",
        "other",
        "-o",
        "other.req",
    ]);
    domain
        .try_run(&["root", "delegate", "other.req", "-o", "x.pem"])
        .complains(1, &["suite"]);
    let renewed = domain
        .ok(&[
            "root",
            "delegate",
            "other.req",
            "--dir",
            "other",
            "-o",
            "other.pem",
        ])
        .stdout;
    assert!(renewed.contains("serial             2"), "{renewed}");
    domain.ok(&[
        "authority",
        "install-delegation",
        "other.pem",
        "--dir",
        "other",
    ]);
    domain
        .try_run(&["authority", "install-delegation", "other.pem"])
        .complains(1, &["delegation was refused", "another domain"]);
}
