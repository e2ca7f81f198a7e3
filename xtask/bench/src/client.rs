//! An HTTP/1.1 client with little overhead, since it shares the processor cores with the server under test.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A keep-alive connection. Sends one request at a time.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer of the server.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// Fails with status and body unless the status is `wanted`.
    pub fn expect(&self, wanted: u16) -> anyhow::Result<()> {
        if self.status != wanted {
            bail!("the server answered {} instead of {wanted}: {}", self.status, String::from_utf8_lossy(self.body));
        }
        Ok(())
    }
}

impl Connection {
    pub async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends the bytes of a request, and waits for the complete answer.
    pub async fn call(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.buffer.clear();
        self.stream.write_all(request).await.context("cannot send a request")?;
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.context("cannot read an answer")?;
            anyhow::ensure!(read > 0, "the server closed the connection instead of answering");
            if let Some(head) = parse_head(&self.buffer)?
                && self.buffer.len() >= head.end + head.content_length
            {
                return Ok(Answer { status: head.status, body: &self.buffer[head.end..head.end + head.content_length] });
            }
        }
    }
}

/// Returns the bytes of a GET.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// Returns the bytes of a DELETE.
pub fn delete(path: &str) -> Vec<u8> {
    format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// Returns the bytes of a POST of JSON.
pub fn post(path: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

#[derive(Debug, PartialEq)]
struct Head {
    status: u16,
    content_length: usize,
    /// Offset of the body in bytes.
    end: usize,
}

/// Parses the head of an answer. Returns `None` while the head is incomplete.
fn parse_head(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end]).context("the head of an answer is not text")?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok())
        .with_context(|| format!("not an HTTP/1.1 answer: {text:?}"))?;
    let content_length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .with_context(|| format!("an answer without content-length: {text:?}"))?;
    Ok(Some(Head { status, content_length, end: end + 4 }))
}

#[cfg(test)]
mod tests;
