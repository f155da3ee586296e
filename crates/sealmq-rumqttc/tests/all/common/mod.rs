//! A domain with its authority, raw MQTT clients, and sealed ones that collect their events.

pub mod brokers;
mod node;
pub mod proxy;
pub mod script;
pub mod sink;

pub use node::{Node, Sealed, Setup};

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use getrandom::SysRng;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{self, MqttOptions};
use sealmq_authority::{Authority, GrantSpec, NewGroup, Plan, RootKey};
use sealmq_core::object::Access;
use sealmq_keys::member::Member;
use sealmq_keys::objects::{Roles, decode_request};
use sealmq_keys::{Changes, Publication, Store, StoredRecord};
use sealmq_rumqttc::Message;
use sealmq_store::{MemoryStore, StoreError};
use tokio::sync::mpsc;

/// Each scene over both versions of MQTT.
macro_rules! both {
    ($($scene:ident),* $(,)?) => {
        mod mqtt_3 {
            $(#[tokio::test]
            async fn $scene() {
                super::$scene::<sealmq_rumqttc::v4::V4>().await;
            })*
        }
        mod mqtt_5 {
            $(#[tokio::test]
            async fn $scene() {
                super::$scene::<sealmq_rumqttc::v5::V5>().await;
            })*
        }
    };
}
pub(crate) use both;

/// How long a test waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// A store that outlives the client, as a file does.
#[derive(Clone, Default)]
pub struct SharedStore(pub Arc<Mutex<MemoryStore>>);

impl SharedStore {
    /// As it is now, for a thief.
    pub fn copy(&self) -> Self {
        let mut changes = Changes::new();
        for (key, value) in self.list("").unwrap() {
            changes.put(key, value.to_vec());
        }
        let mut copy = Self::default();
        copy.commit(&changes).unwrap();
        copy
    }
}

impl Store for SharedStore {
    type Error = StoreError;

