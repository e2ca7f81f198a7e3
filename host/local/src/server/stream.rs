//! The stream of a connection: replaces answers that hyper makes itself by problem documents, and ends a client that does not read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::{Response, StatusCode, header};
use postdate_core::api::{ApiError, CORRELATION_HEADER, Code};
use postdate_core::ports::Clock as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::connections::Link;
use super::{MAX_HEAD_BYTES, closing};
use crate::clock::Clock;

pub struct ClientStream {
    tcp: TcpStream,
    link: Arc<Link>,
    clock: Clock,
    /// Longest time in which the client accepts no byte.
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// The rest of an answer in place of hyper's.
    answer: Bytes,
}

impl ClientStream {
    pub fn new(tcp: TcpStream, link: Arc<Link>, clock: Clock, patience: Duration) -> Self {
        Self { tcp, link, clock, patience, stalled: None, answer: Bytes::new() }
    }

    pub fn into_tcp(self) -> TcpStream {
        self.tcp
    }

    /// Keeps an answer in place of the one in `bytes`, if hyper made that.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        let Some(error) = hypers_own(bytes) else { return false };
        self.answer = written_out(&closing(error).into_response(self.clock.new_id(self.clock.now())));
        self.link.lingers.store(true, Ordering::Relaxed);
        true
    }

    /// Returns the result of a write, or an error if the client has not read for too long.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read the answer")))
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.answer.is_empty() {
            let written = Pin::new(&mut self.tcp).poll_write(cx, &self.answer);
            let count = ready!(self.bounded(cx, written))?;
            self.answer.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns the error to answer with if `bytes` are the head that hyper writes for a request that it cannot parse. Each answer of this
/// server has a correlation id, and no body contains an end of a head, since JSON escapes line ends.
fn hypers_own(bytes: &[u8]) -> Option<ApiError> {
    let status = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?.get(..3)?;
    let head = bytes.strip_suffix(b"\r\n\r\n").and_then(|head| std::str::from_utf8(head).ok())?;
    if head.contains(CORRELATION_HEADER) {
        return None;
    }
    let (status, code, detail) = match status {
        b"400" => (StatusCode::BAD_REQUEST, Code::MalformedRequest, "the request line or a header is not HTTP/1.1".to_owned()),
        b"414" => (StatusCode::URI_TOO_LONG, Code::UriTooLong, "the request target may have at most 65534 bytes".to_owned()),
        b"431" => {
            let detail = format!("the head of a request may have at most 100 headers and {MAX_HEAD_BYTES} bytes");
            (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Code::HeadersTooLarge, detail)
        }
        _ => return None,
    };
    Some(ApiError::new(status, code, detail))
}

/// Returns the bytes of an answer that closes the connection.
pub fn written_out(response: &Response<Bytes>) -> Bytes {
    let status = response.status();
    let mut bytes = format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(format!("{}: {}\r\n\r\n", header::CONTENT_LENGTH, response.body().len()).into_bytes());
    bytes.extend(response.body());
    bytes.into()
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        // The error answers of hyper have no body, so they are one slice.
        if let [head] = slices
            && self.replaces(head)
        {
            return Poll::Ready(Ok(head.len()));
        }
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
