//! `sealmq join`: a device becomes a member over MQTT.

use std::collections::BTreeMap;
use std::time::Duration;

use getrandom::SysRng;
use rumqttc::v5::Event;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, SubscribeReasonCode};
use sealmq_core::GroupId;
use sealmq_keys::member::{
    EnrolledAs, GroupTitle, JoinAction, JoinOptions, JoinWay, Joiner, Member,
};
use sealmq_keys::{JoinRefusalReason, Store as _, Token, fingerprint};
use sealmq_store::{FileStore, StoreRole, Vault};
use tokio::time::{sleep, timeout};

use crate::args::{ConnectionArgs, JoinArgs};
use crate::device::{MEMBER_STORE, vault};
use crate::failure::{Exit, Failure};
use crate::link::Link;
use crate::output::{note, say};
use crate::rootfile::RootFile;
use crate::session::refused_subscription;
use crate::signals::Stop;
use crate::unlock::{PATIENCE, Secret};
use crate::{clock, connection};

const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A broker that does not say what the groups are called, or an authority that lets joiners wait
/// for others, keeps nobody waiting for longer.
const KEYS_WITHIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: JoinArgs) -> Result<(), Failure> {
    let mut way_to = args.connection.clone();
    let mut expires = None;
    let way = match (&args.token, &args.root) {
        (Some(text), _) => {
            let token = Token::parse(text).map_err(Failure::usage)?;
            expires = Some(token.expires);
            follow_token(&token.broker, &mut way_to)?;
            JoinWay::Token(token.into())
        }
        (None, Some(path)) => {
            let file = RootFile::read(path)?;
            JoinWay::Root {
                root_key: file.key,
                prefix: Some(file.prefix),
                suite: Some(file.suite),
                serial: args.serial,
            }
        }
        (None, None) => return Err(Failure::usage("give a token, or --root FILE")),
    };
    let options = JoinOptions {
        name: args.name.clone(),
        way,
        packages: args.packages,
    };
    let mqtt = connection::options(&way_to)?;
    let mut store = store(&args)?;
    let joiner = Member::join(&store, options, &mut SysRng)?;
    let mut stop = Stop::new()?;
    let mut joining = Joining {
        joiner,
        store: &mut store,
        expires,
        told: false,
    };
    let wait = Duration::from_secs(args.timeout.into());
    let address = way_to.address();
    let work = async {
        let mut was_connected = false;
        loop {
            let lost = match Link::connect(mqtt.clone()).await {
                Ok(mut link) => {
                    was_connected = true;
                    match joining.serve(&mut link).await {
                        Ok(Some(enrolled)) => {
                            let titles = joining.titles(&mut link, &enrolled).await;
                            link.disconnect().await;
                            return Ok((enrolled, titles));
                        }
                        Ok(None) => "the broker ended the connection".to_owned(),
                        Err(failure) => {
                            link.disconnect().await;
                            return Err(failure);
                        }
                    }
                }
                Err(error) => {
                    let reason = connection::describe(&error, &address);
                    if !was_connected {
                        return Err(Failure::network(reason));
                    }
                    reason
                }
            };
            note(format_args!("sealmq: {lost}; connecting again"));
            sleep(AGAIN_AFTER).await;
        }
    };
    let (enrolled, titles) = tokio::select! {
        done = timeout(wait, work) => done.map_err(|_| Failure::new(
            Exit::TimedOut,
            "no answer in time: is `sealmq authority run` connected to this broker? The same command again goes on with the same request",
        ))??,
        () = stop.requested() => return Err(Failure::new(Exit::Interrupted, "")),
    };
    store.close()?;
    tell(&enrolled, &titles)
}

