//! The task that owns the connection. rumqttc's `poll` must not be cancelled while it writes, so
//! its future is kept until it is done, while commands and time are served beside it.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use getrandom::SysRng;
use sealmq_client::{Ending, OpenError, PollError, StoreFailure};
use sealmq_keys::Store;
use tokio::time::sleep;

use crate::eventloop::Network;
use crate::host::{Callers, Host, Step};
use crate::hub::Hub;
use crate::library::Rumqttc;
use crate::options::SealOptions;
use crate::progress::Progress;
use crate::state::States;
use crate::version::Version;

/// rumqttc's queue: what is in it is bounded by the outbox, and by what the broker sends.
const REQUESTS: usize = 1 << 24;

pub(crate) struct Driver<V: Version> {
    host: Host<Rumqttc<V>>,
    eventloop: V::EventLoop,
    /// Without a Last Will.
    mqtt: V::Options,
    network: Network,
    callers: Callers<Rumqttc<V>>,
}

impl<V: Version> Driver<V> {
    pub(crate) fn new<S>(
        mqtt: V::Options,
        store: S,
        options: &SealOptions,
        network: Network,
        callers: Callers<Rumqttc<V>>,
    ) -> Result<Self, OpenError>
    where
        S: Store + Send + 'static,
    {
        let states = States::new(V::most_inflight(&mqtt));
        let (requests, eventloop) = V::start(mqtt.clone(), REQUESTS);
        let library = Rumqttc {
            requests,
            states,
            mqtt_events: options.mqtt_events,
            connack: None,
            aliases: BTreeMap::new(),
            resume: Vec::new(),
            will: None,
            verified_ahead: false,
        };
        Ok(Self {
            host: Host::open(store, options, library)?,
            eventloop,
            mqtt,
            network,
            callers,
        })
    }

    pub(crate) fn outstanding(&self) -> Arc<AtomicUsize> {
        self.host.hub().calls.outstanding()
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.host.progress)
    }

    pub(crate) fn hub(&self) -> Weak<Mutex<Hub>> {
        Arc::downgrade(&self.host.hub)
    }

    pub(crate) fn prefix(&self) -> Arc<str> {
        self.host.hub().client.member().prefix().into()
    }

    pub(crate) async fn run(mut self: Box<Self>) {
        if let Err(error) = self.drive().await {
            self.host.report_end(Err(PollError::Store(error)));
        }
        let Self {
            host,
            callers,
            eventloop,
            ..
        } = *self;
        drop(eventloop); // and with it the connection, however long the last events wait
        host.end(callers).await;
    }

    /// Until the application has enough of it, or the store fails.
    async fn drive(&mut self) -> Result<(), StoreFailure> {
        // `None` while there is a connection, or one that ends.
        let mut pause = Some(Duration::ZERO);
        while !self.host.closed {
            let (host, callers) = (&mut self.host, &mut self.callers);
            if let Some(pause) = pause.take() {
                match host.serve(callers, sleep(pause)).await? {
                    Step::Left => host.leave(),
                    _ => self.connect().await?,
                }
                self.host.settle().await?;
                continue;
            }
            let eventloop = &mut self.eventloop;
            match host.serve(callers, V::poll(eventloop)).await? {
                Step::Done(Ok(event)) => {
                    host.on_events(event, eventloop, &callers.events).await?;
                }
                Step::Done(Err(error)) => {
                    host.forget(eventloop).await?;
                    let mut hub = host.hub();
                    if let Some(how) = V::no_connack(&error) {
                        hub.client.handle_no_connack(how);
                    }
                    let (ending, time) = (V::ending(&error), hub.time());
                    let again = hub.client.handle_disconnected(ending, time, &mut SysRng);
                    let is_news = again.is_some() && !hub.client.is_old_news();
                    drop(hub);
                    if is_news {
                        host.report(Err(PollError::Connection(error)));
                    }
                    pause = Some(again.unwrap_or_default());
                }
                Step::HangUp => {
                    host.forget(eventloop).await?;
                    let mut hub = host.hub();
                    let (ending, time) = (Ending::Unrelated, hub.time());
                    let again = hub.client.handle_disconnected(ending, time, &mut SysRng);
                    drop(hub);
                    pause = Some(again.unwrap_or_default());
                }
                Step::Left => {
                    host.leave();
                    host.settle().await?;
                }
            }
            host.pump();
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), StoreFailure> {
        {
            let mut hub = self.host.hub();
            let time = hub.time();
            hub.client.connect(time, &mut SysRng);
        }
        self.host.settle().await?;
        let fresh = self.host.hub().client.wants_fresh_session();
        let will = self.host.library.will.take();
        V::renew(&mut self.eventloop, &self.mqtt, will, fresh);
        let network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = network.clone() {
            V::set_network(&mut self.eventloop, network);
        }
        Ok(())
    }
}

impl<V: Version> core::fmt::Debug for Driver<V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}
