//! `postdate listen`: receives HTTP requests on this machine and prints them, to try webhooks and targets.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::Local;
use clap::Args;
use postdate_core::use_case::is_credential_header;
use serde_json::Value;

use crate::loopback;
use crate::output::{err, indented, out, pretty, printable};

const MAX_BODY_BYTES: usize = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  postdate listen                                   receives the requests of use-cases/webhook
  postdate listen --status 503 --status 503 --status 200
                                                    fails twice, then succeeds, to watch the retries";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Listen {
    /// Port on 127.0.0.1; 0 for any free port
    #[arg(long, default_value_t = 9000)]
    port: u16,

    /// Status of the answers; if given more than once, one after the other, then the last one for all further answers
    #[arg(long, default_value = "200", value_parser = clap::value_parser!(u16).range(200..=599))]
    status: Vec<u16>,
}

struct Receiver {
    statuses: Vec<u16>,
    received: AtomicUsize,
}

pub async fn run(arguments: Listen) -> anyhow::Result<ExitCode> {
    let listener = loopback::bind(arguments.port).await?;
    err(&format!("listening on http://{} (Ctrl-C stops it)\n", listener.local_addr()?));
    let receiver = Receiver { statuses: arguments.status, received: AtomicUsize::new(0) };
    let router = Router::new().fallback(receive).with_state(Arc::new(receiver));
    loopback::serve(listener, router).await?;
    Ok(ExitCode::SUCCESS)
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        out(&format!("{} {}: the body is incomplete, or larger than {MAX_BODY_BYTES} bytes\n", parts.method, printable(parts.uri.path())));
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let status = receiver.status_of(receiver.received.fetch_add(1, Ordering::Relaxed));
    let heading = format!("{} {} {} → {}", Local::now().format("%H:%M:%S%.3f"), parts.method, parts.uri, status.as_u16());
    out(&request_text(&heading, &parts.headers, &body));
    // hyper omits the body for a status such as 204.
    (status, [(header::CONTENT_TYPE, "application/json")], r#"{"ok":true}"#).into_response()
}

impl Receiver {
    /// Returns the status for the n-th request, from 0.
    fn status_of(&self, n: usize) -> StatusCode {
        let status = self.statuses.get(n).or(self.statuses.last()).copied();
        status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK)
    }
}

fn request_text(heading: &str, headers: &HeaderMap, body: &[u8]) -> String {
    let mut text = format!("{}\n", printable(heading));
    for (name, value) in headers.iter().filter(|(name, _)| is_shown(name.as_str())) {
        // A credential must not appear on a screen that may be shared.
        let value = if is_credential_header(name.as_str()) { "(not shown)".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        let _ = writeln!(text, "  {name}: {}", printable(&value));
    }
    let body = match serde_json::from_slice::<Value>(body) {
        Ok(json) => pretty(&json),
        Err(_) => printable(&String::from_utf8_lossy(body)),
    };
    text + &indented(&body, "    ") + "\n"
}

fn is_shown(name: &str) -> bool {
    let exact = ["authorization", "content-type", "idempotency-key", "user-agent"];
    exact.contains(&name) || ["x-", "webhook-", "traceparent"].iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests;
