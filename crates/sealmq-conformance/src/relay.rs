//! A way to the broker that can be cut.

use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failed::Failed;

/// Ends when it is dropped.
pub(crate) struct Relay {
    pub(crate) port: u16,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn to(host: &str, port: u16) -> Result<Self, Failed> {
        let broker = (host.to_owned(), port);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(Failed::at("a relay"))?;
        let port = listener.local_addr().map_err(Failed::at("a relay"))?.port();
        let (open, state) = watch::channel(true);
        let task = tokio::spawn(accept(listener, broker, state));
        Ok(Self { port, open, task })
    }

    /// Ends all connections without a goodbye, and takes no new ones.
    pub(crate) fn cut(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, broker: (String, u16), state: watch::Receiver<bool>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut state = state.clone();
        if !*state.borrow_and_update() {
            continue;
        }
        let broker = broker.clone();
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(broker).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = state.wait_for(|open| !open) => {}
            }
        });
    }
}
