//! Who may come in: connections are counted by where they come from, and those that have not
//! logged in yet make room for new ones.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

/// What one stranger has as a rule: an IPv4 address, or a network of IPv6 (64 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Source {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = Ipv6Addr::segments(&address);
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// Whose share of something it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Party {
    User(String),
    /// Nobody in particular, from there.
    Source(Source),
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) connections: usize,
    pub(crate) connections_per_source: usize,
    /// Connections that have not logged in.
    pub(crate) strangers: usize,
    pub(crate) strangers_per_source: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Stranger,
    LoggedIn,
    TurnedAway,
}

pub(crate) struct Door {
    room: Room,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    next: u64,
    /// In the order in which they came.
    strangers: BTreeMap<u64, Stranger>,
    by_peer: HashMap<SocketAddr, Arc<Guest>>,
    sources: HashMap<Source, Count>,
    connections: usize,
}

struct Stranger {
    source: Source,
    standing: watch::Sender<Standing>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    connections: usize,
    strangers: usize,
}

tokio::task_local! {
    /// Whose connection a handler's task is for: mqtt5 names the client, which may have two of them
    /// while a session moves.
    pub(crate) static GUEST: Arc<Guest>;
}

/// What is known of a connection.
pub(crate) struct Guest {
    id: u64,
    /// The name in its certificate, if it showed one and names count.
    pub(crate) identity: OnceLock<String>,
    party: OnceLock<Party>,
    source: Source,
    /// Messages of QoS 1 and 2 that it takes before it acknowledges one.
    window: AtomicUsize,
    /// It speaks MQTT 3.1.1.
    older: AtomicBool,
    /// Of each PUBLISH that came and that mqtt5 has not asked about: whether it is to be retained.
    retains: Mutex<VecDeque<bool>>,
    /// Told when the connection has to end.
    pub(crate) close: Arc<Notify>,
}

impl Guest {
    /// mqtt5 sends at most this many.
    const MOST: usize = 64;

    pub(crate) fn window(&self) -> usize {
        self.window.load(Ordering::Relaxed)
    }

    fn retains(&self) -> MutexGuard<'_, VecDeque<bool>> {
        self.retains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A PUBLISH has begun.
    pub(crate) fn publishes(&self, retain: bool) {
        self.retains().push_back(retain);
    }

    /// Whether the PUBLISH that mqtt5 asks about, one after the other, is to be retained.
    pub(crate) fn retains_next(&self) -> bool {
        self.retains().pop_front().unwrap_or_default()
    }

    pub(crate) fn is_older(&self) -> bool {
        self.older.load(Ordering::Relaxed)
    }

    pub(crate) fn logs_in(&self, user: Option<&str>) {
        if let Some(user) = user {
            let _first = self.party.set(Party::User(user.to_owned()));
        }
    }

    /// Who gave a password, or `None` for nobody in particular.
    pub(crate) fn user(&self) -> Option<&str> {
        match self.party.get() {
            Some(Party::User(user)) => Some(user),
            _ => None,
        }
    }

    pub(crate) fn party(&self) -> Party {
        let party = self.party.get().cloned();
        party.unwrap_or(Party::Source(self.source))
    }

    /// What its CONNECT says.
    pub(crate) fn connects(&self, version: u8, receive_maximum: Option<u16>) {
        let window = receive_maximum.map_or(Self::MOST, usize::from);
        let window = window.clamp(1, Self::MOST);
        self.window.store(window, Ordering::Relaxed);
        self.older.store(version < 5, Ordering::Relaxed);
    }
}

/// A connection's place; it is given back when this is dropped.
pub(crate) struct Visit {
    door: Arc<Door>,
    guest: Arc<Guest>,
    peer: SocketAddr,
    standing: watch::Receiver<Standing>,
}

