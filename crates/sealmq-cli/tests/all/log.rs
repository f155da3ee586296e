//! What the log holds, and what it never holds.

use std::collections::HashSet;
use std::fs;

use sealmq_keys::Store as _;
use sealmq_store::{StoreRole, Unlock, Vault};
use serde_json::{Value, json};

use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;
use crate::common::{Ended, PATIENCE, Running, run_with};

/// Bytes of a secret that count as a leak: none appears by chance.
const PIECE: usize = 12;

type Piece = [u8; PIECE];

/// Pieces of secrets, less those that are public anyway.
#[derive(Default)]
struct Secrets {
    secret: HashSet<Piece>,
    public: HashSet<Piece>,
}

fn pieces(bytes: &[u8]) -> impl Iterator<Item = Piece> {
    let pieces = bytes.windows(PIECE).map(|piece| piece.try_into().unwrap());
    // Lengths, zeros and the like.
    pieces.filter(|piece: &Piece| piece.iter().collect::<HashSet<_>>().len() > PIECE / 2)
}

impl Secrets {
    fn add(&mut self, secret: &[u8]) {
        assert!(secret.len() >= PIECE);
        self.secret.extend(pieces(secret));
    }

    /// Everything in a store, except what it publishes, topics and the names of its records.
    fn add_store(&mut self, domain: &Domain, path: &str, role: StoreRole) {
        let path = domain.path().join(path);
        let unlock = Unlock::KeyFile(domain.path().join("stores.key"));
        let vault = Vault::unlock_wait(&path, role, &unlock, PATIENCE).unwrap();
        let store = vault.open_wait(PATIENCE).unwrap();
        for (name, value) in store.list("").unwrap() {
            self.public
                .extend(decoded(&name).iter().flat_map(|run| pieces(run)));
            if name.starts_with("outbox/") {
                self.public.extend(pieces(&value));
                continue;
            }
            self.secret.extend(pieces(&value));
            // Topics that wait for something.
            for text in runs(&value, |byte| byte.is_ascii_graphic()) {
                let text = std::str::from_utf8(text).unwrap();
                if let Some((_, topic)) = text.split_once("_sealmq/") {
                    // With what follows it in a line: the same byte may follow it in the record.
                    for end in ["", "\n", " "] {
                        let shown = decoded(&format!("{topic}{end}"));
                        self.public.extend(shown.iter().flat_map(|run| pieces(run)));
                    }
                }
            }
        }
    }

    /// Pieces of secrets in a text, in any of the forms that programs print bytes in.
    fn in_log(&self, log: &str) -> HashSet<String> {
        let found = decoded(log);
        let found = found.iter().flat_map(|run| pieces(run));
        found
            .filter(|piece| self.secret.contains(piece) && !self.public.contains(piece))
            .map(|piece| format!("{} {}", hex::encode(piece), piece.escape_ascii()))
            .collect()
    }
}

/// The text itself, and what its hexadecimal, base64 and decimal runs mean.
fn decoded(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut all = vec![bytes.to_vec()];
    for run in runs(bytes, |byte| nibble(byte).is_some()) {
        all.push(from_hex(run));
        all.push(from_hex(&run[1..]));
    }
    for run in runs(bytes, |byte| sextet(byte).is_some()) {
        for skip in 0..4.min(run.len()) {
            all.push(from_base64(&run[skip..]));
        }
    }
    for list in runs(bytes, |byte| byte.is_ascii_digit() || b", ".contains(&byte)) {
        let numbers = list.split(|byte| b", ".contains(byte));
        let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
        all.push(numbers.filter_map(number).collect());
    }
    all
}

