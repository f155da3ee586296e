//! What mqtt5 reads from and writes to: TCP, TLS or WebSocket, looked at on the way.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use mqtt5::MqttError;
use mqtt5::broker::transport::WebSocketTransport;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::acknowledgements::{Acknowledgements, Writes};
use crate::door::Guest;
use crate::figures::Figures;
use crate::framing::{Framing, Kind, Seen};
use crate::greeting;
use crate::intake::{Intake, Place, SMALL};
use crate::older;
use crate::readers::{Reader, Readers};

/// A fixed header, and what is behind it in the first piece.
const FIRST_READ: usize = 1024;

/// The flag of a PUBLISH.
const RETAIN: u8 = 1;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

type Waiting = Pin<Box<dyn Future<Output = Place> + Send>>;

/// What all connections share.
pub(crate) struct Lines {
    pub(crate) intake: Arc<Intake>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) figures: Arc<Figures>,
    /// Of the data folder, if there is one.
    pub(crate) writes: Option<Arc<Writes>>,
}

pub(crate) struct Line {
    stream: Box<dyn Duplex>,
    peer: SocketAddr,
    guest: Arc<Guest>,
    lines: Arc<Lines>,
    /// Read to see what comes, and not yet passed on.
    greeting: Vec<u8>,
    incoming: Framing,
    outgoing: Framing,
    /// The first packet is a CONNECT, which has a limit of its own.
    greeted: bool,
    place: Option<Place>,
    /// Locked by nobody else: it makes the future `Sync`.
    waiting: Mutex<Option<Waiting>>,
    reader: Reader,
    substitute: Option<Substitute>,
    acknowledgements: Option<Acknowledgements>,
}

/// What is sent instead of the packet that mqtt5 writes.
struct Substitute {
    bytes: Vec<u8>,
    written: usize,
    /// Length of the packet that it stands for.
    packet: usize,
}

impl Line {
    /// Waits until a sensible CONNECT has begun.
    pub(crate) async fn open(
        mut stream: Box<dyn Duplex>,
        peer: SocketAddr,
        guest: Arc<Guest>,
        lines: Arc<Lines>,
    ) -> io::Result<Self> {
        let mut greeting = Vec::with_capacity(FIRST_READ);
        while !greeting::check(&greeting)? {
            if stream.read_buf(&mut greeting).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Self {
            reader: Reader::new(&lines.readers, &guest.close),
            acknowledgements: lines.writes.as_ref().map(Acknowledgements::new),
            stream,
            peer,
            guest,
            lines,
            greeting,
            incoming: Framing::default(),
            outgoing: Framing::default(),
            greeted: false,
            place: None,
            waiting: Mutex::new(None),
            substitute: None,
        })
    }

    fn received(&mut self, bytes: &[u8]) {
        let figures = &self.lines.figures;
        figures.received(bytes.len());
        let mut large = None;
        self.incoming.observe(bytes, |seen| match seen {
            Seen::Begins(head) => {
                figures.packet_received(head);
                match head.kind() {
                    Kind::Acknowledged => self.reader.acknowledged(),
                    Kind::Publish { .. } => self.guest.publishes(head.first & RETAIN != 0),
                    Kind::Other => {}
                }
                large = (self.greeted && head.length > SMALL).then_some(head.length);
                self.greeted = true;
            }
            // The whole packet is with mqtt5, which deals with it before it reads on.
            Seen::Ends => {
                large = None;
                self.place = None;
            }
        });
        if let Some(bytes) = large {
            let close = Arc::clone(&self.guest.close);
            let party = self.guest.party();
            let place = Arc::clone(&self.lines.intake).enter(party, bytes, close);
            let waiting = self
                .waiting
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner);
            *waiting = Some(Box::pin(place));
        }
    }

    /// Whether there is room for the rest of the packet that has begun.
    fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waiting = self
            .waiting
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = waiting {
            self.place = Some(ready!(place.as_mut().poll(cx)));
            *waiting = None;
        }
        Poll::Ready(())
    }

    fn sent(&mut self, bytes: &[u8]) {
        self.reader.wrote(bytes.len());
        let figures = &self.lines.figures;
        figures.sent(bytes.len());
        let window = self.guest.window();
        self.outgoing.observe(bytes, |seen| {
            if let Seen::Begins(head) = seen {
                figures.packet_sent(head);
                if head.kind() == (Kind::Publish { acknowledged: true }) {
                    self.reader.sent(window);
                }
            }
        });
    }
}

