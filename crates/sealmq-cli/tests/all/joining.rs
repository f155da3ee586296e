//! Devices join by token, by approval and by file, with separate processes: through both brokers,
//! plain and with TLS and login, in both suites.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;
use crate::common::tls;
use crate::common::{Ended, Running, content, run};

/// A domain whose devices reach its broker by what a token says, and by these options.
struct Fleet {
    domain: Domain,
    port: String,
    /// TLS and login, for sealmq and for Mosquitto's clients alike.
    options: Vec<String>,
}

impl Fleet {
    fn new(suite: &str, broker: &Broker, options: &[&str]) -> Self {
        let mut domain = Domain {
            folder: tempfile::tempdir().unwrap(),
            connection: Vec::new(),
        };
        domain.ok(&["init", "--suite", suite]);
        domain.ok(&["group", "add", "plant", "--topic", "plant/#"]);
        let root = domain.ok(&["root", "show"]).stdout;
        fs::write(domain.path().join("domain.pub"), root).unwrap();
        let options: Vec<String> = options.iter().map(|&text| text.to_owned()).collect();
        let address = ["-h", "127.0.0.1", "-p", &broker.port].map(str::to_owned);
        domain.connection = [&address[..], &options].concat();
        Self {
            domain,
            port: broker.port.clone(),
            options,
        }
    }

    /// `sealmq token create` for the group, and the token.
    #[track_caller]
    fn token(&self, more: &[&str]) -> (String, Ended) {
        let args = ["token", "create", "--group", "plant"];
        let mut command = self.domain.command(&[&args[..], more].concat());
        command.args(["-h", "127.0.0.1", "-p", &self.port]);
        if let Some(at) = self.options.iter().position(|text| text == "--cafile") {
            command.args(&self.options[at..at + 2]);
        }
        let made = run(command).expect(0);
        (made.stdout.trim_end().to_owned(), made)
    }

    fn joining(&self, what: &[&str], name: &str, folder: &str) -> Command {
        let args = ["--name", name, "--dir", folder];
        let mut command = self.domain.command(&[&["join"][..], what, &args].concat());
        command.args(&self.options);
        command
    }

    /// `sealmq join` with a token, which says where the broker is.
    fn join(&self, token: &str, name: &str) -> Ended {
        run(self.joining(&[token], name, name))
    }

    /// `sealmq join` until it waits for an operator, and the fingerprint that it shows.
    #[track_caller]
    fn ask(&self, name: &str) -> (Running, String) {
        let root = ["--root", "domain.pub", "-h", "127.0.0.1", "-p", &self.port];
        let mut joining = Running::start(self.joining(&root, name, name));
        joining.wait_for_remark("at the authority: sealmq authority approve");
        let remarks = joining.stderr();
        let shown = remarks.split("compares this fingerprint: ").nth(1);
        let fingerprint = shown.unwrap().lines().next().unwrap().trim().to_owned();
        let pending = self.domain.ok(&["authority", "pending"]).stdout;
        assert!(
            pending.contains(&format!("{fingerprint}  {name}")),
            "{pending}"
        );
        (joining, fingerprint)
    }

    fn members(&self) -> usize {
        let list = self.domain.ok(&["member", "list"]).stdout;
        list.matches(": valid until").count()
    }

    /// How many uses are left of how many, as `token list` shows the one for these names.
    #[track_caller]
    fn left(&self, names: &str) -> String {
        let list = self.domain.ok(&["token", "list"]).stdout;
        let mut lines = list.lines().filter(|line| line.contains(names));
        let line = lines.next().unwrap_or_else(|| panic!("{names}: {list}"));
        assert_eq!(lines.next(), None, "{list}");
        let uses = line.rsplit("  ").next().unwrap();
        uses.split(" left").next().unwrap().to_owned()
    }
}

