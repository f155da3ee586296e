//! 1,000 scattered members are removed at once, through brokers that take packets of 64 KiB at
//! most, by the real authority. A device with 32 KiB of memory follows and reads on, subscribing
//! only to what it needs; a removed reader does not.
//!
//! `SEALMQ_REMOVAL_MEMBERS` is the size of the group: 10,000, or as in CI 100,000, each of them
//! enrolled with a request of its own.
mod device;
mod mqtt;

use std::fs;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use self::device::NewDevice;
use self::mqtt::{Mqtt, packet_len};
use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;
use getrandom::SysRng;
use sealmq_authority::{Authority, Enrolled, GrantSpec, NewGroup};
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::Access;
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::member::Member;
use sealmq_keys::objects::{VerifiedDelegation, decode_request};
use sealmq_keys::{Publication, ReservedTopic};
use sealmq_store::MemoryStore;

const REMOVED: usize = 1000;
/// At most three quarters of the leaves of a half are taken, or the authority begins a deeper tree.
const DEPTH: u8 = 19;
const LIMIT: usize = 65_536;
const YEAR: u64 = 365 * 86_400;

/// The group before and after the removal, as what its authority published.
struct World {
    /// The folders of the members that run the program.
    members: Domain,
    device: NewDevice,
    device_number: MemberNumber,
    publisher_number: MemberNumber,
    group: GroupId,
    prefix: String,
    delegation: VerifiedDelegation,
    /// Up to the first epoch, what the members here need of it.
    before: Vec<Publication>,
    removal: Vec<Publication>,
}

