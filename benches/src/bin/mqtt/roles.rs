//! What the processes do: publish, or subscribe; plain, or sealed.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cpu_time::ProcessTime;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{self, MqttOptions};
use sealmq_rumqttc::{Event, SealOptions};
use sealmq_store::{FileStore, StoreRole, Vault};
use stats_alloc::Region;
use tokio::sync::Semaphore;

use crate::{ALLOCATOR, PAYLOAD, domain};

/// Messages on their way from publisher to subscriber, at most.
pub(crate) const WINDOW: usize = 100;
/// So many are reported together.
const REPORT: usize = 20;
const TOPIC: &str = "plant/line/7";

pub(crate) fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

pub(crate) fn options(id: &str, address: &str) -> MqttOptions {
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut options = MqttOptions::new(id, host, port.parse().unwrap());
    options.set_max_packet_size(Some(2 << 20));
    options.set_outgoing_inflight_upper_limit(100);
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    options
}

/// What is measured from the end of the warming up to the end.
struct Measure<'a> {
    messages: usize,
    start: Instant,
    processor: ProcessTime,
    region: Region<'a, std::alloc::System>,
}

impl Measure<'_> {
    fn start(messages: usize) -> Self {
        Self {
            messages,
            start: Instant::now(),
            processor: ProcessTime::now(),
            region: Region::new(ALLOCATOR),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    fn end(self) {
        let processor = self.processor.elapsed();
        let seconds = self.start.elapsed().as_secs_f64();
        let change = self.region.change();
        let messages = self.messages as f64;
        eprintln!(
            "{} {} {} {}",
            messages / seconds,
            processor.as_secs_f64() * 1e6 / messages,
            (change.allocations + change.reallocations) as f64 / messages,
            change.bytes_allocated as f64 / messages,
        );
    }
}

pub(crate) fn run(args: &[String]) {
    let [role, kind, qos, messages, address, folder] = args else {
        panic!("ROLE KIND QOS MESSAGES ADDRESS FOLDER");
    };
    let qos = if qos == "0" {
        QoS::AtMostOnce
    } else {
        QoS::AtLeastOnce
    };
    let messages = messages.parse().unwrap();
    let options = options(role, address);
    let store = || {
        let folder = Path::new(folder);
        let vault = Vault::unlock(
            &folder.join(role),
            StoreRole::Member,
            &domain::unlock(folder),
        );
        vault.unwrap().open().unwrap()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        match (role.as_str(), kind.as_str()) {
            ("publish", "plain") => publish_plain(options, qos, messages).await,
            ("publish", _) => publish_sealed(options, store(), qos, messages).await,
            (_, "plain") => subscribe_plain(options, qos, messages).await,
            _ => subscribe_sealed(options, store(), qos, messages).await,
        }
    });
}

/// A place for each message that may be on its way; the subscriber's reports make room again.
fn window() -> Arc<Semaphore> {
    let window = Arc::new(Semaphore::new(WINDOW));
    let room = Arc::clone(&window);
    std::thread::spawn(move || {
        while io::stdin().read_exact(&mut [0]).is_ok() {
            room.add_permits(REPORT);
        }
    });
    window
}

/// Publishes with this call, as fast as the window lets it.
async fn publish(messages: usize, publish: impl AsyncFn(Vec<u8>)) {
    let window = window();
    let mut measure = None;
    let warm = messages / 10;
    for n in 0..messages + warm {
        if n == warm {
            measure = Some(Measure::start(messages));
        }
        window.acquire().await.unwrap().forget();
        publish(vec![b'x'; PAYLOAD]).await;
    }
    // All have arrived.
    let all = u32::try_from(WINDOW).unwrap();
    let _all = window.acquire_many(all).await.unwrap();
    measure.unwrap().end();
}

async fn publish_plain(options: MqttOptions, qos: QoS, messages: usize) {
    let (client, mut eventloop) = v5::AsyncClient::new(options, WINDOW);
    let call = async |payload| client.publish(TOPIC, qos, false, payload).await.unwrap();
    tokio::select! {
        () = publish(messages, call) => {}
        () = async { while eventloop.poll().await.is_ok() {} } => panic!("no connection"),
    }
}

async fn publish_sealed(options: MqttOptions, store: FileStore, qos: QoS, messages: usize) {
    let sealing = SealOptions::new().wait_for_keys(Duration::from_secs(30));
    let (client, mut eventloop) =
        sealmq_rumqttc::v5::AsyncClient::with_options(options, store, sealing).unwrap();
    let call = async |payload| client.publish(TOPIC, qos, false, payload).await.unwrap();
    tokio::select! {
        () = publish(messages, call) => {}
        () = async { while eventloop.poll().await.is_ok() {} } => panic!("no connection"),
    }
}

/// Counts what arrives, and reports it to the publisher.
struct Arrivals<'a> {
    warm: usize,
    messages: usize,
    count: usize,
    measure: Option<Measure<'a>>,
}

impl Arrivals<'_> {
    fn new(messages: usize) -> Self {
        Self {
            warm: messages / 10,
            messages,
            count: 0,
            measure: None,
        }
    }

    fn subscribed() {
        report();
    }

    /// Whether this was the last one.
    fn took(&mut self, payload: &[u8]) -> bool {
        assert_eq!(payload.len(), PAYLOAD);
        self.count += 1;
        if self.count == self.warm {
            self.measure = Some(Measure::start(self.messages));
        }
        if self.count.is_multiple_of(REPORT) {
            report();
        }
        if self.count < self.warm + self.messages {
            return false;
        }
        self.measure.take().unwrap().end();
        true
    }
}

/// The publisher is not there any more when the last ones are reported.
fn report() {
    let mut out = io::stdout();
    let _gone = out.write_all(b".").and_then(|()| out.flush());
}

async fn subscribe_plain(options: MqttOptions, qos: QoS, messages: usize) {
    let (client, mut eventloop) = v5::AsyncClient::new(options, WINDOW);
    client.subscribe("plant/#", qos).await.unwrap();
    let mut arrivals = Arrivals::new(messages);
    loop {
        match eventloop.poll().await.unwrap() {
            v5::Event::Incoming(Packet::SubAck(_)) => Arrivals::subscribed(),
            v5::Event::Incoming(Packet::Publish(publish)) if arrivals.took(&publish.payload) => {
                return;
            }
            _ => {}
        }
    }
}

async fn subscribe_sealed(options: MqttOptions, store: FileStore, qos: QoS, messages: usize) {
    let (client, mut eventloop) =
        sealmq_rumqttc::v5::AsyncClient::new(options, store, WINDOW).unwrap();
    client.subscribe("plant/#", qos).await.unwrap();
    let mut arrivals = Arrivals::new(messages);
    loop {
        match eventloop.poll().await.unwrap() {
            Event::Subscribed { .. } => Arrivals::subscribed(),
            Event::Message(message) if arrivals.took(&message.payload) => return,
            Event::Rejected { .. } => panic!("rejected"),
            _ => {}
        }
    }
}