/// One of Mosquitto's clients at this broker, if it is installed.
fn mosquitto(program: &str, fleet: &Fleet, args: &[&str]) -> Option<Command> {
    brokers::mosquitto_client(program)?;
    // Otherwise its lines wait in a buffer.
    let mut command = Command::new("stdbuf");
    command
        .args(["-oL", program, "-h", "127.0.0.1", "-p", &fleet.port])
        .args(&fleet.options)
        .args(args);
    Some(command)
}

/// Everything about joining.
fn devices_join(fleet: &Fleet) {
    let domain = &fleet.domain;
    let watching = ["-t", "_sealmq/+/join/+", "-F", "%t %x", "-d"];
    let mut watching = mosquitto("mosquitto_sub", fleet, &watching).map(Running::start);
    if let Some(watching) = &mut watching {
        watching.wait_for("SUBACK");
    }
    let _authority = domain.authority();
    let uses_two = [
        "--role",
        "publish",
        "--filter",
        "plant/%c/#",
        "--name",
        "sensor-*",
        "--ttl",
        "1h",
        "--uses",
        "2",
    ];
    let (token, made) = fleet.token(&[&uses_two[..], &["--qr"]].concat());
    assert!(token.starts_with("sealmq:join/") && !token.contains(char::is_whitespace));
    assert!(made.stderr.contains('█'), "no QR code: {made:?}");
    let listed = domain.ok(&["token", "list"]).stdout;
    assert!(!listed.contains(&token), "{listed}");
    assert_eq!(fleet.left("sensor-*"), "2 of 2");

    // In words.
    let joined = fleet.join(&token, "sensor-1").expect(0).stdout;
    assert!(joined.starts_with("member 1 sensor-1\n"), "{joined}");
    let may = "may publish in group plant (plant/#), publishing on plant/sensor-1/# only\n";
    assert!(joined.contains(may), "{joined}");
    assert_eq!(fleet.left("sensor-*"), "1 of 2");

    refused_names(fleet, &token);
    if let Some(watching) = &mut watching {
        replayed(fleet, watching);
    }

    // Used up, expired, revoked.
    fleet.join(&token, "sensor-2").expect(0);
    assert_eq!(fleet.members(), 2);
    assert_eq!(fleet.left("sensor-*"), "0 of 2");
    fleet
        .join(&token, "sensor-3")
        .complains(1, &["used up", "get a new one"]);
    let (expired, _) = fleet.token(&["--role", "publish", "--ttl", "1s"]);
    let (revoked, made) = fleet.token(&["--role", "publish"]);
    let id = made.stderr.split_whitespace().nth(1).unwrap();
    domain.ok(&["token", "revoke", id.trim_end_matches(':')]);
    fleet
        .join(&revoked, "sensor-4")
        .complains(1, &["the token is not valid"]);
    sleep(Duration::from_millis(2100));
    fleet
        .join(&expired, "sensor-5")
        .complains(1, &["the token is not valid", "it expired at 20"]);
    let (at, last) = token.char_indices().next_back().unwrap();
    let mistyped = format!("{}{}", &token[..at], if last == 'A' { 'E' } else { 'A' });
    fleet
        .join(&mistyped, "sensor-6")
        .complains(2, &["mistyped"]);
    assert_eq!(fleet.members(), 2);

    approved_and_rejected(fleet);

    // What all this is for.
    let mut lab = domain.subscribe("lab", &["-t", "plant/#", "-F", "%s|%p"]);
    for sensor in ["sensor-1", "sensor-2"] {
        let topic = format!("plant/{sensor}/t");
        domain
            .publish(sensor, &["-t", &topic, "-m", "21.5"], b"")
            .expect(0);
    }
    let mut lines = lab.wait_for_lines(2);
    lines.sort();
    assert_eq!(lines, ["sensor-1|21.5", "sensor-2|21.5"]);
}

