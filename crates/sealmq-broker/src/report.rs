//! The figures, for who asks: as topics under `$SYS`, under Mosquitto's names, and over HTTP in the
//! text format of Prometheus.

use core::fmt::Write as _;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use mqtt5::QoS;
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::sys_topics::BrokerStats;
use mqtt5::packet::publish::PublishPacket;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, warn};

use crate::line::Lines;
use crate::sessions::Sessions;
use crate::storage::Disk;

const VERSION: &str = concat!("sealmq version ", env!("CARGO_PKG_VERSION"));
const REQUEST: usize = 4096;
const REQUEST_TIME: Duration = Duration::from_secs(2);
const REQUESTS_AT_ONCE: usize = 16;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(crate) struct Report {
    pub(crate) lines: Arc<Lines>,
    pub(crate) stats: Arc<BrokerStats>,
    pub(crate) router: Arc<MessageRouter>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) folder: Option<Arc<Path>>,
}

/// One figure.
struct Figure {
    /// After `sealmq_broker_`.
    metric: &'static str,
    help: &'static str,
    /// It only grows.
    total: bool,
    /// After `$SYS/broker/`, where Mosquitto has it, too.
    topic: Option<&'static str>,
    value: u64,
}

impl Report {
    async fn figures(&self) -> Vec<Figure> {
        let counted = &self.lines.figures;
        let connected = self.stats.clients_connected.load(Ordering::Relaxed);
        let maximum = self.stats.clients_maximum.load(Ordering::Relaxed);
        let retained = self.router.retained_count().await;
        let subscriptions = self.router.topic_count().await;
        let (sessions, held) = self.sessions.kept();
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let now = |metric, help, topic, value| Figure {
            metric,
            help,
            total: false,
            topic,
            value,
        };
        let total = |metric, help, topic, value| Figure {
            metric,
            help,
            total: true,
            topic,
            value,
        };
        let away = sessions.saturating_sub(connected);
        let free = self.folder.as_deref().and_then(Disk::of);
        let free = free.map(|disk| {
            now(
                "data_free_bytes",
                "Free on the disk of the data folder.",
                None,
                disk.free,
            )
        });
        let mut figures = vec![
            now(
                "uptime_seconds",
                "Since the start.",
                None,
                self.stats.uptime_seconds(),
            ),
            now(
                "clients_connected",
                "Clients that are connected.",
                Some("clients/connected"),
                wide(connected),
            ),
            now(
                "clients_connected_maximum",
                "Most of them at one time.",
                Some("clients/maximum"),
                wide(maximum),
            ),
            now(
                "sessions",
                "Sessions, of connected and absent clients.",
                Some("clients/total"),
                wide(sessions.max(connected)),
            ),
            now(
                "sessions_disconnected",
                "Sessions of absent clients.",
                Some("clients/disconnected"),
                wide(away),
            ),
            now(
                "session_bytes",
                "What waits in sessions, at most.",
                Some("store/messages/bytes"),
                wide(held),
            ),
            now(
                "subscriptions",
                "Different topic filters.",
                Some("subscriptions/count"),
                wide(subscriptions),
            ),
            now(
                "retained_messages",
                "Retained messages.",
                Some("retained messages/count"),
                wide(retained),
            ),
            now(
                "incoming_bytes",
                "Of large packets that have begun and are not complete.",
                None,
                wide(self.lines.intake.used()),
            ),
            total(
                "received_bytes_total",
                "Bytes of MQTT from clients.",
                Some("bytes/received"),
                counted.bytes_received.get(),
            ),
            total(
                "sent_bytes_total",
                "Bytes of MQTT to clients.",
                Some("bytes/sent"),
                counted.bytes_sent.get(),
            ),
            total(
                "received_packets_total",
                "Packets from clients.",
                Some("messages/received"),
                counted.packets_received.get(),
            ),
            total(
                "sent_packets_total",
                "Packets to clients.",
                Some("messages/sent"),
                counted.packets_sent.get(),
            ),
            total(
                "received_publishes_total",
                "PUBLISH packets from clients.",
                Some("publish/messages/received"),
                counted.publishes_received.get(),
            ),
            total(
                "sent_publishes_total",
                "PUBLISH packets to clients.",
                Some("publish/messages/sent"),
                counted.publishes_sent.get(),
            ),
            total(
                "received_publish_bytes_total",
                "Bytes of these.",
                Some("publish/bytes/received"),
                counted.publish_bytes_received.get(),
            ),
            total(
                "sent_publish_bytes_total",
                "Bytes of these.",
                Some("publish/bytes/sent"),
                counted.publish_bytes_sent.get(),
            ),
            total(
                "refused_connections_total",
                "Refused before a byte was read: too many are open.",
                None,
                counted.connections_refused.get(),
            ),
            total(
                "failed_greetings_total",
                "Handshakes that failed, and first bytes that were no CONNECT.",
                None,
                counted.greetings_failed.get(),
            ),
            total(
                "refused_logins_total",
                "Wrong passwords, missing users, client identifiers that are not allowed.",
                None,
                counted.logins_refused.get(),
            ),
            total(
                "refused_publishes_total",
                "Publications that the access list does not allow.",
                None,
                counted.publishes_refused.get(),
            ),
            total(
                "refused_subscriptions_total",
                "Subscriptions that the access list does not allow.",
                None,
                counted.subscriptions_refused.get(),
            ),
            total(
                "ended_readers_total",
                "Connections that ended because the client did not read.",
                None,
                self.lines.readers.ended(),
            ),
        ];
        if let Some(writes) = &self.lines.writes {
            figures.push(total(
                "failed_writes_total",
                "Writes to the data folder that failed; what needed them was not acknowledged.",
                Some("store/writes/failed"),
                writes.failed(),
            ));
        }
        figures.extend(free);
        figures
    }

