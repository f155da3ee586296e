//! `kill -9` at random moments, again and again, against a live broker: the authority while it
//! publishes, a reader, a publisher, and commands that change the authority's store. Whatever is
//! killed starts again with what is on disk, and everybody goes on: no epoch goes back or forks, no
//! message is accepted twice, and who was removed stays outside.
//!
//! `SEALMQ_KILL_RUNS` is the number of kills (200), `SEALMQ_KILL_SEED` another sequence of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;
use crate::common::{Ended, Running};

/// Live readers that are removed in the course of the runs.
const GUESTS: [&str; 3] = ["eve", "mallory", "trudy"];
const TOPIC: &str = "plant/sensor/load";

struct Xorshift(u64);

/// `member add` for a reader.
fn adding<'a>(request: &'a str, credential: &'a str) -> [&'a str; 7] {
    [
        "member",
        "add",
        request,
        "--subscribe",
        "plant",
        "-o",
        credential,
    ]
}

impl Xorshift {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn one_of_two(&mut self) -> bool {
        self.below(2) == 0
    }

    fn pause(&mut self, longest_ms: u64) {
        sleep(Duration::from_micros(self.below(longest_ms * 1000)));
    }
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// A reader that was removed while it was connected.
struct Removed {
    name: &'static str,
    reader: Running,
    /// The first epoch without it.
    outside_from: u64,
}

struct World {
    // First, so that everything else ends before its broker and its folder.
    authority: Option<Running>,
    reader: Option<Running>,
    publisher: Option<Running>,
    /// A reader that is never killed.
    witness: Running,
    guests: Vec<(&'static str, Running)>,
    removed: Vec<Removed>,
    _broker: Broker,
    domain: Domain,
    random: Xorshift,
    /// What the killed readers had printed, and what they had remarked.
    printed: Vec<String>,
    remarks: String,
    /// The authority's epoch as last seen.
    epoch: u64,
    lines: u64,
    members: u64,
    /// Enrolled, and of no further use.
    throw_away: Vec<String>,
    /// Kills that met a living process, by what it was doing.
    kills: BTreeMap<&'static str, u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut domain = Domain::new();
        let broker = brokers::bundled(domain.path(), &["--data", "broker-data"]);
        domain.connection = ["-h", "127.0.0.1", "-p", &broker.port]
            .map(str::to_owned)
            .to_vec();
        domain.enrol("sensor", &["--publish", "plant:plant/%c/#"]);
        for reader in ["ann", "bob"].iter().chain(&GUESTS) {
            domain.enrol(reader, &["--subscribe", "plant"]);
        }
        let authority = domain.authority();
        let guest = |name| {
            (
                name,
                domain.subscribe(name, &["-t", "plant/#", "-F", "%p %e"]),
            )
        };
        let guests = GUESTS.map(guest).into();
        let witness = domain.subscribe("bob", &["-t", "plant/#", "-F", "%p %e"]);
        let mut world = Self {
            authority: Some(authority),
            reader: None,
            publisher: None,
            witness,
            guests,
            removed: Vec::new(),
            _broker: broker,
            domain,
            random: Xorshift(seed),
            printed: Vec::new(),
            remarks: String::new(),
            epoch: 0,
            lines: 0,
            members: 0,
            throw_away: Vec::new(),
            kills: BTreeMap::new(),
        };
        world.start_reader();
        world.start_publisher();
        world.look();
        world
    }

    /// The session stays at the broker, so that what was not acknowledged comes again.
    fn start_reader(&mut self) {
        let options = [
            "-t", "plant/#", "-F", "%p %e", "--strict", "-c", "-i", "ann",
        ];
        self.reader = Some(self.domain.subscribe("ann", &options));
    }

    fn start_publisher(&mut self) {
        let args = ["pub", "--dir", "sensor", "-t", TOPIC, "-l", "--debug"];
        self.publisher = Some(Running::start(self.domain.connected(&args)));
    }

    /// Counts a kill, if there was something left to kill.
    fn count(&mut self, what: &'static str, ended: &Ended) {
        if ended.status.signal() == Some(9) {
            *self.kills.entry(what).or_default() += 1;
        }
    }

    /// A line of its own to publish.
    fn line(&mut self) -> String {
        self.lines += 1;
        let line = format!("line-{}", self.lines);
        let stdin = self.publisher.as_mut().unwrap().stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        line
    }

    fn lines(&mut self) {
        for _ in 0..=self.random.below(20) {
            self.line();
        }
    }

    /// The authority's store loads; its epoch never goes back.
    fn look(&mut self) {
        let list = self.domain.ok(&["group", "list"]).stdout;
        let epoch = list
            .lines()
            .find_map(|line| line.trim().strip_prefix("epoch"))
            .and_then(|rest| rest.trim().split(',').next()?.parse().ok())
            .unwrap();
        assert!(epoch >= self.epoch, "epoch {epoch} after {}", self.epoch);
        self.epoch = epoch;
    }