/// Names that no device gets with this token.
fn refused_names(fleet: &Fleet, token: &str) {
    for name in ["sensor-1/x", "+", "#", "sensor-ü", ""] {
        let refused = run(fleet.joining(&[token], name, "misnamed"));
        assert_ne!(refused.code(), Some(0), "{name}");
        assert!(refused.stderr.contains("name"), "{refused:?}");
    }
    fleet.join(token, "office").complains(1, &["sensor-*"]);
    run(fleet.joining(&[token], "sensor-1", "impostor")).complains(1, &["the name is taken"]);
    assert_eq!(fleet.left("sensor-*"), "1 of 2");
}

/// The broker has seen the request of `sensor-1`: it is worth nothing to anybody else, and nothing
/// more to `sensor-1`.
fn replayed(fleet: &Fleet, watching: &mut Running) {
    let seen = watching.stdout();
    let requests = seen.lines().filter_map(|line| line.split_once(' '));
    let mut requests =
        requests.filter(|(topic, payload)| topic.starts_with("_sealmq/") && !payload.is_empty());
    let (topic, payload) = requests.next().unwrap();
    fs::write(
        fleet.domain.path().join("seen"),
        hex::decode(payload).unwrap(),
    )
    .unwrap();
    let (beginning, fingerprint) = topic.split_at(topic.len() - 32);
    let other = if fingerprint.starts_with('0') {
        "1"
    } else {
        "0"
    };
    let other = format!("{beginning}{other}{}", &fingerprint[1..]);
    for topic in [topic, &other] {
        let args = ["-q", "1", "-r", "-f", "seen", "-t", topic];
        let mut command = mosquitto("mosquitto_pub", fleet, &args).unwrap();
        command.current_dir(fleet.domain.path());
        run(command).expect(0);
    }
    // A token of somebody else's choice, because the one in use has to stay as it is.
    let (after, _) = fleet.token(&["--role", "subscribe", "--name", "after"]);
    fleet.join(&after, "after").expect(0);
    fleet.domain.ok(&["member", "remove", "after"]);
    assert_eq!(fleet.left("sensor-*"), "1 of 2");
    assert_eq!(fleet.members(), 1);
}

