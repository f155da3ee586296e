//! MQTT in WebSocket frames. The handshake and the frames' headers are tungstenite's; what is in a
//! frame is passed on as it comes, so that no frame takes memory, however long it says it is.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{
    Callback, ErrorResponse, Request, Response,
};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

const INPUT: usize = 4096;
/// Of one frame that goes out.
const OUTPUT: usize = 64 * 1024;
/// Pongs that wait for a client that does not read; further ones are left out.
const PONGS: usize = 1024;
const MOST_OF_A_CONTROL_FRAME: u64 = 125;
const PROTOCOL: &str = "mqtt";

/// Where WebSocket clients have to come, and from which pages.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WebSocketRules {
    pub(crate) path: String,
    /// Empty: any, also none.
    pub(crate) origins: Vec<String>,
}

#[expect(clippy::result_large_err, reason = "tungstenite's type")]
impl Callback for &WebSocketRules {
    fn on_request(
        self,
        request: &Request,
        mut response: Response,
    ) -> Result<Response, ErrorResponse> {
        let refused = |status| {
            let mut refused = ErrorResponse::new(None);
            *refused.status_mut() = status;
            Err(refused)
        };
        if request.uri().path() != self.path {
            return refused(StatusCode::NOT_FOUND);
        }
        let text = |name| {
            request
                .headers()
                .get_all(name)
                .into_iter()
                .filter_map(|value: &HeaderValue| value.to_str().ok())
        };
        let allowed = |origin: &str| {
            self.origins
                .iter()
                .any(|one| one.eq_ignore_ascii_case(origin))
        };
        if !self.origins.is_empty() && !text(header::ORIGIN).any(allowed) {
            return refused(StatusCode::FORBIDDEN);
        }
        let mut offered = text(header::SEC_WEBSOCKET_PROTOCOL).flat_map(|list| list.split(','));
        if !offered.any(|one| one.trim() == PROTOCOL) {
            return refused(StatusCode::BAD_REQUEST);
        }
        response.headers_mut().insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(PROTOCOL),
        );
        Ok(response)
    }
}

/// A stream of what is in the frames.
pub(crate) struct WebSocket<S> {
    stream: S,
    input: Vec<u8>,
    /// How much of `input` was passed on.
    used: usize,
    frame: Option<Frame>,
    /// Inside a message that has more than one frame.
    fragments: bool,
    control: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    ended: bool,
    said_goodbye: bool,
}