impl Line {
    /// Keeps an acknowledgement back until what it promises is on disk; its length there.
    fn hold(&mut self, bytes: &[u8]) -> Option<usize> {
        if !self.may_interrupt() {
            return None;
        }
        let acknowledgements = self.acknowledgements.as_mut()?;
        let length = Acknowledgements::length(bytes)?;
        let packet = bytes.get(..length)?;
        let older = self
            .guest
            .is_older()
            .then(|| older::instead(packet))
            .flatten();
        let packet = older.map_or_else(|| packet.to_vec(), |(packet, _)| packet);
        acknowledgements.hold(packet, self.guest.is_older());
        Some(length)
    }

    /// Sends acknowledgements whose messages are on disk. Pending: a part of one has to follow.
    fn poll_acknowledgements(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(mut acknowledgements) = self.acknowledgements.take() else {
            return Poll::Ready(Ok(()));
        };
        let outcome = self.poll_send(&mut acknowledgements, cx);
        self.acknowledgements = Some(acknowledgements);
        outcome
    }

    fn poll_send(
        &mut self,
        acknowledgements: &mut Acknowledgements,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        acknowledgements.look(cx)?;
        while !acknowledgements.ready().is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, acknowledgements.ready()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    self.sent(acknowledgements.ready().get(..count).unwrap_or_default());
                    acknowledgements.sent(count);
                }
            }
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        Poll::Ready(Ok(()))
    }

    /// Whether mqtt5's next bytes begin a packet, and no part of ours has to go before.
    fn may_interrupt(&self) -> bool {
        self.substitute.is_none() && (self.outgoing.between() || self.is_sending_own())
    }

    fn is_sending_own(&self) -> bool {
        let own = self.acknowledgements.as_ref();
        own.is_some_and(|own| !own.ready().is_empty())
    }

    fn poll_substitute(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(mut substitute) = self.substitute.take() else {
            return Poll::Ready(Ok(0));
        };
        while let Some(rest) = substitute.bytes.get(substitute.written..)
            && !rest.is_empty()
        {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    self.sent(rest.get(..count).unwrap_or_default());
                    substitute.written = substitute.written.saturating_add(count);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.reader.blocked();
                    self.substitute = Some(substitute);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(substitute.packet))
    }
}

impl WebSocketTransport for Line {
    fn peer_addr(&self) -> Result<SocketAddr, MqttError> {
        Ok(self.peer)
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.may_interrupt()
            && let Poll::Ready(Err(error)) = this.poll_acknowledgements(cx)
        {
            return Poll::Ready(Err(error));
        }
        if !this.greeting.is_empty() {
            let count = this.greeting.len().min(buf.remaining());
            let bytes: Vec<u8> = this.greeting.drain(..count).collect();
            this.received(&bytes);
            buf.put_slice(&bytes);
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_place(cx));
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                this.received(buf.filled().get(before..).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                this.reader.idle(this.guest.window());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(length) = this.hold(buf) {
            return Poll::Ready(Ok(length));
        }
        if this.may_interrupt() && this.is_sending_own() {
            ready!(this.poll_acknowledgements(cx))?;
        }
        if this.guest.is_older() && this.substitute.is_none() && this.outgoing.between() {
            this.substitute = older::instead(buf).map(|(bytes, packet)| Substitute {
                bytes,
                written: 0,
                packet,
            });
        }
        if this.substitute.is_some() {
            return this.poll_substitute(cx);
        }
        match Pin::new(&mut this.stream).poll_write(cx, buf) {
            Poll::Ready(Ok(count)) => {
                this.sent(buf.get(..count).unwrap_or_default());
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                this.reader.blocked();
                Poll::Pending
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        if flushed.is_pending() {
            this.reader.blocked();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