impl Door {
    pub(crate) fn new(room: Room) -> Arc<Self> {
        Arc::new(Self {
            room,
            inside: Mutex::default(),
        })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection, if need be that of the stranger that has waited longest: of
    /// the same source if that has too many, else of the source with the most strangers. So silence
    /// from one place, or from many, keeps nobody out who says at once who it is.
    pub(crate) fn enter(self: &Arc<Self>, peer: SocketAddr) -> Option<Visit> {
        let room = self.room;
        let source = Source::of(peer.ip());
        let mut inside = self.inside();
        let own = inside.sources.get(&source).copied().unwrap_or_default();
        if own.connections >= room.connections_per_source
            || own.strangers >= room.strangers_per_source
        {
            inside.turn_away_oldest(source)?;
        }
        if inside.connections >= room.connections || inside.strangers.len() >= room.strangers {
            let largest = inside.largest_source()?;
            inside.turn_away_oldest(largest)?;
        }
        let id = inside.next;
        inside.next = id.wrapping_add(1);
        inside.connections = inside.connections.saturating_add(1);
        let count = inside.sources.entry(source).or_default();
        count.connections = count.connections.saturating_add(1);
        count.strangers = count.strangers.saturating_add(1);
        let (sender, standing) = watch::channel(Standing::Stranger);
        let stranger = Stranger {
            source,
            standing: sender,
        };
        inside.strangers.insert(id, stranger);
        let guest = Arc::new(Guest {
            id,
            identity: OnceLock::new(),
            party: OnceLock::new(),
            source,
            window: AtomicUsize::new(Guest::MOST),
            older: AtomicBool::new(false),
            retains: Mutex::default(),
            close: Arc::default(),
        });
        inside.by_peer.insert(peer, Arc::clone(&guest));
        Some(Visit {
            door: Arc::clone(self),
            guest,
            peer,
            standing,
        })
    }

    /// The connection from this address.
    pub(crate) fn guest(&self, peer: SocketAddr) -> Option<Arc<Guest>> {
        self.inside().by_peer.get(&peer).cloned()
    }

    /// Ends connections of clients that have logged in.
    pub(crate) fn end_those(&self, unwelcome: impl Fn(&Guest) -> bool) {
        let inside = self.inside();
        for guest in inside.by_peer.values() {
            if !inside.strangers.contains_key(&guest.id) && unwelcome(guest) {
                guest.close.notify_one();
            }
        }
    }

    /// The connection from this address has logged in.
    pub(crate) fn logged_in(&self, peer: SocketAddr) {
        let mut inside = self.inside();
        let Some(id) = inside.by_peer.get(&peer).map(|guest| guest.id) else {
            return;
        };
        if let Some(stranger) = inside.no_stranger(id) {
            stranger.standing.send_replace(Standing::LoggedIn);
        }
    }
}

impl Inside {
    fn largest_source(&self) -> Option<Source> {
        let sources = self.strangers.values().map(|stranger| stranger.source);
        sources.max_by_key(|source| self.sources.get(source).map_or(0, |count| count.strangers))
    }

    fn turn_away_oldest(&mut self, source: Source) -> Option<()> {
        let mut of_source = self.strangers.iter();
        let (&id, _) = of_source.find(|(_, stranger)| stranger.source == source)?;
        let stranger = self.no_stranger(id)?;
        // Its place is free from here on; the socket closes within moments.
        self.leave(source);
        stranger.standing.send_replace(Standing::TurnedAway);
        Some(())
    }

    fn no_stranger(&mut self, id: u64) -> Option<Stranger> {
        let stranger = self.strangers.remove(&id)?;
        if let Some(count) = self.sources.get_mut(&stranger.source) {
            count.strangers = count.strangers.saturating_sub(1);
        }
        Some(stranger)
    }

