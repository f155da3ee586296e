//! Stores that earlier versions wrote (`test-vectors/stores`): opened, brought forward, and used.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::brokers;
use crate::common::{Ended, Running, run, sealmq};
use rumqttc::v5::MqttOptions;
use sealmq_authority::Authority;
use sealmq_keys::member::{Action, Member, MemberOptions};
use sealmq_keys::{Changes, Store as _};
use sealmq_rumqttc::SealOptions;
use sealmq_rumqttc::v5::AsyncClient;
use sealmq_store::{FileStore, StoreRole, Unlock, Vault};

fn kept(version: &str, suite: u8) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../test-vectors/stores/{version}/suite-{suite}"))
}

/// A copy of a domain's stores, each where the program looks for it.
struct World {
    folder: tempfile::TempDir,
    connection: Vec<String>,
}

impl World {
    fn new(version: &str, suite: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in fs::read_dir(kept(version, suite)).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            let to = match name.strip_suffix(".store") {
                Some("authority" | "root") => format!("sealmq-authority/{name}"),
                Some(device) => format!("{device}/member.store"),
                None => name.to_owned(),
            };
            let to = folder.path().join(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&file, &to).unwrap();
            // A checkout knows no modes but 0644 and 0755.
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self {
            folder,
            connection: Vec::new(),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = sealmq(self.folder.path(), args);
        command.env("SEALMQ_KEY_FILE", "stores.key");
        command.args(&self.connection);
        command
    }

    fn offline(&self, args: &[&str]) -> Ended {
        let mut command = sealmq(self.folder.path(), args);
        command.env("SEALMQ_KEY_FILE", "stores.key");
        run(command)
    }

    /// A command of the authority, whose store has a passphrase.
    fn authority(&self, args: &[&str]) -> Ended {
        let args = [args, &["--passphrase-file", "passphrase"]].concat();
        run(sealmq(self.folder.path(), &args))
    }

    /// The root signs a delegation for the keys that the authority has.
    fn renew_delegation(&self) {
        self.authority(&["authority", "request-delegation", "-o", "new.req"])
            .expect(0);
        self.offline(&["root", "delegate", "new.req", "-o", "new.delegation"])
            .expect(0);
        self.authority(&["authority", "install-delegation", "new.delegation"])
            .expect(0);
    }

    /// Somebody publishes, and somebody reads it.
    fn talk(&self, text: &str) {
        let reading = ["sub", "--dir", "office", "--debug", "-t", "plant/#", "-R"];
        let mut reader = Running::start(self.command(&reading));
        reader.wait_for_remark("subscribed");
        let publish = ["pub", "--dir", "sensor", "-t", "plant/sensor/temp", "-m"];
        run(self.command(&[&publish[..], &[text]].concat())).expect(0);
        assert_eq!(reader.wait_for_lines(1), [text]);
        reader.interrupt();
    }
}

/// Version 1: objects without extensions. Nobody reads its delegation and credentials any more, so
/// everything waits for the root, and goes on by itself afterwards.
fn from_version_1(suite: u8) {
    let mut world = World::new("v1", suite);
    let broker = brokers::bundled(world.folder.path(), &[]);
    world.connection = ["-h", "127.0.0.1", "-p", &broker.port]
        .map(str::to_owned)
        .into();

    let first = world.authority(&["member", "list"]).expect(0);
    assert!(first.stderr.contains("brought forward"), "{first:?}");
    let run_once = [
        "authority",
        "run",
        "--once",
        "--passphrase-file",
        "passphrase",
    ];
    run(world.command(&run_once)).complains(1, &["serial above 1", "sealmq root delegate"]);
    world
        .authority(&["rotate", "plant"])
        .complains(1, &["serial above 1"]);
    world
        .authority(&["member", "export", "sensor", "-o", "x.cred"])
        .complains(4, &["serial above 1"]);
    world.authority(&["audit", "verify"]).expect(0);
    // A device that comes first waits.
    let publish = [
        "pub",
        "--dir",
        "sensor",
        "-t",
        "plant/sensor/temp",
        "-m",
        "early",
    ];
    let early = run(world.command(&[&publish[..], &["--patience", "1"]].concat()));
    assert_ne!(early.code(), Some(0));
    assert!(early.stderr.contains("credential"), "{early:?}");

    world.renew_delegation();
    // By file as well as by the broker.
    world
        .authority(&["member", "export", "office", "-o", "office.cred"])
        .expect(0);
    world
        .offline(&["member", "install", "office.cred", "--dir", "office"])
        .expect(0);
    let running = ["authority", "run", "--passphrase-file", "passphrase"];
    let mut authority = Running::start(world.command(&running));
    authority.wait_for("the broker has all");
    world.talk("21.5");
    world.authority(&["rotate", "plant"]).expect(0);
    world.talk("22.5");
    authority.interrupt();
}

#[test]
fn version_1_goes_on_after_a_renewal_of_the_delegation() {
    from_version_1(1);
}

#[test]
fn version_1_of_suite_2_goes_on_after_a_renewal_of_the_delegation() {
    from_version_1(2);
}

/// Their delegation and credentials count; groups begin again with keys for state.
#[test]
fn versions_without_kept_keys_go_on_at_once() {
    for (version, suite) in [("v2", 1), ("v3", 1), ("v3", 2)] {
        let mut world = World::new(version, suite);
        let broker = brokers::bundled(world.folder.path(), &[]);
        world.connection = ["-h", "127.0.0.1", "-p", &broker.port]
            .map(str::to_owned)
            .into();
        let running = ["authority", "run", "--passphrase-file", "passphrase"];
        let mut authority = Running::start(world.command(&running));
        authority.wait_for("the broker has all");
        world.talk("23.5");
        let ended = authority.interrupt();
        assert!(ended.stderr.contains("brought forward"), "{ended:?}");
    }
}

/// A broker may keep for ever what was published before the upgrade, and show it again: it proves
/// nothing against the store, and is not published again.
#[test]
fn what_version_1_published_alarms_nobody() {
    let world = World::new("v1", 1);
    let name = "sealmq-authority/authority.store";
    let before = open(&world, name, StoreRole::Authority);
    let outbox = before.list("outbox/").unwrap();
    before.close().unwrap();
    assert!(outbox.len() > 5);
    world.renew_delegation();

    let store = open(&world, name, StoreRole::Authority);
    let mut authority = Authority::load(&store).unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    for (key, payload) in &outbox {
        let topic = key.strip_prefix("outbox/").unwrap();
        let plan = authority.observe(&store, topic, payload, now).unwrap();
        let again = plan.republications(&store).unwrap();
        assert!(
            again.iter().all(|again| again.payload != **payload),
            "{topic}"
        );
        assert!(authority.suspension().is_none(), "{topic}");
    }
    // Devices do not take it either, in any form.
    for device in ["sensor", "office"] {
        let mut store = open(&world, &format!("{device}/member.store"), StoreRole::Member);
        let changes = Member::migration(&store).unwrap().unwrap();
        store.commit(&changes).unwrap();
        let mut member = Member::load(&store, MemberOptions::default()).unwrap();
        for (key, payload) in &outbox {
            let topic = key.strip_prefix("outbox/").unwrap();
            let actions = member.handle_reserved(topic, payload, Some(now * 1000));
            let commits = |action: &Action| matches!(action, Action::Commit(_));
            assert!(!actions.iter().any(commits), "{topic}");
        }
        assert!(member.awaits_credential());
    }
    // What is not replaced is cleared at the broker.
    let stands = authority.outbox(&store).unwrap();
    for (key, payload) in &outbox {
        let topic = key.strip_prefix("outbox/").unwrap();
        let now = stands.iter().find(|stands| stands.topic == topic).unwrap();
        assert_ne!(now.payload, **payload, "{topic}");
    }
}

/// Opens a store as the crates do, without the program.
fn open(world: &World, name: &str, role: StoreRole) -> FileStore {
    let unlock = match role {
        StoreRole::Authority => {
            let text = fs::read_to_string(world.folder.path().join("passphrase")).unwrap();
            Unlock::Passphrase(text.lines().next().unwrap().to_owned().into())
        }
        _ => Unlock::KeyFile(world.folder.path().join("stores.key")),
    };
    let vault = Vault::unlock(&world.folder.path().join(name), role, &unlock).unwrap();
    vault.open().unwrap()
}

#[test]
fn every_kept_store_opens() {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test-vectors/stores");
    let versions = fs::read_dir(stores)
        .unwrap()
        .map(|version| version.unwrap());
    let versions = versions.filter(|version| version.file_type().unwrap().is_dir());
    let mut count = 0;
    for version in versions {
        let version = version.file_name().into_string().unwrap();
        for suite in [1, 2] {
            let world = World::new(&version, suite);
            world.offline(&["root", "show"]).expect(0);
            let mut store = open(
                &world,
                "sealmq-authority/authority.store",
                StoreRole::Authority,
            );
            let changes = Authority::migration(&store).unwrap();
            changes
                .iter()
                .for_each(|changes| store.commit(changes).unwrap());
            assert!(Authority::migration(&store).unwrap().is_none());
            let authority = Authority::load(&store).unwrap();
            assert_eq!(authority.groups().count(), 1);
            assert_eq!(authority.members().count(), 3);
            for device in ["sensor", "office", "gone"] {
                let path = format!("{device}/member.store");
                if !world.folder.path().join(&path).exists() {
                    continue;
                }
                let mut store = open(&world, &path, StoreRole::Member);
                let changes = Member::migration(&store).unwrap();
                changes
                    .iter()
                    .for_each(|changes| store.commit(changes).unwrap());
                assert!(Member::migration(&store).unwrap().is_none());
                let member = Member::load(&store, MemberOptions::default()).unwrap();
                assert_eq!(member.name(), device);
                assert_eq!(member.groups().next().unwrap().name, "plant");
                count += 1;
            }
        }
    }
    assert!(count >= 5);
}

#[tokio::test]
async fn an_application_opens_a_store_of_version_1() {
    let world = World::new("v1", 1);
    let store = open(&world, "sensor/member.store", StoreRole::Member);
    let mqtt = MqttOptions::new("sensor", "127.0.0.1", 1);
    let opened = AsyncClient::with_options(mqtt, store, SealOptions::new());
    opened.map(|_| ()).unwrap();
}

#[test]
fn what_was_asked_in_version_1_and_not_answered_is_asked_again() {
    let world = World::new("v1", 1);
    let about = ["an earlier version made the request", "delete the store"];
    for device in ["lab", "meter"] {
        let mut join = vec![
            "join", "--root", "root.pub", "--name", device, "--dir", device,
        ];
        join.extend(["-h", "127.0.0.1", "-p", "1", "--timeout", "1s"]);
        world.offline(&join).complains(1, &about);
    }
    world.authority(&["member", "list"]).expect(0);
    let pending = world.authority(&["authority", "pending"]).expect(0);
    assert!(!pending.stdout.contains("lab"), "{pending:?}");
}

#[test]
fn stores_of_a_later_version_are_refused() {
    let world = World::new("v1", 1);
    for (name, role, key) in [
        ("sensor/member.store", StoreRole::Member, "member/identity"),
        (
            "sealmq-authority/authority.store",
            StoreRole::Authority,
            "authority/domain",
        ),
        (
            "sealmq-authority/root.store",
            StoreRole::Root,
            "root/version",
        ),
    ] {
        let mut store = open(&world, name, role);
        let value = store.get(key).unwrap();
        let mut value = value.map_or(vec![0], |value| value.to_vec());
        value[0] = 99;
        let mut changes = Changes::new();
        changes.put(key, value);
        store.commit(&changes).unwrap();
        store.close().unwrap();
    }
    let about = ["a later version wrote"];
    let publish = [
        "pub",
        "--dir",
        "sensor",
        "-h",
        "127.0.0.1",
        "-p",
        "1",
        "-t",
        "a",
        "-m",
        "x",
    ];
    world.offline(&publish).complains(1, &about);
    world.authority(&["member", "list"]).complains(4, &about);
    world.offline(&["root", "show"]).complains(4, &about);
}
