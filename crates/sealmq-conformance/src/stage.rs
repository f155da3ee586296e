//! What a check plays on: clients, sealed or plain, and what is expected of them.

use std::collections::BTreeMap;
use std::time::Duration;

use sealmq_rumqttc::SealOptions;
use tokio::time::sleep;

use crate::domain::Domain;
use crate::failed::Failed;
use crate::mqtt::{Client, Greeting, Link, Session};
use crate::player::Player;
use crate::relay::Relay;

/// How long one thing may take before a check gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);

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
    pub(crate) huge: usize,
    /// Members of checks that are played at the same time have different names: this is behind them.
    pub(crate) lane: &'static str,
    /// Kills the broker, and starts it again.
    pub(crate) restart: Option<&'a str>,
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
        self.connect_as(name, Session::default())
            .await
            .map(|(player, _)| player)
    }

    /// A client, and whether the broker had its session. A broker that has not noticed yet that the
    /// client before it is gone may end the connection; sealed clients try again by themselves.
    pub(crate) async fn connect_as(
        &self,
        name: &str,
        session: Session,
    ) -> Result<(Player, Greeting), Failed> {
        let mut tries: u8 = match self.kind {
            Kind::Sealed => 1,
            Kind::Plain => 3,
        };
        loop {
            let connected = self.try_to_connect(name, session.clone()).await;
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
        mut session: Session,
    ) -> Result<(Player, Greeting), Failed> {
        let name = format!("{name}{}", self.lane);
        let own = session.id.unwrap_or_else(|| self.client_id(&name));
        session.id = Some(own);
        let client = match self.kind {
            Kind::Sealed => {
                let options = SealOptions::new()
                    .wait_for_keys(PATIENCE)
                    .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
                let store = self.domain()?.store(&name).await?;
                Client::sealed(self.link, &session, store, options)?
            }
            Kind::Plain => Client::plain(self.link, &session)?,
        };
        let mut player = Player::new(client, name);
        let greeting = player.connected().await?;
        Ok((player, greeting))
    }

    /// Of this run, this kind and this member.
    pub(crate) fn client_id(&self, name: &str) -> String {
        let kind = match self.kind {
            Kind::Sealed => "s",
            Kind::Plain => "p",
        };
        format!("{}{kind}{name}", self.id)
    }

    /// Enrols a member that comes later than the others.
    pub(crate) async fn enrol(&self, name: &str) -> Result<(), Failed> {
        match self.kind {
            Kind::Sealed => {
                self.domain()?
                    .enrol(&[format!("{name}{}", self.lane)])
                    .await
            }
            Kind::Plain => Ok(()),
        }
    }

    /// What the broker says to a plain client that connects like this.
    pub(crate) async fn said_to_plain(&self, session: &Session) -> Result<Greeting, Failed> {
        let session = Session {
            id: Some(format!("{}probe", self.id)),
            ..session.clone()
        };
        let client = Client::plain(self.link, &session)?;
        let mut player = Player::new(client, "probe".to_owned());
        let greeting = player.connected().await?;
        player.leave().await;
        Ok(greeting)
    }

    /// A way to the broker that can be cut.
    pub(crate) async fn relay(&self) -> Result<Relay, Failed> {
        Relay::to(&self.link.host, self.link.port).await
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

/// All at the same time.
pub(crate) async fn all_of<T>(
    work: impl IntoIterator<Item = impl Future<Output = Result<T, Failed>>>,
) -> Result<Vec<T>, Failed> {
    let mut work: Vec<_> = work.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        let mut failed = None;
        work.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(Ok(result)) => {
                done.push(result);
                false
            }
            std::task::Poll::Ready(Err(error)) => {
                failed = Some(error);
                false
            }
        });
        match failed {
            Some(error) => std::task::Poll::Ready(Err(error)),
            None if work.is_empty() => std::task::Poll::Ready(Ok(())),
            None => std::task::Poll::Pending,
        }
    })
    .await?;
    Ok(done)
}