/// Devices without a token: an operator compares what they show.
fn approved_and_rejected(fleet: &Fleet) {
    let domain = &fleet.domain;
    // It may go away meanwhile, and its keys may be copied.
    let (lab, fingerprint) = fleet.ask("lab");
    lab.interrupt().expect(130);
    copy_folder(&domain.path().join("lab"), &domain.path().join("twin"));
    domain
        .try_run(&["authority", "approve", "0000", "--subscribe", "plant"])
        .complains(2, &["32 hex digits"]);
    domain
        .try_run(&[
            "authority",
            "approve",
            &"0".repeat(32),
            "--subscribe",
            "plant",
        ])
        .complains(1, &["no request of device"]);
    domain.ok(&["authority", "approve", &fingerprint, "--subscribe", "plant"]);
    let root = ["--root", "domain.pub", "-h", "127.0.0.1", "-p", &fleet.port];
    let joined = run(fleet.joining(&root, "lab", "lab")).expect(0).stdout;
    assert!(
        joined.contains("may read in group plant (plant/#)\n"),
        "{joined}"
    );
    // It may have ended when it was a member, before it could say so.
    let again = run(fleet.joining(&root, "lab", "lab")).expect(0).stdout;
    assert_eq!(again, joined);
    run(fleet.joining(&root, "lab-2", "lab")).complains(1, &["member already"]);

    // The same key is not let in twice, by whichever way.
    let (token, _) = fleet.token(&["--role", "both", "--name", "twin"]);
    // It also sees the answer to the other one's request.
    let twin = run(fleet.joining(&[&token], "twin", "twin")).expect(1);
    let last = twin.stderr.lines().last().unwrap();
    assert!(last.contains("key was enrolled before"), "{twin:?}");
    assert_eq!(fleet.left("  twin"), "1 of 1");

    let (mole, fingerprint) = fleet.ask("mole");
    domain.ok(&["authority", "reject", &fingerprint]);
    let refused = mole.end().expect(1);
    assert!(
        refused
            .stderr
            .ends_with("an operator refused the request\n"),
        "{refused:?}"
    );
    assert!(domain.ok(&["authority", "pending"]).stdout.is_empty());
    assert_eq!(fleet.members(), 3);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Neither the refusal of an earlier request nor somebody's rubbish keeps a device from waiting for
/// its own answer, and neither makes it ask again.
#[test]
fn what_stands_on_the_answer_topic_ends_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let broker = brokers::bundled(folder.path(), &[]);
    let fleet = Fleet::new("1", &broker, &[]);
    let watch = ["-t", "_sealmq/+/join/+", "-F", "%t %l", "-d"];
    let Some(watch) = mosquitto("mosquitto_sub", &fleet, &watch) else {
        return;
    };
    let mut watching = Running::start(watch);
    watching.wait_for("SUBACK");
    let (token, _) = fleet.token(&["--role", "publish", "--uses", "2"]);
    let early = run(fleet.joining(&[&token, "--timeout", "1s"], "taken", "taken"));
    early.complains(27, &["nothing of the domain"]);
    let authority = fleet.domain.authority();
    fleet.join(&token, "taken").expect(0);
    run(fleet.joining(&[&token], "taken", "device")).complains(1, &["the name is taken"]);
    authority.interrupt().expect(0);

    // A line for each request, and for its end.
    let asked = || -> Vec<String> {
        let seen = watching.stdout();
        let requests = seen.lines().filter(|line| line.starts_with("_sealmq/"));
        requests.map(str::to_owned).collect()
    };
    let before = asked().len();
    let wait = [&token, "--timeout", "3s"];
    let refused = run(fleet.joining(&wait, "device", "device"));
    refused.complains(27, &["no answer in time"]);
    assert_eq!(asked().len(), before + 1, "{:?}", asked());

    let last = asked().pop().unwrap();
    let join = last.split(' ').next().unwrap();
    let answer = join.replace("/join/", "/answer/");
    let rubbish = ["-r", "-t", &answer, "-m", "rubbish"];
    run(mosquitto("mosquitto_pub", &fleet, &rubbish).unwrap()).expect(0);
    let waited = run(fleet.joining(&wait, "device", "device")).expect(27);
    let remarks: Vec<_> = waited.stderr.lines().collect();
    assert_eq!(remarks.len(), 2, "{waited:?}");
    assert!(remarks[0].contains(&answer), "{waited:?}");
    assert_eq!(asked().len(), before + 2, "{:?}", asked());

    let _authority = fleet.domain.authority();
    fleet.join(&token, "device").expect(0);

    // Who joined and was removed is told that, once it has heard of it.
    let publish = || {
        let message = ["-t", "plant/x", "-m", "x"];
        fleet.domain.publish("device", &message, b"").code()
    };
    assert_eq!(publish(), Some(0));
    fleet.domain.ok(&["member", "remove", "device"]);
    let mut tries = 0..50;
    assert!(tries.any(|_| publish() == Some(1)));
    fleet
        .join(&token, "device")
        .complains(1, &["was removed from group plant", "another --dir"]);
}

#[test]
fn through_the_bundled_broker() {
    let folder = tempfile::tempdir().unwrap();
    let broker = brokers::bundled(folder.path(), &[]);
    devices_join(&Fleet::new("1", &broker, &[]));
}

#[test]
fn through_mosquitto_in_suite_2() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = brokers::mosquitto(folder.path(), "allow_anonymous true") else {
        return;
    };
    devices_join(&Fleet::new("2", &broker, &[]));
}

#[test]
fn with_tls_certificates_and_login_through_the_bundled_broker() {
    let folder = tempfile::tempdir().unwrap();
    over_tls(folder.path(), &tls::bundled(folder.path()));
}

