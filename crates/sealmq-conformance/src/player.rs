//! A client of a check, sealed or plain, and what is waited for.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::timeout;

use crate::failed::Failed;
use crate::mqtt::{Client, Extra, Greeting, Happening, Message, Retained};
use crate::stage::PATIENCE;

/// How long nothing more has to come, where nothing more should.
const QUIET: Duration = Duration::from_millis(200);

/// A client of a check.
pub(crate) struct Player {
    client: Client,
    name: String,
    /// What it was told that may be why something did not come.
    trouble: Option<String>,
    /// How often something was refused or went wrong.
    pub(crate) troubles: usize,
    /// Came while something else was waited for.
    early: VecDeque<Message>,
    /// How long it waits for one thing.
    pub(crate) patience: Duration,
}

impl Player {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Self {
            client,
            name,
            trouble: None,
            troubles: 0,
            early: VecDeque::new(),
            patience: PATIENCE,
        }
    }
}

enum Answer {
    Granted(u8),
    Refused(String),
    Early(Message),
}

impl Player {
    /// The next happening for which `found` gives something.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        found: impl Fn(Happening) -> Option<T>,
    ) -> Result<T, Failed> {
        let patience = self.patience;
        let search = async {
            while let Some(happening) = self.client.happenings.recv().await {
                match &happening {
                    Happening::Trouble(text) => self.note(text),
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
        let result = timeout(patience, search).await;
        let over = match result {
            Ok(Some(result)) => return Ok(result),
            Ok(None) => "it ended".to_owned(),
            Err(_) => format!("none within {} s", patience.as_secs()),
        };
        let trouble = self.trouble.take();
        let trouble = trouble.map_or_else(String::new, |text| format!("; it was told: {text}"));
        Err(Failed::new(format_args!(
            "{} waits for {what}: {over}{trouble}",
            self.name
        )))
    }

    fn note(&mut self, trouble: &str) {
        self.trouble = Some(trouble.to_owned());
        self.troubles = self.troubles.saturating_add(1);
    }

    pub(crate) async fn connected(&mut self) -> Result<Greeting, Failed> {
        self.until("a connection", |happening| match happening {
            Happening::Connected(greeting) => Some(greeting),
            _ => None,
        })
        .await
    }

    pub(crate) async fn subscribe(&mut self, filter: &str, qos: u8) -> Result<u8, Failed> {
        self.subscribe_as(filter, qos, Retained::Always).await
    }

    /// What comes before the answer is not lost.
    pub(crate) async fn subscribe_as(
        &mut self,
        filter: &str,
        qos: u8,
        retained: Retained,
    ) -> Result<u8, Failed> {
        self.client.subscribe(filter, qos, retained).await?;
        // A refusal is in the trouble; there is nothing to wait for after it.
        loop {
            let answer = self
                .until(
                    "the answer to a subscription",
                    |happening| match happening {
                        Happening::Subscribed(qos) => Some(Answer::Granted(qos)),
                        Happening::Message(message) => Some(Answer::Early(message)),
                        Happening::Trouble(text) if text.contains("refused") => {
                            Some(Answer::Refused(text))
                        }
                        _ => None,
                    },
                )
                .await?;
            match answer {
                Answer::Granted(qos) => return Ok(qos),
                Answer::Early(message) => self.early.push_back(message),
                Answer::Refused(text) => return Err(Failed::new(text)),
            }
        }
    }

    pub(crate) async fn publish(
        &self,
        topic: &str,
        qos: u8,
        payload: impl Into<Vec<u8>>,
    ) -> Result<(), Failed> {
        self.send(topic, qos, payload, Extra::default()).await
    }

    pub(crate) async fn retain(
        &self,
        topic: &str,
        payload: impl Into<Vec<u8>>,
    ) -> Result<(), Failed> {
        let extra = Extra {
            retain: true,
            ..Extra::default()
        };
        self.send(topic, 1, payload, extra).await
    }

    pub(crate) async fn send(
        &self,
        topic: &str,
        qos: u8,
        payload: impl Into<Vec<u8>>,
        extra: Extra,
    ) -> Result<(), Failed> {
        let sent = timeout(
            self.patience,
            self.client.publish(topic, qos, payload.into(), extra),
        )
        .await;
        sent.unwrap_or_else(|_| Err(Failed::new("the client takes no message")))
    }

    /// Until the broker has acknowledged everything.
    pub(crate) async fn flush(&mut self) -> Result<(), Failed> {
        let flushed = timeout(self.patience, self.client.flush()).await;
        if let Ok(result) = flushed {
            return result;
        }
        self.listen();
        let trouble = self.trouble.take();
        let trouble = trouble.map_or_else(String::new, |text| format!("; it was told: {text}"));
        Err(Failed::new(format_args!(
            "{} waits for acknowledgements: none within {} s{trouble}",
            self.name,
            self.patience.as_secs()
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
                self.note(&text);
            }
        }
    }

    /// How often it connected, and was told of another client with its id, while it was listened to.
    pub(crate) async fn contest(&mut self, time: Duration) -> (usize, usize) {
        let (mut connected, mut told) = (0_usize, 0_usize);
        let listen = async {
            while let Some(happening) = self.client.happenings.recv().await {
                match happening {
                    Happening::Connected(_) => connected = connected.saturating_add(1),
                    Happening::TakenOver => told = told.saturating_add(1),
                    _ => {}
                }
            }
        };
        let _over = timeout(time, listen).await;
        (connected, told)
    }

    /// Until a retained value is cleared; its topic.
    pub(crate) async fn cleared(&mut self) -> Result<String, Failed> {
        self.until("the end of a retained value", |happening| match happening {
            Happening::Cleared(topic) => Some(topic),
            _ => None,
        })
        .await
    }

    pub(crate) async fn message(&mut self) -> Result<Message, Failed> {
        if let Some(message) = self.early.pop_front() {
            return Ok(message);
        }
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
        for message in self.early.drain(..) {
            note(all, &message);
        }
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
    // The retained value comes again with each subscription: it is a state.
    *count = match message.retained {
        true => (*count).max(1),
        false => count.saturating_add(1),
    };
}
