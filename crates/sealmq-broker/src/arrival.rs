//! How a connection comes about: listeners, TLS, WebSocket, the beginning of a CONNECT.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::sync::Arc;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};

use crate::builder::Entrance;
use crate::door::Guest;
use crate::error::BrokerError;
use crate::line::{Duplex, Line, Lines};
use crate::tls;
use crate::websocket::WebSocket;

pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BrokerError> {
    let failed = |source| BrokerError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// The next connection of any listener; they take turns.
pub(crate) async fn accept(
    listeners: &[(TcpListener, Arc<Entrance>)],
    turn: &mut usize,
) -> (io::Result<(TcpStream, SocketAddr)>, Arc<Entrance>) {
    poll_fn(|cx| {
        let (before, after) = listeners.split_at((*turn).min(listeners.len()));
        for (listener, entrance) in after.iter().chain(before) {
            *turn = turn
                .saturating_add(1)
                .checked_rem(listeners.len())
                .unwrap_or_default();
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready((accepted, Arc::clone(entrance)));
            }
        }
        Poll::Pending
    })
    .await
}

/// Waits until a client has begun to say who it is.
pub(crate) async fn greeted(
    stream: TcpStream,
    peer: SocketAddr,
    entrance: &Entrance,
    guest: &Arc<Guest>,
    lines: Arc<Lines>,
) -> io::Result<(Line, StdTcpStream)> {
    stream.set_nodelay(true)?;
    let socket = second_handle(&stream)?;
    let mut stream: Box<dyn Duplex> = match &entrance.tls {
        None => Box::new(stream),
        Some(acceptor) => {
            let stream = acceptor.get().accept(stream).await?;
            if entrance.certificate_names
                && let Some([certificate, ..]) = stream.get_ref().1.peer_certificates()
            {
                let _first = guest.identity.set(tls::common_name(certificate)?);
            }
            Box::new(stream)
        }
    };
    if let Some(rules) = &entrance.websocket {
        stream = Box::new(WebSocket::accept(stream, rules).await?);
    }
    let line = Line::open(stream, peer, Arc::clone(guest), lines).await?;
    Ok((line, socket))
}

/// A handle that can close a stream from outside.
fn second_handle(stream: &TcpStream) -> io::Result<StdTcpStream> {
    #[cfg(unix)]
    let handle = std::os::fd::AsFd::as_fd(stream).try_clone_to_owned()?;
    #[cfg(windows)]
    let handle = std::os::windows::io::AsSocket::as_socket(stream).try_clone_to_owned()?;
    Ok(handle.into())
}