fn runs<'a>(bytes: &'a [u8], belongs: impl Fn(u8) -> bool + 'a) -> impl Iterator<Item = &'a [u8]> {
    bytes
        .split(move |byte| !belongs(*byte))
        .filter(|run| run.len() >= PIECE)
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn from_hex(run: &[u8]) -> Vec<u8> {
    let pairs = run.as_chunks::<2>().0.iter();
    pairs
        .map(|[high, low]| nibble(*high).unwrap() << 4 | nibble(*low).unwrap())
        .collect()
}

fn from_base64(run: &[u8]) -> Vec<u8> {
    let groups = run.as_chunks::<4>().0.iter();
    groups
        .flat_map(|group| {
            let bits = group.iter().fold(0, |bits, letter| {
                bits << 6 | u32::from(sextet(*letter).unwrap())
            });
            let [_, bytes @ ..] = bits.to_be_bytes();
            bytes
        })
        .collect()
}

#[test]
fn leaks_are_found_in_every_form() {
    let secret: Vec<u8> = (100..132).collect();
    let mut secrets = Secrets::default();
    secrets.add(&secret);
    let text = String::from_utf8_lossy(&secret[..20]).into_owned();
    let hex = hex::encode(&secret);
    let shifted = format!("a{hex}");
    let list = format!("{secret:?}");
    let base64 = "ZGVmZ2hpamtsbW5vcHFyc3R1dnc";
    for leak in [
        &text,
        &hex,
        &shifted,
        &hex.to_uppercase(),
        &list,
        &format!("xy{base64}"),
    ] {
        assert!(
            !secrets.in_log(&format!("key={leak} end")).is_empty(),
            "{leak}"
        );
    }
    assert!(secrets.in_log("nothing 64656667 here").is_empty());
}

/// A domain with a broker that wants a password, where everything logs as much as it can.
struct Stage {
    domain: Domain,
    format: &'static str,
    secrets: Secrets,
    log: String,
}

const PASSWORD: &str = "Tr0ub4dor&3-horse";
const PAYLOAD: &str = "a reading for readers only";

impl Stage {
    fn new(format: &'static str) -> (Self, Broker) {
        let mut domain = Domain::new();
        let passwd = domain.command(&["passwd", "fleet"]);
        let line = run_with(passwd, format!("{PASSWORD}\n").as_bytes()).expect(0);
        fs::write(domain.path().join("users"), line.stdout).unwrap();
        let options = ["--password-file", "users", "--log", "trace"];
        let broker = brokers::bundled(domain.path(), &options);
        let login = ["-u", "fleet", "-P", PASSWORD];
        let connection = [&["-h", "127.0.0.1", "-p", &broker.port], &login[..]].concat();
        domain.connection = connection.into_iter().map(str::to_owned).collect();
        let mut secrets = Secrets::default();
        secrets.add(PASSWORD.as_bytes());
        secrets.add(PAYLOAD.as_bytes());
        secrets.add(&fs::read(domain.path().join("stores.key")).unwrap());
        let stage = Self {
            domain,
            format,
            secrets,
            log: String::new(),
        };
        (stage, broker)
    }

    fn start(&self, args: &[&str]) -> Running {
        let mut command = self.domain.connected(args);
        command.env("SEALMQ_LOG", "trace");
        command.env("SEALMQ_LOG_FORMAT", self.format);
        Running::start(command)
    }

    fn keep(&mut self, ended: &Ended) {
        self.log.push_str(&ended.stderr);
    }

    fn look(&mut self, path: &str, role: StoreRole) {
        self.secrets.add_store(&self.domain, path, role);
    }

    fn look_at_authority(&mut self) {
        self.look("sealmq-authority/authority.store", StoreRole::Authority);
    }

    /// A token for one device, and its use.
    fn join(&mut self, name: &str, role: &str) {
        let create = ["token", "create", "--group", "plant", "--role", role];
        let token = self.domain.ok(&create).stdout.trim().to_owned();
        self.secrets
            .add(token.rsplit('/').next().unwrap().as_bytes());
        self.look_at_authority();
        let ended = self
            .start(&["join", &token, "--name", name, "--dir", name])
            .end();
        self.keep(&ended.expect(0));
        self.look(&format!("{name}/member.store"), StoreRole::Member);
    }
}

/// The authority's log as programs read it.
fn fields(log: &str) {
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let own = |line: &&Value| line["target"] == "sealmq::authority";
    let of = |event: &str| {
        let found = lines.iter().filter(own).find(|line| line["event"] == event);
        found.unwrap_or_else(|| panic!("no {event:?}: {log}"))
    };
    let enrolled = of("enrolled");
    assert_eq!(
        (&enrolled["member"], &enrolled["name"]),
        (&json!(1), &json!("sensor"))
    );
    assert_eq!(
        (&enrolled["level"], &enrolled["message"]),
        (&json!("INFO"), &json!("member 1 sensor: enrolled"))
    );
    let epoch = of("epoch");
    assert_eq!(
        (&epoch["group"], &epoch["reason"]),
        (&json!("plant"), &json!("Welcomes"))
    );
    assert!(epoch["epoch"].is_u64() && epoch["healing"] == false);
    assert!(of("published")["objects"].is_u64());
}

#[test]
fn no_secret_is_logged_at_any_level() {
    for format in ["text", "json"] {
        let (mut stage, broker) = Stage::new(format);
        stage.look("sealmq-authority/root.store", StoreRole::Root);
        let authority = stage.start(&["authority", "run"]);
        stage.join("sensor", "publish");
        stage.join("ann", "subscribe");
        let mut ann = stage.start(&["sub", "--dir", "ann", "-t", "plant/#"]);
        ann.wait_for_remark("subscribed");
        let publish = stage.start(&["pub", "--dir", "sensor", "-t", "plant/x", "-m", PAYLOAD]);
        stage.keep(&publish.end().expect(0));
        ann.wait_for(PAYLOAD);
        stage.domain.ok(&["rotate", "plant"]);
        stage.look_at_authority();
        stage.domain.ok(&["member", "remove", "ann"]);
        ann.wait_for_remark("removed");
        stage.keep(&ann.interrupt().expect(0));
        stage.look("ann/member.store", StoreRole::Member);
        stage.look("sensor/member.store", StoreRole::Member);
        stage.look_at_authority();
        let ended = authority.interrupt().expect(0);
        if format == "json" {
            assert_eq!(ended.stdout, "");
            fields(&ended.stderr);
        }
        for ended in [ended, broker.process.interrupt().expect(0)] {
            stage.log.push_str(&ended.stdout);
            stage.keep(&ended);
        }
        for told in ["sealmq_rumqttc", "mqtt5", "enrolled", "message opened"] {
            assert!(
                stage.log.contains(told),
                "{told:?} is missing: {}",
                stage.log
            );
        }
        let leaks = stage.secrets.in_log(&stage.log);
        assert!(
            leaks.is_empty(),
            "{leaks:?}
{}",
            stage.log
        );
    }
}