struct Frame {
    kind: OpCode,
    left: u64,
    mask: [u8; 4],
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Waits for the HTTP request and answers it. Its size is bounded by tungstenite (64 KiB); its
    /// time by the caller.
    pub(crate) async fn accept(stream: S, rules: &WebSocketRules) -> io::Result<Self> {
        let accepted = accept_hdr_async(stream, rules).await;
        // Nothing was read beyond the request: tungstenite refuses requests with something behind.
        let stream = accepted.map_err(io::Error::other)?.into_inner();
        Ok(Self {
            stream,
            input: Vec::new(),
            used: 0,
            frame: None,
            fragments: false,
            control: Vec::new(),
            output: Vec::new(),
            written: 0,
            ended: false,
            said_goodbye: false,
        })
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self
            .output
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written = self.written.saturating_add(count);
        }
        self.output.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, kind: OpCode, payload: &[u8]) -> io::Result<()> {
        let header = FrameHeader {
            opcode: kind,
            ..FrameHeader::default()
        };
        let length = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        header
            .format(length, &mut self.output)
            .map_err(io::Error::other)?;
        self.output.extend_from_slice(payload);
        Ok(())
    }

    fn goodbye(&mut self) -> io::Result<()> {
        const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();
        if self.said_goodbye {
            return Ok(());
        }
        self.said_goodbye = true;
        self.send(OpCode::Control(Control::Close), &NORMAL)
    }

    /// The next frame's header, if all of it is there.
    fn header(&mut self) -> io::Result<()> {
        let unread = self.input.get(self.used..).unwrap_or_default();
        let mut cursor = Cursor::new(unread);
        let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(io::Error::other)?
        else {
            return Ok(());
        };
        let header_length = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        self.used = self.used.saturating_add(header_length);
        let Some(mask) = header.mask else {
            return Err(malformed("a frame without a mask"));
        };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(malformed("a frame of an extension"));
        }
        match header.opcode {
            OpCode::Data(Data::Binary) if !self.fragments => self.fragments = !header.is_final,
            OpCode::Data(Data::Continue) if self.fragments => self.fragments = !header.is_final,
            OpCode::Data(Data::Text) => return Err(malformed("MQTT comes in binary frames")),
            OpCode::Control(_) if header.is_final && length <= MOST_OF_A_CONTROL_FRAME => {}
            _ => return Err(malformed("a frame that cannot stand here")),
        }
        self.control.clear();
        self.frame = Some(Frame {
            kind: header.opcode,
            left: length,
            mask,
        });
        Ok(())
    }

    /// What is there of the frame's content, at most `most` bytes of it.
    fn content(&mut self, most: usize, mut take: impl FnMut(&mut Self, &[u8])) {
        let Some(mut frame) = self.frame.take() else {
            return;
        };
        let unread = self.input.get(self.used..).unwrap_or_default();
        let left = usize::try_from(frame.left).unwrap_or(usize::MAX);
        let count = unread.len().min(left).min(most);
        let mut bytes = unread.get(..count).unwrap_or_default().to_vec();
        for (byte, mask) in bytes.iter_mut().zip(frame.mask.iter().cycle()) {
            *byte ^= mask;
        }
        frame
            .mask
            .rotate_left(count.checked_rem(4).unwrap_or_default());
        frame.left = frame
            .left
            .saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        self.used = self.used.saturating_add(count);
        self.frame = Some(frame);
        take(self, &bytes);
    }

    /// A frame is complete.
    fn end(&mut self, kind: OpCode) -> io::Result<()> {
        self.frame = None;
        match kind {
            OpCode::Control(Control::Ping) if self.output.len() < PONGS => {
                let payload = std::mem::take(&mut self.control);
                self.send(OpCode::Control(Control::Pong), &payload)
            }
            OpCode::Control(Control::Close) => {
                self.ended = true;
                self.goodbye()
            }
            _ => Ok(()),
        }
    }
}

fn malformed(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.ended || buf.remaining() == 0 {
                // What answers a ping or a goodbye goes out as far as it can.
                let _later = this.poll_output(cx)?;
                return Poll::Ready(Ok(()));
            }
            match this.frame.as_ref().map(|frame| (frame.kind, frame.left)) {
                Some((kind, 0)) => {
                    this.end(kind)?;
                    continue;
                }
                Some((OpCode::Data(_), _)) => {
                    let before = buf.filled().len();
                    this.content(buf.remaining(), |_, bytes| buf.put_slice(bytes));
                    if buf.filled().len() > before {
                        return Poll::Ready(Ok(()));
                    }
                }
                Some(_) => this.content(usize::MAX, |this, bytes| {
                    this.control.extend_from_slice(bytes)
                }),
                None => this.header()?,
            }
            let more = this.used < this.input.len();
            if this
                .frame
                .as_ref()
                .is_some_and(|frame| frame.left == 0 || more)
            {
                continue;
            }
            let _later = this.poll_output(cx)?;
            this.input.drain(..this.used);
            this.used = 0;
            let kept = this.input.len();
            this.input.resize(kept.saturating_add(INPUT), 0);
            let mut more = ReadBuf::new(this.input.get_mut(kept..).unwrap_or_default());
            let read = Pin::new(&mut this.stream).poll_read(cx, &mut more);
            let count = more.filled().len();
            this.input.truncate(kept.saturating_add(count));
            ready!(read)?;
            if count == 0 {
                this.ended = true;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_output(cx))?;
        let part = buf.get(..buf.len().min(OUTPUT)).unwrap_or_default();
        this.send(OpCode::Data(Data::Binary), part)?;
        let _later = this.poll_output(cx)?;
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_output(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.goodbye()?;
        ready!(this.poll_output(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