/// The broker that the token names, unless another one was given.
fn follow_token(broker: &str, args: &mut ConnectionArgs) -> Result<(), Failure> {
    let (tls, rest) = match broker.split_once("://") {
        Some((scheme, rest)) => (scheme == "mqtts", rest),
        None => return Ok(()),
    };
    if args.host.is_some() {
        return Ok(());
    }
    if let Some((host, port)) = rest.rsplit_once(':') {
        args.host = Some(host.trim_matches(['[', ']']).to_owned());
        args.port = args.port.or(port.parse().ok());
    }
    if tls && args.cafile.is_none() {
        return Err(Failure::usage(
            "the token's broker wants TLS: give --cafile with the authorities that may vouch for it",
        ));
    }
    Ok(())
}

/// The device's store; a new one if there is none.
fn store(args: &JoinArgs) -> Result<FileStore, Failure> {
    let path = args.device.dir.join(MEMBER_STORE);
    if path.symlink_metadata().is_ok() {
        return Ok(vault(&args.device)?.open_wait(PATIENCE)?);
    }
    let secret = Secret::for_new(&args.device.unlock, &path.display().to_string())?;
    Ok(Vault::create(&path, StoreRole::Member, &secret.unlock())?.open()?)
}

struct Joining<'a> {
    joiner: Joiner,
    store: &'a mut FileStore,
    /// Of the token, Unix seconds.
    expires: Option<u64>,
    /// That the request waits for an operator.
    told: bool,
}