    /// What is published now arrives at the reader. Returns the epoch that it was sealed in.
    fn probe(&mut self) -> u64 {
        let line = format!("{} ", self.line());
        epoch_of(&self.reader.as_mut().unwrap().wait_for(&line))
    }

    /// A change of the authority's store, to be published by `authority run`.
    fn change(&mut self) {
        match self.random.below(4) {
            0 => self.domain.ok(&["rotate", "plant"]),
            1 => self.domain.ok(&["member", "renew", "ann"]),
            2 => self.domain.ok(&["member", "renew", "sensor"]),
            _ => {
                let name = self.request();
                self.add(&name).expect(0);
                self.domain.ok(&["member", "remove", &name])
            }
        };
    }

    fn request(&mut self) -> String {
        self.members += 1;
        let name = format!("temp{}", self.members);
        let request = format!("{name}.req");
        self.domain
            .ok(&["member", "request", &name, "--dir", &name, "-o", &request]);
        name
    }

    fn add(&self, name: &str) -> Ended {
        let [request, credential] = [format!("{name}.req"), format!("{name}.cred")];
        self.domain.try_run(&adding(&request, &credential))
    }

    fn state_of(&self, name: &str) -> Option<String> {
        let list = self.domain.ok(&["member", "list"]).stdout;
        list.lines()
            .find_map(|line| line.split_once(&format!(" {name}: ")))
            .map(|(_, state)| state.to_owned())
    }

    /// Starts a command and kills it: most take some tens of milliseconds.
    fn kill_command(&mut self, what: &'static str, args: &[&str]) -> Ended {
        let running = Running::start(self.domain.command(args));
        self.random.pause(60);
        let ended = running.kill();
        self.count(what, &ended);
        ended
    }

    fn kill_authority(&mut self) {
        self.change();
        // It looks at the store every 250 ms, and then publishes.
        self.random.pause(300);
        let ended = self.authority.take().unwrap().kill();
        self.count("authority run", &ended);
        assert!(ended.stderr.is_empty(), "{ended:?}");
        self.authority = Some(self.domain.authority());
    }

    fn kill_reader(&mut self) {
        if self.random.one_of_two() {
            self.domain.ok(&["rotate", "plant"]);
        }
        self.lines();
        self.random.pause(150);
        let ended = self.reader.take().unwrap().kill();
        self.count("sub", &ended);
        self.printed.extend(ended.stdout.lines().map(str::to_owned));
        self.remarks += &ended.stderr;
        self.start_reader();
    }

    fn kill_publisher(&mut self) {
        if self.random.one_of_two() {
            self.domain.ok(&["rotate", "plant"]);
        }
        self.lines();
        self.random.pause(150);
        let ended = self.publisher.take().unwrap().kill();
        self.count("pub", &ended);
        quiet(&ended.stderr);
        self.start_publisher();
    }

    fn kill_rotate(&mut self) {
        let before = self.epoch;
        let ended = self.kill_command("rotate", &["rotate", "plant"]);
        self.look();
        if ended.stdout.contains(": epoch ") {
            assert!(self.epoch > before, "said, and not done: {ended:?}");
        }
    }

    /// A member is in and its credential can be had, or it is not and can be added.
    fn kill_add(&mut self) {
        let name = self.request();
        let [request, credential] = [format!("{name}.req"), format!("{name}.cred")];
        self.kill_command("member add", &adding(&request, &credential));
        if self.state_of(&name).is_none() {
            // Written after the authority's commit: there is none for somebody who is not in.
            assert!(!self.domain.path().join(&credential).exists());
            self.add(&name).expect(0);
        } else {
            // Missing, or half written.
            let _absent = fs::remove_file(self.domain.path().join(&credential));
            self.domain
                .ok(&["member", "export", &name, "-o", &credential]);
        }
        self.domain
            .ok(&["member", "install", &credential, "--dir", &name]);
        self.throw_away.push(name);
    }

    /// A removal is done, or can be done; with it the epoch ends.
    fn kill_remove(&mut self, name: &str) {
        let before = self.epoch;
        self.kill_command("member remove", &["member", "remove", name]);
        if self.state_of(name).unwrap().starts_with("valid") {
            self.domain.ok(&["member", "remove", name]);
        }
        self.look();
        assert!(
            self.epoch > before,
            "{name} was removed within epoch {before}"
        );
        assert!(self.state_of(name).unwrap().starts_with("removed"));
    }

    fn remove_guest(&mut self) {
        let (name, mut reader) = self.guests.pop().unwrap();
        self.kill_remove(name);
        let outside_from = self.epoch;
        reader.wait_for_remark("this member was removed");
        let removed = Removed {
            name,
            reader,
            outside_from,
        };
        self.removed.push(removed);
    }

