//! What a check plays on: clients, sealed or plain, and what is expected of them.

use std::collections::BTreeMap;
use std::time::Duration;

use sealmq_rumqttc::SealOptions;
use tokio::time::{sleep, timeout};

use crate::domain::Domain;
use crate::failed::Failed;
use crate::mqtt::{Client, Happening, Link, Message, Session, Will};

/// How long one thing may take before a check gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);
/// How long nothing more has to come, where nothing more should.
const QUIET: Duration = Duration::from_millis(200);

/// Sealed, or rumqttc alone, for what the broker itself does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sealed,
    Plain,
}

pub(crate) struct Stage<'a> {
    /// Not without sealmq.
    pub(crate) domain: Option<&'a Domain>,
    pub(crate) link: &'a Link,
    pub(crate) kind: Kind,
    /// What client identifiers begin with.
    pub(crate) id: String,
    /// What topics of this check begin with.
    pub(crate) base: String,
    pub(crate) large: usize,
}

/// A client of a check.
pub(crate) struct Player {
    client: Client,
    name: String,
    /// What it was told that may be why something did not come.
    trouble: Option<String>,
}

impl Stage<'_> {
    pub(crate) fn domain(&self) -> Result<&Domain, Failed> {
        self.domain.ok_or_else(|| Failed::new("there is no domain"))
    }

    pub(crate) fn topic(&self, rest: &str) -> String {
        format!("{}/{rest}", self.base)
    }

    /// With a session that ends with the connection.
    pub(crate) async fn connect(&self, name: &str) -> Result<Player, Failed> {
        self.connect_as(name, false, None)
            .await
            .map(|(player, _)| player)
    }

    /// A client, and whether the broker had its session. A broker that has not noticed yet that the
    /// client before it is gone may end the connection; sealed clients try again by themselves.
    pub(crate) async fn connect_as(
        &self,
        name: &str,
        kept: bool,
        will: Option<Will>,
    ) -> Result<(Player, bool), Failed> {
        let mut tries: u8 = match self.kind {
            Kind::Sealed => 1,
            Kind::Plain => 3,
        };
        loop {
            let connected = self.try_to_connect(name, kept, will.clone()).await;
            tries = u8::saturating_sub(tries, 1);
            if connected.is_ok() || tries == 0 {
                return connected;
            }
            sleep(PAUSE).await;
        }
    }

    async fn try_to_connect(
        &self,
        name: &str,
        kept: bool,
        will: Option<Will>,
    ) -> Result<(Player, bool), Failed> {
        let kind = match self.kind {
            Kind::Sealed => "s",
            Kind::Plain => "p",
        };
        let session = Session {
            id: format!("{}{kind}{name}", self.id),
            kept,
            will,
        };
        let client = match self.kind {
            Kind::Sealed => {
                let options = SealOptions::new()
                    .wait_for_keys(PATIENCE)
                    .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
                let store = self.domain()?.store(name).await?;
                Client::sealed(self.link, &session, store, options)?
            }
            Kind::Plain => Client::plain(self.link, &session)?,
        };
        let mut player = Player {
            client,
            name: name.to_owned(),
            trouble: None,
        };
        let present = player
            .until("a connection", |happening| match happening {
                Happening::Connected(present) => Some(present),
                _ => None,
            })
            .await?;
        Ok((player, present))
    }

    /// A client that has subscribed, and the quality of service that it was granted.
    pub(crate) async fn reader(
        &self,
        name: &str,
        filter: &str,
        qos: u8,
    ) -> Result<(Player, u8), Failed> {
        let mut player = self.connect(name).await?;
        let granted = player.subscribe(filter, qos).await?;
        Ok((player, granted))
    }
}