    /// Writes the topics under `$SYS` again and again, each when it has changed.
    pub(crate) async fn publish(self, every: Duration, mut goodbye: broadcast::Receiver<()>) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known: HashMap<&'static str, u64> = HashMap::new();
        self.topic("version", VERSION.to_owned()).await;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = goodbye.recv() => return,
            }
            let uptime = self.stats.uptime_seconds();
            self.topic("uptime", format!("{uptime} seconds")).await;
            for figure in self.figures().await {
                if let Some(topic) = figure.topic
                    && known.insert(topic, figure.value) != Some(figure.value)
                {
                    self.topic(topic, figure.value.to_string()).await;
                }
            }
        }
    }

    async fn topic(&self, name: &str, value: String) {
        let topic = format!("$SYS/broker/{name}");
        let packet = PublishPacket::new(topic, Bytes::from(value), QoS::AtMostOnce);
        self.router
            .route_sys_message(&packet.with_retain(true))
            .await;
    }

    /// Answers `GET /metrics`.
    pub(crate) async fn answer(self, listener: TcpListener, mut goodbye: broadcast::Receiver<()>) {
        let mut requests = JoinSet::new();
        loop {
            let full = requests.len() >= REQUESTS_AT_ONCE;
            tokio::select! {
                _ = goodbye.recv() => return,
                Some(_) = requests.join_next() => {}
                accepted = listener.accept(), if !full => match accepted {
                    Ok((stream, _)) => {
                        let report = self.clone();
                        requests.spawn(async move {
                            let answered = timeout(REQUEST_TIME, report.request(stream)).await;
                            if let Ok(Err(error)) = answered {
                                debug!(%error, "a request for figures was not answered");
                            }
                        });
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept a request for figures");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }

    async fn request(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut request = Vec::with_capacity(REQUEST);
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            if request.len() >= REQUEST || stream.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
        }
        let line = request
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or_default();
        let mut words = line.split(|byte| *byte == b' ');
        let (status, text) = match (words.next(), words.next()) {
            (Some(b"GET"), Some(b"/metrics")) => ("200 OK", self.text().await),
            (Some(b"GET"), _) => ("404 Not Found", "the figures are at /metrics\n".to_owned()),
            _ => ("405 Method Not Allowed", "GET only\n".to_owned()),
        };
        let length = text.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{text}"
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    }

    async fn text(&self) -> String {
        let mut text = String::new();
        for figure in self.figures().await {
            let Figure {
                metric,
                help,
                total,
                value,
                ..
            } = figure;
            let kind = if total { "counter" } else { "gauge" };
            // Writing to a String does not fail.
            let _written = write!(
                text,
                "# HELP sealmq_broker_{metric} {help}\n# TYPE sealmq_broker_{metric} {kind}\n\
                 sealmq_broker_{metric} {value}\n"
            );
        }
        text
    }
}
