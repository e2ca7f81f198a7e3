//! `postdate listen`: a receiver on this machine that prints what it is sent, to try webhooks and targets with.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::Local;
use clap::Args;
use serde_json::Value;

use crate::output::{err, indented, out, printable};
use crate::request::show::pretty;

const MAX_BODY_BYTES: usize = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  postdate listen                                   what use-cases/webhook sends to
  postdate listen --status 503 --status 503 --status 200
                                                    fails twice, then succeeds: watch the retries";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Listen {
    /// Port on 127.0.0.1; 0 for any that is free
    #[arg(long, default_value_t = 9000)]
    port: u16,

    /// Status to answer with. Given more than once: one after the other, and the last from then on
    #[arg(long, default_value = "200", value_parser = clap::value_parser!(u16).range(200..=599))]
    status: Vec<u16>,
}

struct Receiver {
    statuses: Vec<u16>,
    received: AtomicUsize,
}

pub async fn run(arguments: Listen) -> anyhow::Result<ExitCode> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: take another port with --port, or 0 for any that is free"))?;
    err(&format!("listening on http://{} (Ctrl-C ends it)\n", listener.local_addr()?));
    let receiver = Receiver { statuses: arguments.status, received: AtomicUsize::new(0) };
    let router = Router::new().fallback(receive).with_state(Arc::new(receiver));
    // No grace for open connections: what has been printed is all that there is to keep.
    tokio::select! {
        served = axum::serve(listener, router) => served.context("cannot go on listening")?,
        stopped = tokio::signal::ctrl_c() => stopped.context("cannot wait for Ctrl-C")?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        out(&format!("{} {} a body that broke off or has more than {MAX_BODY_BYTES} bytes\n", parts.method, printable(parts.uri.path())));
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let status = receiver.status_of(receiver.received.fetch_add(1, Ordering::Relaxed));
    let heading = format!("{} {} {} → {}", Local::now().format("%H:%M:%S%.3f"), parts.method, parts.uri, status.as_u16());
    out(&shown(&heading, &parts.headers, &body));
    // A status such as 204 has no body, and hyper leaves it out.
    (status, [(header::CONTENT_TYPE, "application/json")], r#"{"ok":true}"#).into_response()
}

impl Receiver {
    /// The status for the n-th request, from 0.
    fn status_of(&self, n: usize) -> StatusCode {
        let status = self.statuses.get(n).or(self.statuses.last()).copied();
        status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK)
    }
}

fn shown(heading: &str, headers: &HeaderMap, body: &[u8]) -> String {
    let mut text = format!("{}\n", printable(heading));
    for (name, value) in headers.iter().filter(|(name, _)| is_of_interest(name.as_str())) {
        // The value of a credential has no place on a screen that may be shared.
        let value = if name == header::AUTHORIZATION { "(not shown)".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        let _ = writeln!(text, "  {name}: {}", printable(&value));
    }
    let body = match serde_json::from_slice::<Value>(body) {
        Ok(json) => pretty(&json),
        Err(_) => printable(&String::from_utf8_lossy(body)),
    };
    text + &indented(&body, "    ") + "\n"
}

fn is_of_interest(name: &str) -> bool {
    let exact = ["authorization", "content-type", "idempotency-key", "user-agent"];
    exact.contains(&name) || ["x-", "webhook-", "traceparent"].iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests;