impl Player {
    /// The next happening for which `found` gives something.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        found: impl Fn(Happening) -> Option<T>,
    ) -> Result<T, Failed> {
        let search = async {
            while let Some(happening) = self.client.happenings.recv().await {
                match &happening {
                    Happening::Trouble(text) => self.trouble = Some(text.clone()),
                    Happening::Ended(text) => {
                        self.trouble = Some(text.clone());
                        return None;
                    }
                    Happening::OtherVersion => return None,
                    _ => {}
                }
                if let Some(result) = found(happening) {
                    return Some(result);
                }
            }
            None
        };
        let result = timeout(PATIENCE, search).await;
        let over = match result {
            Ok(Some(result)) => return Ok(result),
            Ok(None) => "it ended".to_owned(),
            Err(_) => format!("none within {} s", PATIENCE.as_secs()),
        };
        let trouble = self.trouble.take();
        let trouble = trouble.map_or_else(String::new, |text| format!("; it was told: {text}"));
        Err(Failed::new(format_args!(
            "{} waits for {what}: {over}{trouble}",
            self.name
        )))
    }

    pub(crate) async fn subscribe(&mut self, filter: &str, qos: u8) -> Result<u8, Failed> {
        self.client.subscribe(filter, qos).await?;
        // A refusal is in the trouble; there is nothing to wait for after it.
        let answer = self
            .until(
                "the answer to a subscription",
                |happening| match happening {
                    Happening::Subscribed(qos) => Some(Ok(qos)),
                    Happening::Trouble(text) if text.contains("refused") => Some(Err(text)),
                    _ => None,
                },
            )
            .await?;
        answer.map_err(Failed::new)
    }

    pub(crate) async fn publish(
        &self,
        topic: &str,
        qos: u8,
        payload: impl Into<Vec<u8>>,
    ) -> Result<(), Failed> {
        self.send(topic, qos, false, payload).await
    }

    pub(crate) async fn retain(
        &self,
        topic: &str,
        payload: impl Into<Vec<u8>>,
    ) -> Result<(), Failed> {
        self.send(topic, 1, true, payload).await
    }

    async fn send(
        &self,
        topic: &str,
        qos: u8,
        retain: bool,
        payload: impl Into<Vec<u8>>,
    ) -> Result<(), Failed> {
        let sent = timeout(PATIENCE, self.client.publish(topic, qos, retain, payload)).await;
        sent.unwrap_or_else(|_| Err(Failed::new("the client takes no message")))
    }

    /// Until the broker has acknowledged everything.
    pub(crate) async fn flush(&mut self) -> Result<(), Failed> {
        let flushed = timeout(PATIENCE, self.client.flush()).await;
        if let Ok(result) = flushed {
            return result;
        }
        self.listen();
        let trouble = self.trouble.take();
        let trouble = trouble.map_or_else(String::new, |text| format!("; it was told: {text}"));
        Err(Failed::new(format_args!(
            "{} waits for acknowledgements: none within {} s{trouble}",
            self.name,
            PATIENCE.as_secs()
        )))
    }

    /// A new epoch. What has come before is passed over by [`Player::listen`].
    pub(crate) async fn epoch(&mut self) -> Result<u64, Failed> {
        self.until("the next epoch", |happening| match happening {
            Happening::Epoch(epoch) => Some(epoch),
            _ => None,
        })
        .await
    }

    pub(crate) async fn removed(&mut self) -> Result<(), Failed> {
        self.until("its removal", |happening| {
            matches!(happening, Happening::Removed).then_some(())
        })
        .await
    }

    /// What has come so far, for its troubles.
    pub(crate) fn listen(&mut self) {
        while let Ok(happening) = self.client.happenings.try_recv() {
            if let Happening::Trouble(text) | Happening::Ended(text) = happening {
                self.trouble = Some(text);
            }
        }
    }

    pub(crate) async fn message(&mut self) -> Result<Message, Failed> {
        self.until("a message", |happening| match happening {
            Happening::Message(message) => Some(message),
            _ => None,
        })
        .await
    }

    /// So many messages, by what is in them, and how often each came; what comes for a moment
    /// afterwards counts, too.
    pub(crate) async fn collect(
        &mut self,
        count: usize,
    ) -> Result<BTreeMap<String, usize>, Failed> {
        let mut all = BTreeMap::new();
        while all.len() < count {
            let message = self.message().await.map_err(|Failed(reason)| {
                Failed::new(format_args!("{} of {count} messages: {reason}", all.len()))
            })?;
            note(&mut all, &message);
        }
        self.rest(&mut all).await;
        Ok(all)
    }

    /// What comes for a moment.
    pub(crate) async fn rest(&mut self, all: &mut BTreeMap<String, usize>) {
        let more = async {
            while let Some(happening) = self.client.happenings.recv().await {
                if let Happening::Message(message) = happening {
                    note(all, &message);
                }
            }
        };
        let _quiet = timeout(QUIET, more).await;
    }

    pub(crate) async fn leave(self) {
        self.client.leave().await;
    }
}

fn note(all: &mut BTreeMap<String, usize>, message: &Message) {
    let text = String::from_utf8_lossy(&message.payload).into_owned();
    let count = all.entry(text).or_insert(0_usize);
    *count = count.saturating_add(1);
}

/// Each of these once, and nothing else. Without sealmq, QoS 1 may bring one more than once.
pub(crate) fn each_once(
    kind: Kind,
    all: &BTreeMap<String, usize>,
    wanted: &[String],
) -> Result<(), Failed> {
    for text in wanted {
        match all.get(text) {
            None => return Err(Failed::new(format_args!("{text} did not come"))),
            Some(1) => {}
            Some(count) if kind == Kind::Sealed => {
                return Err(Failed::new(format_args!("{text} came {count} times")));
            }
            Some(_) => {}
        }
    }
    match all.keys().find(|text| !wanted.contains(text)) {
        Some(other) => Err(Failed::new(format_args!("{other} came, too"))),
        None => Ok(()),
    }
}