    fn cycle(&mut self) {
        match self.random.below(20) {
            0..=6 => self.kill_authority(),
            7..=10 => self.kill_reader(),
            11..=13 => self.kill_publisher(),
            14 | 15 => self.kill_rotate(),
            16 | 17 => self.kill_add(),
            _ => match self.throw_away.pop() {
                Some(name) => self.kill_remove(&name),
                None => self.kill_add(),
            },
        }
        self.probe();
        self.look();
    }

    /// Everything that is only known at the end.
    fn finish(mut self) {
        // All agree on the last epoch.
        self.domain.ok(&["rotate", "plant"]);
        self.look();
        let last = self.epoch;
        let remark = format!("epoch {last}\n");
        self.witness.wait_for_remark(&remark);
        self.publisher.as_mut().unwrap().wait_for_remark(&remark);
        assert_eq!(self.probe(), last);

        // Who was removed reads nothing, neither then nor after a restart, not even what stands.
        let retained = ["-t", "plant/sensor/last", "-m", "retained", "-r"];
        let publisher = self.publisher.take().unwrap().end().expect(0);
        quiet(&publisher.stderr);
        self.domain.publish("sensor", &retained, b"").expect(0);
        self.reader.as_mut().unwrap().wait_for("retained ");
        self.witness.wait_for("retained ");
        assert_eq!(self.removed.len(), GUESTS.len());
        for Removed {
            name,
            reader,
            outside_from,
        } in self.removed
        {
            let ended = reader.kill();
            let outside = |line: &&str| epoch_of(line) >= outside_from;
            assert_eq!(ended.stdout.lines().find(outside), None, "{name}");
            assert!(ended.stdout.lines().count() > 0, "{name} had read before");
            let args = ["sub", "--dir", name, "-t", "plant/#", "-W", "1"];
            let ended = crate::common::run(self.domain.connected(&args)).expect(27);
            assert_eq!(ended.stdout, "", "{name}");
        }

        // Nothing was accepted twice, and no message is from an earlier epoch than the one before it.
        let reader = self.reader.take().unwrap().interrupt().expect(0);
        self.printed
            .extend(reader.stdout.lines().map(str::to_owned));
        quiet(&self.remarks);
        quiet(&reader.stderr);
        let mut seen = BTreeSet::new();
        let mut epoch = 0;
        for line in &self.printed {
            assert!(seen.insert(line.split(' ').next()), "{line} came twice");
            assert!(epoch_of(line) >= epoch, "{line} after epoch {epoch}");
            epoch = epoch_of(line);
        }

        // The witness followed one line of epochs, each once, and nobody showed it another one.
        let witness = self.witness.interrupt().expect(0);
        quiet(&witness.stderr);
        let epochs: Vec<u64> = witness
            .stderr
            .lines()
            .filter(|line| line.starts_with("group plant:"))
            .map(epoch_of)
            .collect();
        assert!(epochs.is_sorted_by(|a, b| a < b), "{epochs:?}");
        assert_eq!(epochs.last(), Some(&last));
        let authority = self.authority.take().unwrap().interrupt().expect(0);
        assert_eq!(authority.stderr, "");
    }
}

/// The number at the end of a line.
#[track_caller]
fn epoch_of(line: &str) -> u64 {
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// No alarm, no object refused, no rollback; and of messages only second copies were turned away.
#[track_caller]
fn quiet(remarks: &str) {
    for line in remarks.lines().filter(|line| line.starts_with("sealmq: ")) {
        assert!(line.contains("not accepted: replay"), "{line}");
    }
}

#[test]
fn two_hundred_kills_lose_nothing() {
    let runs = setting("SEALMQ_KILL_RUNS", 200);
    let seed = setting("SEALMQ_KILL_SEED", 0x5ea1_ed01);
    println!("SEALMQ_KILL_RUNS={runs} SEALMQ_KILL_SEED={seed}");
    let start = Instant::now();
    let mut world = World::new(seed);
    world.probe();
    let mut cycles = 0;
    // A command that ended before its kill does not count.
    while world.kills.values().sum::<u64>() < runs {
        assert!(cycles < 3 * runs, "kills come too late: {:?}", world.kills);
        cycles += 1;
        let removals = u64::try_from(world.removed.len()).unwrap() + 1;
        if removals <= 3 && cycles * 4 >= runs * removals {
            world.remove_guest();
            world.probe();
        } else {
            world.cycle();
        }
    }
    println!(
        "{:?} in {cycles} cycles, {} lines, epoch {}, {:.1?}",
        world.kills,
        world.lines,
        world.epoch,
        start.elapsed()
    );
    while world.removed.len() < GUESTS.len() {
        world.remove_guest();
    }
    world.finish();
}