    fn get(&self, key: &str) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, StoreError> {
        self.0.lock().unwrap().get(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<StoredRecord>, StoreError> {
        self.0.lock().unwrap().list(prefix)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.0.lock().unwrap().commit(changes)
    }

    fn is_conflict(error: &StoreError) -> bool {
        MemoryStore::is_conflict(error)
    }
}

/// The authority, with a raw client that publishes what it decides.
pub struct Domain {
    pub authority: Authority,
    pub root: RootKey,
    pub store: MemoryStore,
    pub client: Raw,
}

pub const BOTH: Access = Access::BOTH;
pub const PUBLISH: Access = Access::PUBLISH;
pub const SUBSCRIBE: Access = Access::SUBSCRIBE;

impl Domain {
    /// With one group, `plant`, for `plant/#`.
    pub async fn new(broker: SocketAddr) -> Self {
        let mut store = MemoryStore::new();
        let domain = Authority::create(None, 30 * 86_400, now(), &mut SysRng).unwrap();
        store.commit(&domain.plan.changes).unwrap();
        let client = Raw::connect(options("authority", broker)).await;
        let mut domain = Self {
            authority: domain.authority,
            root: RootKey::from_seed(&domain.root_seed),
            store,
            client,
        };
        domain.add_group("plant", &["plant/#"]).await;
        domain
    }

    pub async fn add_group(&mut self, name: &str, filters: &[&str]) {
        let group = NewGroup::new(name, filters.iter().copied());
        let plan = self
            .authority
            .add_group(&group, now(), &mut SysRng)
            .unwrap();
        self.carry_out(plan).await;
    }

    /// Commits, publishes in order, and waits until the broker has everything.
    pub async fn carry_out(&mut self, plan: Plan) {
        self.store.commit(&plan.changes).unwrap();
        for publication in plan.publications {
            self.client
                .publish(&publication.topic, 1, true, publication.payload)
                .await;
        }
    }

    /// Everything that should stand at the broker, as after a restart of the authority.
    pub async fn publish_outbox(&mut self) {
        for publication in self.authority.outbox(&self.store).unwrap() {
            self.client
                .publish(&publication.topic, 1, true, publication.payload)
                .await;
        }
    }

    pub async fn reconnect(&mut self, broker: SocketAddr) {
        self.client = Raw::connect(options("authority", broker)).await;
    }

    /// Enrols a member without starting the epoch in which it can read.
    pub async fn enrol_only(&mut self, name: &str, grants: &[(&str, Access, &str)]) -> SharedStore {
        let mut store = SharedStore::default();
        let milliseconds = Some(now() * 1000);
        let (changes, request) =
            Member::request(&store, name, 4, milliseconds, &mut SysRng).unwrap();
        store.commit(&changes).unwrap();
        let grants: Vec<GrantSpec> = grants
            .iter()
            .map(|(group, access, filter)| GrantSpec {
                group: (*group).to_owned(),
                access: *access,
                publish_filter: (*filter).to_owned(),
            })
            .collect();
        let request = decode_request(&request).unwrap();
        let (enrolled, plan) = self
            .authority
            .enrol(&request, &grants, 86_400, now(), &mut SysRng)
            .unwrap();
        self.carry_out(plan).await;
        let (changes, _) = Member::enrol(&store, &enrolled.credential_file, milliseconds).unwrap();
        store.commit(&changes).unwrap();
        store
    }

    /// Starts the epochs that enrolments wait for.
    pub async fn tick(&mut self) {
        let plan = self.authority.tick(now(), &mut SysRng).unwrap();
        self.carry_out(plan).await;
    }

    pub async fn enrol(&mut self, name: &str, access: Access) -> SharedStore {
        let store = self.enrol_only(name, &[("plant", access, "")]).await;
        self.tick().await;
        store
    }

    pub async fn rotate(&mut self) {
        let plan = self.authority.rotate("plant", now(), &mut SysRng).unwrap();
        self.carry_out(plan).await;
    }

    /// As if somebody had been removed.
    pub async fn heal(&mut self) {
        let plan = self.authority.heal("plant", now(), &mut SysRng).unwrap();
        self.carry_out(plan).await;
    }

    /// Recovery from stolen keys of the authority, without its announcements, which it returns.
    pub async fn recover(&mut self, serial: u32) -> Plan {
        let asked = self
            .authority
            .request_delegation(true, true, now(), &mut SysRng);
        let (request, plan) = asked.unwrap();
        self.carry_out(plan).await;
        let until = now() + 86_400;
        let signed = self
            .root
            .delegate(&request, serial, now(), until, Roles::ALL);
        let object = signed.unwrap();
        let installed = self
            .authority
            .install_delegation(&object, true, now(), &mut SysRng);
        let mut plan = installed.unwrap();
        let mut later = Plan::default();
        let announcement = |p: &mut Publication| p.topic.contains("/a/");
        later.publications = plan.publications.extract_if(.., announcement).collect();
        self.carry_out(plan).await;
        later
    }

    pub async fn remove(&mut self, name: &str) {
        let number = self.authority.find_member(name).unwrap();
        let plan = self.authority.remove(number, now(), &mut SysRng).unwrap();
        self.carry_out(plan).await;
    }
}

pub fn options(id: &str, broker: SocketAddr) -> MqttOptions {
    let mut options = MqttOptions::new(id, broker.ip().to_string(), broker.port());
    let mut network = rumqttc::NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options
        .set_network_options(network)
        .set_keep_alive(Duration::from_secs(30))
        .set_max_packet_size(Some(4 << 20));
    options
}

/// A session that outlives the connection.
pub fn persistent(id: &str, broker: SocketAddr) -> MqttOptions {
    let mut options = options(id, broker);
    options
        .set_clean_start(false)
        .set_session_expiry_interval(Some(3600));
    options
}

pub const fn qos(level: u8) -> QoS {
    match level {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

/// A client that knows nothing of sealmq: the broker's view, and an attacker's.
pub struct Raw {
    client: v5::AsyncClient,
    packets: mpsc::UnboundedReceiver<Packet>,
    messages: VecDeque<Publish>,
}

impl Raw {
    pub async fn connect(options: MqttOptions) -> Self {
        let (client, mut eventloop) = v5::AsyncClient::new(options, 1000);
        let (sender, packets) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(event) = eventloop.poll().await {
                if let v5::Event::Incoming(packet) = event
                    && sender.send(packet).is_err()
                {
                    break;
                }
            }
        });
        let mut raw = Self {
            client,
            packets,
            messages: VecDeque::new(),
        };
        raw.until(|packet| matches!(packet, Packet::ConnAck(_)))
            .await;
        raw
    }

    async fn until(&mut self, found: impl Fn(&Packet) -> bool) {
        loop {
            let packet = within("a packet", self.packets.recv())
                .await
                .expect("connected");
            if found(&packet) {
                return;
            }
            if let Packet::Publish(publish) = packet {
                self.messages.push_back(publish);
            }
        }
    }

    /// Returns when the broker has it.
    pub async fn publish(
        &mut self,
        topic: &str,
        level: u8,
        retain: bool,
        payload: impl Into<Vec<u8>>,
    ) {
        self.client
            .publish(topic, qos(level), retain, payload.into())
            .await
            .unwrap();
        match level {
            0 => {}
            1 => {
                self.until(|packet| matches!(packet, Packet::PubAck(_)))
                    .await
            }
            _ => {
                self.until(|packet| matches!(packet, Packet::PubComp(_)))
                    .await
            }
        }
    }

    pub async fn subscribe(&mut self, filter: &str) {
        self.client
            .subscribe(filter, QoS::AtLeastOnce)
            .await
            .unwrap();
        self.until(|packet| matches!(packet, Packet::SubAck(_)))
            .await;
    }

    pub async fn next(&mut self) -> Publish {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return message;
            }
            let packet = within("a message", self.packets.recv())
                .await
                .expect("connected");
            if let Packet::Publish(publish) = packet {
                return publish;
            }
        }
    }
}

pub fn text(message: &Message) -> &str {
    std::str::from_utf8(&message.payload).unwrap()
}