#[test]
fn with_tls_certificates_and_login_through_mosquitto() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(broker) = tls::mosquitto(folder.path(), true) {
        over_tls(folder.path(), &broker);
    }
}

fn over_tls(folder: &Path, broker: &Broker) {
    let [ca, certificate, key] =
        ["ca.pem", "client.pem", "client.key"].map(|name| tls::path(folder, name));
    let options = [
        "--cafile",
        &ca,
        "--cert",
        &certificate,
        "--key",
        &key,
        "-u",
        "ann",
        "-P",
        tls::PASSWORD,
    ];
    let fleet = Fleet::new("1", broker, &options);
    devices_join(&fleet);
    // The token says that the broker wants TLS.
    let (token, _) = fleet.token(&["--role", "publish"]);
    let bare = ["join", &token, "--name", "bare", "--dir", "bare"];
    fleet.domain.try_run(&bare).complains(2, &["--cafile"]);
    let unknown = [&bare[..], &["--cafile", &certificate]].concat();
    fleet.domain.try_run(&unknown).complains(3, &["TLS"]);
}

/// A request by file is for one suite, and with the root's file for one domain.
#[test]
fn request_files_fit_their_domain() {
    let domain = Domain::new();
    let root = |folder: &str, name: &str| {
        let shown = domain.ok(&["root", "show", "--dir", folder]).stdout;
        fs::write(domain.path().join(name), shown).unwrap();
    };
    for (folder, suite) in [("third", "1"), ("second", "2")] {
        domain.ok(&["init", "--dir", folder, "--suite", suite]);
        domain.ok(&[
            "group", "add", "plant", "--topic", "plant/#", "--dir", folder,
        ]);
    }
    root("sealmq-authority", "one.pub");
    root("second", "two.pub");
    let request = |name: &str, options: &[&str]| {
        let file = format!("{name}.req");
        let args = ["member", "request", name, "--dir", name, "-o", &file];
        domain.try_run(&[&args[..], options].concat())
    };
    let add = |name: &str, folder: &str| {
        let (request, output) = (format!("{name}.req"), format!("{name}-{folder}.cred"));
        let args = ["member", "add", &request, "--publish", "plant", "-o"];
        domain.try_run(&[&args[..], &[&output, "--dir", folder]].concat())
    };
    let install =
        |name: &str, file: &str| domain.try_run(&["member", "install", file, "--dir", name]);

    request("any", &[]).expect(0);
    request("modern", &["--suite", "2"]).expect(0);
    request("one", &["--root", "one.pub"]).expect(0);
    request("two", &["--root", "two.pub"]).expect(0);
    request("both", &["--root", "two.pub", "--suite", "2"]).expect(2);
    let modern = content(&domain.path().join("modern.req")).len();
    let any = content(&domain.path().join("any.req")).len();
    assert!(modern > 4 * any, "{modern} and {any} bytes");

    for name in ["any", "one"] {
        add(name, "second").complains(1, &["is for a domain of suite 1", "has suite 2", "--root"]);
    }
    for name in ["modern", "two"] {
        add(name, "third").complains(1, &["is for a domain of suite 2", "has suite 1"]);
    }
    add("one", "third").complains(1, &["another domain"]);
    add("one", "sealmq-authority").expect(0);
    add("two", "second").expect(0);
    add("modern", "second").expect(0);
    add("any", "third").expect(0);

    // The device refuses what does not answer its request.
    install("any", "modern-second.cred").complains(1, &["suite 1", "has suite 2"]);
    install("modern", "any-third.cred").complains(1, &["suite 2", "has suite 1"]);
    install("one", "any-third.cred").complains(1, &["another domain"]);
    install("two", "modern-second.cred").complains(1, &["another device"]);
    install("one", "one-sealmq-authority.cred").expect(0);
    install("two", "two-second.cred").expect(0);
    install("modern", "modern-second.cred").expect(0);
    install("any", "any-third.cred").expect(0);
}