    fn leave(&mut self, source: Source) {
        self.connections = self.connections.saturating_sub(1);
        if let Some(count) = self.sources.get_mut(&source) {
            count.connections = count.connections.saturating_sub(1);
            if count.connections == 0 {
                self.sources.remove(&source);
            }
        }
    }
}

impl Visit {
    pub(crate) fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// Returns when the connection has to end: another one needs its place, or it has not logged in
    /// until `deadline`.
    pub(crate) async fn turned_away(&mut self, deadline: Instant) {
        let waits = self.standing.wait_for(|now| *now != Standing::Stranger);
        let standing = tokio::select! {
            standing = waits => standing.map_or(Standing::TurnedAway, |now| *now),
            () = sleep_until(deadline) => return,
        };
        if standing == Standing::LoggedIn {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let turned_away = *self.standing.borrow() == Standing::TurnedAway;
        let mut inside = self.door.inside();
        let own = |guest: &Arc<Guest>| guest.id == self.guest.id;
        if inside.by_peer.get(&self.peer).is_some_and(own) {
            inside.by_peer.remove(&self.peer);
        }
        inside.no_stranger(self.guest.id);
        if !turned_away {
            inside.leave(Source::of(self.peer.ip()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        connections: 10,
        connections_per_source: 6,
        strangers: 6,
        strangers_per_source: 3,
    };

    fn peer(address: &str, port: u16) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), port)
    }

    fn standing(visit: &Visit) -> Standing {
        *visit.standing.borrow()
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:1:2:3"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }

    #[test]
    fn strangers_make_room_and_members_do_not() {
        let door = Door::new(ROOM);
        // Too many of one source: its oldest goes.
        let mut silent: Vec<Visit> = (0..4)
            .map(|port| door.enter(peer("10.0.0.1", port)).unwrap())
            .collect();
        let standings: Vec<Standing> = silent.iter().map(standing).collect();
        use Standing::{LoggedIn, Stranger, TurnedAway};
        assert_eq!(standings, [TurnedAway, Stranger, Stranger, Stranger]);
        // Too many in all: the oldest of the source with the most goes.
        silent.extend((4..7).map(|port| door.enter(peer(&format!("10.0.1.{port}"), 1)).unwrap()));
        assert!(
            silent
                .iter()
                .skip(1)
                .all(|visit| standing(visit) == Stranger)
        );
        let honest = peer("10.0.2.1", 9);
        let mut members = vec![door.enter(honest).unwrap()];
        assert_eq!(standing(&silent[1]), TurnedAway);
        door.logged_in(honest);
        assert_eq!(standing(&members[0]), LoggedIn);
        // A source's places are all taken by members: nobody is thrown out.
        for port in 0..5 {
            let next = peer("10.0.2.1", 20 + port);
            members.push(door.enter(next).unwrap());
            door.logged_in(next);
        }
        assert!(door.enter(peer("10.0.2.1", 99)).is_none());
        assert!(members.iter().all(|visit| standing(visit) == LoggedIn));
        drop(silent);
        // So are all places: the same.
        for port in 0..4 {
            let next = peer("10.0.3.1", port);
            members.push(door.enter(next).unwrap());
            door.logged_in(next);
        }
        assert!(door.enter(peer("10.0.4.1", 1)).is_none());
        members.pop();
        assert!(door.enter(peer("10.0.4.1", 1)).is_some());
        drop(members);
        let inside = door.inside();
        assert!(inside.sources.is_empty() && inside.by_peer.is_empty());
        assert_eq!((inside.connections, inside.strangers.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_for_the_login_is_bounded() {
        let door = Door::new(ROOM);
        let address = peer("10.0.0.1", 1);
        let deadline = Instant::now() + std::time::Duration::from_secs(10);
        let mut visit = door.enter(address).unwrap();
        visit.turned_away(deadline).await;
        assert_eq!(Instant::now(), deadline);
        let mut visit = door.enter(address).unwrap();
        door.logged_in(address);
        let later = deadline + std::time::Duration::from_secs(3600);
        let waited = tokio::time::timeout_at(later, visit.turned_away(later)).await;
        assert!(waited.is_err());
    }
}