fn members() -> usize {
    std::env::var("SEALMQ_REMOVAL_MEMBERS").map_or(10_000, |text| text.parse().unwrap())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn grant(access: Access) -> [GrantSpec; 1] {
    [GrantSpec {
        group: "plant".to_owned(),
        access,
        publish_filter: String::new(),
    }]
}

impl World {
    fn new() -> Self {
        let (started, members_in_all) = (now(), members());
        let new = Authority::create(None, YEAR, started, &mut SysRng).unwrap();
        let mut authority = new.authority;
        let group = NewGroup {
            depth: DEPTH,
            ..NewGroup::new("plant", ["plant/#"])
        };
        // Its first epoch has nobody in it; the members begin in the second.
        let made = authority.add_group(&group, started, &mut SysRng).unwrap();
        let members = Domain {
            folder: tempfile::tempdir().unwrap(),
            connection: Vec::new(),
        };
        let topic = ReservedTopic::Delegation.name(authority.prefix());
        let mut before = vec![Publication::retained(topic, authority.delegation())];
        before.extend(made.publications);

        // Those that take part.
        let device = NewDevice::new();
        let mut buffer = [0; 1024];
        let request = device.request("device", started, &mut buffer);
        let device_number = enrol(&mut authority, request, Access::SUBSCRIBE, &mut before).number;
        let mut program = |name: &str, access| {
            let request = format!("{name}.req");
            members.ok(&["member", "request", name, "--dir", name, "-o", &request]);
            let request = fs::read_to_string(members.path().join(request)).unwrap();
            let request = decode_request(&request).unwrap();
            let enrolled = enrol(&mut authority, &request, access, &mut before);
            let credential = members.path().join(name).join("credential");
            fs::write(&credential, enrolled.credential_file).unwrap();
            let credential = credential.display().to_string();
            members.ok(&["member", "install", &credential, "--dir", name]);
            enrolled.number
        };
        let publisher_number = program("pump", Access::BOTH);
        program("office", Access::SUBSCRIBE);
        let gone = program("gone", Access::SUBSCRIBE);

        // And the others. Half of the work is theirs, so it has a thread of its own.
        let (requests, others) = sync_channel(1024);
        let maker = thread::spawn(move || {
            for n in 4..members_in_all {
                let (_, file) = Member::request(
                    &MemoryStore::new(),
                    &format!("device-{n}"),
                    1,
                    Some(started * 1000),
                    &mut SysRng,
                )
                .unwrap();
                requests.send(decode_request(&file).unwrap()).unwrap();
            }
        });
        let mut numbers = Vec::new();
        for request in others {
            let grant = grant(Access::SUBSCRIBE);
            let (enrolled, _) = authority
                .enrol(&request, &grant, YEAR, started, &mut SysRng)
                .unwrap();
            numbers.push(enrolled.number);
        }
        maker.join().unwrap();
        assert_eq!(authority.members().count(), members_in_all);
        let plan = authority.tick(now() + 2, &mut SysRng).unwrap();
        before.extend(plan.publications);

        let mut removed: Vec<MemberNumber> = numbers
            .chunks(numbers.len() / (REMOVED - 1))
            .map(|some| some[0])
            .collect();
        removed.truncate(REMOVED - 1);
        removed.push(gone);
        assert_eq!(removed.len(), REMOVED);
        let plan = authority
            .remove_all(&removed, now() + 2, &mut SysRng)
            .unwrap();
        let root = VerifyingKey::from_bytes(authority.root_key()).unwrap();
        Self {
            members,
            device,
            device_number,
            publisher_number,
            group: authority.groups().next().unwrap().id,
            prefix: authority.prefix().to_owned(),
            delegation: VerifiedDelegation::verify(authority.delegation(), &root).unwrap(),
            before,
            removal: plan.publications,
        }
    }

    /// What the removal's announcement weighs together with its chunks, and how many there are.
    fn announced(&self) -> (usize, usize) {
        let of_epoch = self.removal.iter().filter(|publication| {
            let topic = ReservedTopic::parse(&self.prefix, &publication.topic);
            matches!(
                topic,
                Some(ReservedTopic::Announcement(..) | ReservedTopic::Chunk(..))
            )
        });
        let bytes = of_epoch.map(|publication| publication.payload.len());
        bytes.fold((0, 0), |(sum, count), len| (sum + len, count + 1))
    }
}

fn enrol(
    authority: &mut Authority,
    request: &[u8],
    access: Access,
    before: &mut Vec<Publication>,
) -> Enrolled {
    let (enrolled, plan) = authority
        .enrol(request, &grant(access), YEAR, now(), &mut SysRng)
        .unwrap();
    before.extend(plan.publications);
    enrolled
}

fn through(world: &World, broker: &Broker) {
    let mut members = Domain {
        folder: tempfile::tempdir().unwrap(),
        connection: Vec::new(),
    };
    members.connection = ["-h", "127.0.0.1", "-p", &broker.port]
        .map(str::to_owned)
        .to_vec();
    for name in ["pump", "office", "gone"] {
        let (from, to) = (world.members.path().join(name), members.path().join(name));
        fs::create_dir(&to).unwrap();
        fs::copy(from.join("member.store"), to.join("member.store")).unwrap();
    }
    fs::copy(
        world.members.path().join("stores.key"),
        members.path().join("stores.key"),
    )
    .unwrap();
    let mut authority = Mqtt::connect(&broker.port, "authority");
    authority.publish(&world.before);

    // The device takes what concerns it, and nothing else.
    let mut line = Mqtt::connect(&broker.port, "device");
    let name = |topic: ReservedTopic| topic.name(&world.prefix);
    let welcome = line.retained(&name(ReservedTopic::Welcome(
        world.device_number,
        world.group,
    )));
    let mut device = world.device.install(world.delegation.clone(), &welcome);
    let first = line.retained(&name(ReservedTopic::Announcement(world.group, 2)));
    assert_eq!(device.announced(&first, &world.prefix, now()), None);
    let credential = name(ReservedTopic::Credential(world.publisher_number));
    device.credential(&line.retained(&credential));
    line.subscribe("plant/#");

    let mut office = members.subscribe("office", &["-t", "plant/#", "-F", "%e|%p"]);
    let mut gone = members.subscribe("gone", &["-t", "plant/#", "-F", "%e|%p"]);
    let says = |text: &str| {
        members
            .publish("pump", &["-t", "plant/p", "-m", text], b"")
            .expect(0)
    };
    says("before");
    office.wait_for("2|before");
    gone.wait_for("2|before");
    let sealed = line.next("plant/p");
    let opened = device.open("plant/p", &sealed, now()).unwrap();
    assert_eq!(opened, (2, "before".to_owned()));

    let before = line.received;
    line.subscribe(&name(ReservedTopic::Announcement(world.group, 3)));
    authority.publish(&world.removal);
    let head = line.next(&name(ReservedTopic::Announcement(world.group, 3)));
    let chunk = device.announced(&head, &world.prefix, now()).unwrap();
    let chunk = line.retained(&name(ReservedTopic::Chunk(world.group, 3, chunk)));
    device.chunk(&chunk, &world.prefix, now());
    let list = line.retained(&name(ReservedTopic::RefusedList(world.group)));
    device.refused(&list);
    let read = line.received - before;
    println!(
        "the device read {} + {} + {} bytes in {read} bytes of packets",
        head.len(),
        chunk.len(),
        list.len()
    );
    assert!(read < 24 * 1024, "{read} bytes");

    gone.wait_for_remark("this member was removed");
    says("after");
    office.wait_for("3|after");
    let sealed = line.next("plant/p");
    let opened = device.open("plant/p", &sealed, now()).unwrap();
    assert_eq!(opened, (3, "after".to_owned()));
    // What comes later has arrived at the removed one, so the message has as well.
    authority.publish(&[Publication::retained("plant/later".to_owned(), *b"clear")]);
    gone.wait_for_remark("plant/later: not accepted");
    assert_eq!(gone.interrupt().stdout, "2|before\n");
    office.interrupt().expect(0);
}

#[test]
fn a_thousand_removed_at_once_through_brokers_with_64_kib_packets() {
    let world = World::new();
    let (bytes, objects) = world.announced();
    let largest = world.removal.iter().map(packet_len).max().unwrap();
    println!(
        "of {} members; {bytes} bytes in {objects} objects, the largest packet {largest} bytes",
        members()
    );
    // It would not have gone in one packet, nor in a handful of them.
    assert!(bytes > 4 * LIMIT && objects > 32, "{bytes} in {objects}");
    assert!(largest <= LIMIT, "{largest} bytes");

    let folder = tempfile::tempdir().unwrap();
    let limit = LIMIT.to_string();
    let broker = brokers::bundled(folder.path(), &["--max-packet-size", &limit]);
    assert!(mqtt::takes(&broker.port, LIMIT));
    assert!(!mqtt::takes(&broker.port, LIMIT + 1));
    through(&world, &broker);

    let settings = format!("allow_anonymous true\nmax_packet_size {LIMIT}");
    if let Some(broker) = brokers::mosquitto(folder.path(), &settings) {
        assert!(mqtt::takes(&broker.port, LIMIT));
        // It does not count the packet's own length field.
        assert!(!mqtt::takes(&broker.port, LIMIT + 8));
        through(&world, &broker);
    }
}
