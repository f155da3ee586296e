//! What mqtt5 asks before it lets a client in or lets it do something.

use core::future::{Future, ready};
use core::pin::Pin;
use std::net::SocketAddr;
use std::sync::Arc;

use mqtt5::MqttError;
use mqtt5::broker::auth::{AuthProvider, AuthResult};
use mqtt5::broker::storage::ClientSession;
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;

use crate::acl::Client;
use crate::door::{Door, GUEST, Source};
use crate::figures::Figures;
use crate::reload::{Current, Rules};
use crate::sessions::Sessions;
use crate::shelf::Shelf;

/// Longest topic filter in bytes: a session keeps its filters.
pub(crate) const MAX_FILTER: usize = 1024;
/// The broker's own, and no topics at all.
const NOT_FOR_CLIENTS: [&str; 2] = ["$SYS", "$share"];

pub(crate) struct Porter {
    pub(crate) rules: Arc<Current<Rules>>,
    pub(crate) door: Arc<Door>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) figures: Arc<Figures>,
}

impl Porter {
    async fn admit(&self, connect: &ConnectPacket, address: SocketAddr) -> AuthResult {
        let guest = self.door.guest(address);
        let identity = guest.as_ref().and_then(|guest| guest.identity.get());
        let identity = identity.map(String::as_str);
        let rules = self.rules.get();
        let result = rules.login.decide(connect, address, identity).await;
        if !result.authenticated {
            return result;
        }
        let user = result.user_id.as_deref();
        if !rules.client_ids.allow(&connect.client_id, user) {
            return AuthResult::fail(ReasonCode::ClientIdentifierNotValid);
        }
        self.door.logged_in(address);
        if let Some(guest) = guest {
            guest.logs_in(user);
            let receive_maximum = connect.properties.get_receive_maximum();
            guest.connects(connect.protocol_version, receive_maximum);
        }
        if ClientSession::expiry_from_connect(connect) != Some(0) {
            let source = Source::of(address.ip());
            self.sessions.opened(&connect.client_id, source).await;
        }
        result
    }

    fn may_publish(&self, client: Client<'_>, topic: &str) -> bool {
        let first = topic.split('/').next().unwrap_or_default();
        let rules = self.rules.get();
        let access = rules.access.as_ref();
        !NOT_FOR_CLIENTS.contains(&first)
            && access.is_none_or(|access| access.may_publish(client, topic))
    }

    fn may_subscribe(&self, client: Client<'_>, filter: &str) -> bool {
        let rules = self.rules.get();
        let access = rules.access.as_ref();
        filter.len() <= MAX_FILTER
            && access.is_none_or(|access| access.may_subscribe(client, filter))
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl AuthProvider for Porter {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client_addr: SocketAddr,
    ) -> Answer<'a, Result<AuthResult, MqttError>> {
        Box::pin(async move {
            let result = self.admit(connect, client_addr).await;
            if !result.authenticated {
                self.figures.logins_refused.add(1);
            }
            Ok(result)
        })
    }

    fn authorize_publish<'a>(
        &'a self,
        client_id: &str,
        user_id: Option<&'a str>,
        topic: &'a str,
    ) -> Answer<'a, bool> {
        let client = Client {
            id: client_id,
            user: user_id,
        };
        // Asked once for each PUBLISH, in their order.
        let retained = GUEST.try_with(|guest| guest.retains_next());
        // A will that waited for its delay has no connection.
        let retained = retained.unwrap_or_default();
        let has_room = |user: &str| !retained || self.shelf.has_room_for(user, topic);
        let allowed = self.may_publish(client, topic) && user_id.is_none_or(has_room);
        if !allowed {
            self.figures.publishes_refused.add(1);
        }
        Box::pin(ready(allowed))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        client_id: &str,
        user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> Answer<'a, bool> {
        let client = Client {
            id: client_id,
            user: user_id,
        };
        let allowed = self.may_subscribe(client, topic_filter);
        if !allowed {
            self.figures.subscriptions_refused.add(1);
        }
        Box::pin(ready(allowed))
    }
}