impl Joining<'_> {
    /// Until the authority has decided; `None` if the connection was lost.
    async fn serve(&mut self, link: &mut Link) -> Result<Option<EnrolledAs>, Failure> {
        let filters = self.joiner.subscriptions();
        for filter in filters.clone() {
            if link
                .client
                .subscribe(filter, QoS::AtLeastOnce)
                .await
                .is_err()
            {
                return Ok(None);
            }
        }
        loop {
            match link.next().await {
                Ok(Event::Incoming(Packet::Publish(message))) => {
                    let topic = String::from_utf8_lossy(&message.topic).into_owned();
                    if let Some(enrolled) = self.take(link, &topic, &message.payload).await? {
                        return Ok(Some(enrolled));
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    let granted = |code| matches!(code, SubscribeReasonCode::Success(_));
                    if let Some(code) = ack.return_codes.into_iter().find(|code| !granted(*code)) {
                        let filters = filters.join(" or ");
                        return Err(Failure::network(refused_subscription(&filters, code)));
                    }
                }
                Ok(_) => {}
                Err(_) => return Ok(None),
            }
        }
    }

    /// What the groups are called, as far as the broker has it and lets this device read it: the
    /// credential names them by id only. Waits until the device's keys are in use, so that nothing
    /// that is sent from now on passes it by.
    async fn titles(&self, link: &mut Link, enrolled: &EnrolledAs) -> Titles {
        let groups: Vec<GroupId> = enrolled.grants.iter().map(|(group, ..)| *group).collect();
        let mut titles = Titles::default();
        let asking = async {
            for filter in self.joiner.title_subscriptions(enrolled.number, &groups) {
                if link
                    .client
                    .subscribe(filter, QoS::AtLeastOnce)
                    .await
                    .is_err()
                {
                    return;
                }
            }
            while !groups.iter().all(|group| titles.is_ready(group)) {
                let Ok(event) = link.next().await else { return };
                let Event::Incoming(Packet::Publish(message)) = event else {
                    continue;
                };
                let topic = String::from_utf8_lossy(&message.topic);
                let payload = &message.payload;
                if let Some(title) = self.joiner.group_title(&topic, payload) {
                    titles.add(title);
                } else if let Some((group, epoch)) =
                    self.joiner.first_epoch(enrolled.number, &topic, payload)
                {
                    titles.first.insert(group, epoch);
                }
            }
        };
        let _late = timeout(KEYS_WITHIN, asking).await;
        titles
    }

    /// The authority does not tell an expired token from others that are not valid; the token does.
    fn refused(&self, reason: JoinRefusalReason) -> Failure {
        let expired = self.expires.filter(|at| *at < clock::seconds());
        match (reason, expired) {
            (JoinRefusalReason::Token, Some(at)) => Failure::refused(format_args!(
                "{reason} (by this device's clock, it expired at {})",
                clock::iso_seconds(at)
            )),
            _ => Failure::refused(reason),
        }
    }

    async fn take(
        &mut self,
        link: &Link,
        topic: &str,
        payload: &[u8],
    ) -> Result<Option<EnrolledAs>, Failure> {
        let now = Some(clock::millis());
        for action in self.joiner.handle(topic, payload, now, &mut SysRng)? {
            match action {
                JoinAction::Commit(changes) => self.store.commit(&changes)?,
                JoinAction::Publish(out) => {
                    // A connection that is lost shows up as the link's next event.
                    let _lost = link
                        .client
                        .publish(out.topic, QoS::AtLeastOnce, out.retain, out.payload)
                        .await;
                }
                JoinAction::Waiting(device) if !self.told => {
                    self.told = true;
                    note(format_args!(
                        "waiting for an operator, who compares this fingerprint: {device}\n\
                         at the authority: sealmq authority approve {device} --publish GROUP or --subscribe GROUP"
                    ));
                }
                JoinAction::Joined(enrolled) => return Ok(Some(enrolled)),
                JoinAction::Refused(reason) => return Err(self.refused(reason)),
                JoinAction::Ignored { topic, error } => {
                    note(format_args!("sealmq: {topic}: refused: {error}"));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// What the broker has told of the groups.
#[derive(Default)]
struct Titles {
    newest: BTreeMap<GroupId, GroupTitle>,
    /// The first epochs of the device's welcomes.
    first: BTreeMap<GroupId, u64>,
}

impl Titles {
    fn add(&mut self, title: GroupTitle) {
        let known = self.newest.get(&title.id);
        if known.is_none_or(|known| known.epoch < title.epoch) {
            self.newest.insert(title.id, title);
        }
    }

    /// Whether the epoch has begun for which the device's welcome is.
    fn is_ready(&self, group: &GroupId) -> bool {
        let newest = self.newest.get(group).map(|title| title.epoch);
        let first = self.first.get(group);
        first.is_some_and(|first| newest.is_some_and(|newest| newest >= *first))
    }
}

fn tell(enrolled: &EnrolledAs, titles: &Titles) -> Result<(), Failure> {
    say(format_args!("member {} {}", enrolled.number, enrolled.name))?;
    say(format_args!("domain            {}", enrolled.domain))?;
    say(format_args!(
        "root fingerprint  {}",
        fingerprint(&enrolled.root_key)
    ))?;
    for (group, access, filter) in &enrolled.grants {
        let may = match (access.may_publish(), access.may_subscribe()) {
            (true, true) => "publish and read",
            (true, false) => "publish",
            _ => "read",
        };
        let ready = titles.is_ready(group);
        let title = titles.newest.get(group);
        let group = title.map_or_else(
            || group.to_string(),
            |title| format!("{} ({})", title.name, title.filters.join(", ")),
        );
        if title.is_some() && !ready {
            note(format_args!(
                "sealmq: group {group}: the device's keys begin with the next epoch, which has not been announced yet"
            ));
        }
        let narrowed = match own_filter(filter, &enrolled.name).as_str() {
            "" => String::new(),
            filter => format!(", publishing on {filter} only"),
        };
        say(format_args!("may {may} in group {group}{narrowed}"))?;
    }
    say(format_args!(
        "credential        valid until {}, renewed by the authority",
        clock::iso_seconds(enrolled.not_after)
    ))
}

/// A grant's filter with the device's name for the levels `%c`.
fn own_filter(filter: &str, name: &str) -> String {
    let levels = filter.split('/');
    let levels = levels.map(|level| if level == "%c" { name } else { level });
    levels.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_shown_as_they_hold_for_the_device() {
        for (filter, shown) in [
            ("", ""),
            ("plant/%c/#", "plant/pump/#"),
            ("%c", "pump"),
            ("plant/x%c/%cc", "plant/x%c/%cc"),
        ] {
            assert_eq!(own_filter(filter, "pump"), shown);
        }
    }
}
