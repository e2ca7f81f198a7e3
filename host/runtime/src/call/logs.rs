//! A guest's stdout and stderr: bounded lines, each a log event with the correlation id.

pub mod rate;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use postdate_core::plugin::Role;
use postdate_core::text::printable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use self::rate::LogRate;
use crate::limits::{Reached, WRITTEN_BYTES, WRITTEN_LINES};
use crate::secrets::Mask;

/// Bounds of one call's output. Further output is dropped, and the last line says so.
const MAX_BYTES: usize = 64 << 10;
const MAX_LINES: usize = 1000;
const MAX_LINE_BYTES: usize = 4 << 10;
/// Last lines of stderr that an error carries, since a panic's message comes last. The bounds above do not apply to them.
const TAIL_LINES: usize = 20;
/// Most bytes of one write of a guest.
const WRITE_BYTES: usize = 64 << 10;

/// The source of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
    /// A remark of the host about the call, such as a refused request and the grant that would allow it.
    Host,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Host => "host",
        })
    }
}

/// One line of output, without its end; control characters are escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub stream: Stream,
    pub text: String,
}

/// The plugin of a line; the same for all its calls.
#[derive(Debug)]
pub struct Identity {
    pub use_case: String,
    pub role: Role,
    /// Limits the log events of the use case. The lines of the call's report are not limited by it.
    pub rate: Arc<LogRate>,
}

/// The output of one call: the guest's streams and the host's remarks.
#[derive(Debug)]
pub struct CallLog {
    plugin: Arc<Identity>,
    correlation_id: String,
    mask: Mask,
    output: Mutex<Output>,
}

#[derive(Debug, Default)]
struct Output {
    lines: Vec<LogLine>,
    bytes: usize,
    full: bool,
    /// Bytes written by the guest, kept or not.
    written_lines: u64,
    written_bytes: u64,
    stdout: Partial,
    stderr: Partial,
    tail: VecDeque<String>,
    /// Cause of the last outgoing request, if it got no answer.
    last_failure: Option<String>,
}

/// A line that has not ended.
#[derive(Debug, Default)]
struct Partial {
    text: Vec<u8>,
    cut: bool,
}

impl CallLog {
    /// Makes the log of one call. `mask` hides the call's secrets in each line.
    pub fn new(plugin: Arc<Identity>, correlation_id: String, mask: Mask) -> Arc<Self> {
        Arc::new(Self { plugin, correlation_id, mask, output: Mutex::default() })
    }

    /// Returns the use case of the called plugin.
    pub fn use_case(&self) -> &str {
        &self.plugin.use_case
    }

    /// Returns the role of the called plugin.
    pub fn role(&self) -> Role {
        self.plugin.role
    }

    /// Adds a remark of the host.
    pub fn note(&self, mut text: String) {
        self.mask.apply(&mut text);
        let mut output = self.lock();
        self.keep(&mut output, LogLine { stream: Stream::Host, text });
    }

    /// Adds the cause why a request of the plugin got no answer.
    pub fn request_failed(&self, mut cause: String) {
        self.mask.apply(&mut cause);
        let mut output = self.lock();
        output.last_failure = Some(cause.clone());
        self.keep(&mut output, LogLine { stream: Stream::Host, text: cause });
    }

    /// Notes that a request of the plugin got an answer.
    pub fn request_answered(&self) {
        self.lock().last_failure = None;
    }

    /// Returns the cause why the last request of the plugin got no answer. `None` if it got one.
    pub fn last_failure(&self) -> Option<String> {
        self.lock().last_failure.clone()
    }

    /// Hides secrets in a message of the plugin's answer.
    pub fn mask(&self, message: &mut String) {
        self.mask.apply(message);
    }

