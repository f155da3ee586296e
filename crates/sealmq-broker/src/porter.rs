//! What mqtt5 asks before it lets a client in or lets it do something.

use core::future::{Future, ready};
use core::pin::Pin;
use std::net::SocketAddr;
use std::sync::Arc;

use mqtt5::MqttError;
use mqtt5::broker::auth::{AuthProvider, AuthResult};
use mqtt5::broker::storage::ClientSession;
use mqtt5::packet::connect::ConnectPacket;

use crate::door::{Door, Source};
use crate::login::Login;
use crate::sessions::Sessions;

/// Longest topic filter in bytes: a session keeps its filters.
pub(crate) const MAX_FILTER: usize = 1024;

/// Every authenticated client may use every topic.
pub(crate) struct Porter {
    pub(crate) login: Login,
    pub(crate) door: Arc<Door>,
    pub(crate) sessions: Arc<Sessions>,
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl AuthProvider for Porter {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client_addr: SocketAddr,
    ) -> Answer<'a, Result<AuthResult, MqttError>> {
        Box::pin(async move {
            let result = self.login.decide(connect, client_addr).await;
            if result.authenticated {
                self.door.logged_in(client_addr);
                if ClientSession::expiry_from_connect(connect) != Some(0) {
                    let source = Source::of(client_addr.ip());
                    self.sessions.opened(&connect.client_id, source).await;
                }
            }
            Ok(result)
        })
    }

    fn authorize_publish<'a>(
        &'a self,
        _client_id: &str,
        _user_id: Option<&'a str>,
        _topic: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(ready(true))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        _user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(ready(topic_filter.len() <= MAX_FILTER))
    }
}
