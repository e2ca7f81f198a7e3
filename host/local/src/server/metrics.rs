//! `GET /metrics`: the state of the server as text of `OpenMetrics` 1.0.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, header};
use postdate_core::access::Scope;
use postdate_core::api::{ApiError, CORRELATION_HEADER, Code};
use postdate_core::plugin::Role;
use postdate_core::ports::{Clock as _, Intake as _};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::timeout;

use super::connections::Link;
use super::{App, authenticated, closing};
use crate::ledger::Lane;
use crate::metrics::{PREFIX, lane};

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
/// Longest wait for the ledger. An answer after it lacks the metrics of the backlog.
const LEDGER_WAIT: Duration = Duration::from_secs(5);

/// Returns the metrics to a caller with the scope `operate`.
pub async fn get(State(app): State<Arc<App>>, Extension(link): Extension<Arc<Link>>, request: Request<Body>) -> Response {
    let id = app.clock.new_id(app.clock.now());
    let (parts, body) = request.into_parts();
    let answer = async {
        let (caller, _body) = authenticated(&app, &parts, body).await?;
        caller.require(Scope::Operate).map_err(|denied| closing(denied.into()))?;
        let _work = link.work();
        text(&app).await.map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::MetricsFailed, error.to_string()))
    };
    match answer.await {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
            if let Ok(id) = HeaderValue::try_from(id.to_string()) {
                response.headers_mut().insert(CORRELATION_HEADER, id);
            }
            response
        }
        Err(error) => error.into_response(id).map(Body::from),
    }
}

/// Returns all metrics: those that the server counts, and the state of this moment.
async fn text(app: &App) -> Result<String, fmt::Error> {
    let mut moment = Registry::with_prefix(PREFIX);
    show_runtime(&mut moment, app);
    show_disk(&mut moment, app);
    show_backlog(&mut moment, app).await;
    let mut text = String::new();
    app.api.ledger.metrics().encode(&mut text)?;
    encode_registry(&mut text, &moment)?;
    encode_eof(&mut text)?;
    Ok(text)
}

fn show_runtime(moment: &mut Registry, app: &App) {
    let runtime = app.api.use_cases.runtime();
    let slots = [Role::Validate, Role::Process].map(|role| (vec![("role", role.to_string())], runtime.slots(role)));
    let (used, all) = (slots.clone().map(|(role, slots)| (role, slots.used)), slots.map(|(role, slots)| (role, slots.total)));
    show(moment, "plugin_slots", "Calls of plugins that may run at the same time", None, all);
    show(moment, "plugin_slots_used", "Calls of plugins that run", None, used);
    let memory = runtime.memory();
    show(moment, "plugin_memory_budget", "Memory for all running calls of plugins", Some(Unit::Bytes), [one(memory.total)]);
    show(moment, "plugin_memory_reserved", "Memory that running calls of plugins may take", Some(Unit::Bytes), [one(memory.used)]);
    let compiler = runtime.compile_load();
    show(moment, "compile_running", "Plugins that are being compiled", None, [one(compiler.running as u64)]);
    show(moment, "compile_waiting", "Plugins that wait for the compiler", None, [one(compiler.waiting as u64)]);
}

fn show_disk(moment: &mut Registry, app: &App) {
    let ledger = app.api.ledger.state();
    show(moment, "ledger_refuses", "1 while the ledger takes no new requests, else 0", None, [one(ledger.refuses.is_some().into())]);
    show(moment, "ledger_wal", "Size of the ledger's write-ahead log", Some(Unit::Bytes), ledger.wal_bytes.map(one));
    show(moment, "disk_free", "Free space of the ledger's disk", Some(Unit::Bytes), ledger.free_bytes.map(one));
}

/// Shows what waits for its turn, unless the ledger does not answer in time.
async fn show_backlog(moment: &mut Registry, app: &App) {
    let now = app.clock.now();
    let backlog = match timeout(LEDGER_WAIT, app.api.ledger.backlog(now)).await {
        Ok(Ok(backlog)) => backlog,
        Ok(Err(error)) => return tracing::error!(%error, "the ledger cannot be read for the metrics of the backlog"),
        Err(_) => return tracing::warn!("the ledger did not answer within {LEDGER_WAIT:?}: the metrics lack its backlog"),
    };
    let lanes = || backlog.iter().map(|waiting| (lane(&waiting.lane.use_case, &waiting.lane.target).to_vec(), waiting));
    let due = lanes().map(|(lane, waiting)| (lane, waiting.due));
    show(moment, "backlog_due", "Due requests that have not started, counted up to a limit", None, due);
    let held_up = lanes().filter_map(|(mut lane, waiting)| {
        let Lane { use_case, target, .. } = &waiting.lane;
        lane.push(("reason", app.api.scheduler.held_up_by(use_case, target, now)?.to_owned()));
        Some((lane, 1))
    });
    show(moment, "backlog_held_up", "1 while due requests wait for a limit of their target or for the end of a pause", None, held_up);
    let oldest = Family::<_, Gauge<f64, AtomicU64>>::default();
    for (lane, waiting) in lanes() {
        let age = (now - waiting.lane.due_at).to_std().unwrap_or_default();
        oldest.get_or_create(&lane).set(age.as_secs_f64());
    }
    moment.register_with_unit("oldest_due_age", "Lateness of the oldest request of the backlog", Unit::Seconds, oldest);
}

/// Names and values of a series' labels.
type Labels = Vec<(&'static str, String)>;

/// Returns a value without labels.
fn one(value: u64) -> (Labels, u64) {
    (Labels::new(), value)
}

/// Adds a gauge with these values.
fn show(moment: &mut Registry, name: &str, help: &str, unit: Option<Unit>, values: impl IntoIterator<Item = (Labels, u64)>) {
    let gauges = Family::<Labels, Gauge<u64, AtomicU64>>::default();
    for (labels, value) in values {
        gauges.get_or_create(&labels).set(value);
    }
    match unit {
        Some(unit) => moment.register_with_unit(name, help, unit, gauges),
        None => moment.register(name, help, gauges),
    }
}