    /// Returns the kept lines, and the last lines of stderr. Ends lines that the guest left open.
    pub fn finish(&self) -> (Vec<LogLine>, Vec<String>) {
        let mut output = self.lock();
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !output.partial(stream).text.is_empty() {
                self.end_line(&mut output, stream);
            }
        }
        self.note_dropped();
        let tail = std::mem::take(&mut output.tail).into();
        (std::mem::take(&mut output.lines), tail)
    }

    fn write(&self, stream: Stream, bytes: &[u8]) -> Result<(), Reached> {
        let mut output = self.lock();
        output.count(bytes)?;
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            output.partial(stream).push(&rest[..end]);
            self.end_line(&mut output, stream);
            output.written_lines += 1;
            rest = &rest[end + 1..];
        }
        output.partial(stream).push(rest);
        Ok(())
    }

    fn end_line(&self, output: &mut Output, stream: Stream) {
        let mut text = output.partial(stream).take();
        self.mask.apply(&mut text);
        if stream == Stream::Stderr {
            output.tail.push_back(text.clone());
            if output.tail.len() > TAIL_LINES {
                output.tail.pop_front();
            }
        }
        self.keep(output, LogLine { stream, text });
    }

    fn keep(&self, output: &mut Output, line: LogLine) {
        if output.full {
            return;
        }
        output.bytes += line.text.len();
        output.full = output.lines.len() >= MAX_LINES || output.bytes > MAX_BYTES;
        let line = if output.full {
            let text =
                format!("the rest of this call's output was dropped: at most {MAX_LINES} lines and {} KiB are kept", MAX_BYTES >> 10);
            LogLine { stream: Stream::Host, text }
        } else {
            line
        };
        self.note_dropped();
        if self.plugin.rate.take(line.text.len(), Instant::now()) {
            self.log(line.stream, &line.text);
        }
        output.lines.push(line);
    }

    /// Logs how many lines the use case's limit has dropped, if any.
    fn note_dropped(&self) {
        if let Some(dropped) = self.plugin.rate.dropped(Instant::now()) {
            let limit = rate::BYTES_PER_SECOND >> 10;
            self.log(
                Stream::Host,
                &format!("{dropped} lines of this use case were dropped: its plugins log more than {limit} KiB a second"),
            );
        }
    }

    fn log(&self, stream: Stream, text: &str) {
        tracing::info!(
            target: "postdate::plugin",
            correlation_id = %self.correlation_id,
            use_case = %self.plugin.use_case,
            role = %self.plugin.role,
            stream = %stream,
            "{text}"
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Output> {
        // A line is added as a whole or not at all, so the state is valid even after a panic of its holder.
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    /// Counts a write before its lines are kept. The lines count against the next write.
    fn count(&mut self, bytes: &[u8]) -> Result<(), Reached> {
        self.written_bytes += bytes.len() as u64;
        if self.written_lines > WRITTEN_LINES {
            return Err(Reached { what: "lines of output", limit: WRITTEN_LINES });
        }
        if self.written_bytes > WRITTEN_BYTES {
            return Err(Reached { what: "bytes of output", limit: WRITTEN_BYTES });
        }
        Ok(())
    }

    fn partial(&mut self, stream: Stream) -> &mut Partial {
        if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr }
    }
}

impl Partial {
    fn push(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES - self.text.len();
        self.cut |= bytes.len() > room;
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn take(&mut self) -> String {
        let mut text = printable(String::from_utf8_lossy(&self.text).trim_end_matches('\r'));
        if self.cut {
            text.push_str(" [cut]");
        }
        self.text.clear();
        self.cut = false;
        text
    }
}

/// stdout or stderr as WASI sees it.
pub struct Pipe {
    pub log: Arc<CallLog>,
    pub stream: Stream,
}

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 calls this function, and WASI 0.3 is not linked. The output is dropped.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self { log: Arc::clone(&self.log), stream: self.stream })
    }
}

#[async_trait::async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for Pipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.write(self.stream, &bytes).map_err(|reached| StreamError::Trap(reached.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

#[cfg(test)]
mod tests;
