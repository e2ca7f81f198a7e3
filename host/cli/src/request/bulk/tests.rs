use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request as Incoming;
use axum::http::{Method, StatusCode};

use super::*;
use crate::request::tests::{exit, run_line};

/// A server with requests, all of use case `orders`.
#[derive(Default)]
struct Fake {
    /// Documents by id.
    requests: Mutex<BTreeMap<String, Value>>,
    /// Changes until the server fails; `None` for a server that does not.
    until_failure: Mutex<Option<usize>>,
    delay: Duration,
    /// Calls that a gateway refuses.
    throttled: AtomicUsize,
    changes: AtomicUsize,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

fn id(n: usize) -> String {
    format!("01980000-0000-7000-8000-{n:012}")
}

impl Fake {
    /// Returns a server with requests from 0 on, one with each status.
    fn new(statuses: impl IntoIterator<Item = &'static str>) -> Self {
        let document = |n: usize, status| {
            let document =
                json!({ "correlationId": id(n), "useCase": "orders", "status": status, "triggerAt": "2027-01-01T00:00:00.000Z" });
            (id(n), document)
        };
        let requests = statuses.into_iter().enumerate().map(|(n, status)| document(n, status)).collect();
        Self { requests: Mutex::new(requests), ..Self::default() }
    }

    async fn start(self) -> (String, &'static Self) {
        crate::install_tls_provider();
        let fake: &'static Self = Box::leak(Box::new(self));
        let router = Router::new().fallback(move |request: Incoming| fake.answer(request));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (url, fake)
    }

    fn count(&self, status: &str) -> usize {
        self.requests.lock().unwrap().values().filter(|request| request["status"] == status).count()
    }

    async fn answer(&self, request: Incoming) -> (StatusCode, String) {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        if parts.uri.path() == "/requests" {
            return (StatusCode::OK, self.page(parts.uri.query().unwrap()).to_string());
        }
        if self.throttled.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return (StatusCode::TOO_MANY_REQUESTS, json!({ "message": "Too Many Requests" }).to_string());
        }
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        tokio::time::sleep(self.delay).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        let (status, document) = self.change(&parts.method, parts.uri.path(), &body);
        (StatusCode::from_u16(status).unwrap(), document.to_string())
    }

    /// Returns a page of three.
    fn page(&self, query: &str) -> Value {
        let parameter =
            |name: &str| query.split('&').find_map(|pair| pair.split_once('=').filter(|pair| pair.0 == name)).map(|pair| pair.1);
        let (status, cursor) = (parameter("status"), parameter("cursor").unwrap_or_default());
        let requests = self.requests.lock().unwrap();
        let fits = |request: &&Value| status.is_none_or(|status| request["status"] == status);
        let mut found: Vec<&Value> =
            requests.iter().filter(|(id, _)| id.as_str() > cursor).map(|(_, request)| request).filter(fits).collect();
        let is_last = found.len() <= 3;
        found.truncate(3);
        let next = found.last().filter(|_| !is_last).map(|request| request["correlationId"].clone());
        json!({ "correlationId": "c", "requests": found, "nextCursor": next })
    }

    fn change(&self, method: &Method, path: &str, body: &[u8]) -> (u16, Value) {
        let problem = |status: u16, code: &str| (status, json!({ "correlationId": "c", "code": code, "detail": "d" }));
        if let Some(left) = self.until_failure.lock().unwrap().as_mut() {
            if *left == 0 {
                return problem(500, "internal");
            }
            *left -= 1;
        }
        let id = path.split('/').nth(2).unwrap();
        let mut requests = self.requests.lock().unwrap();
        let Some(request) = requests.get_mut(id) else { return problem(404, "unknown-request") };
        let is_scheduled = request["status"] == "scheduled";
        match (method, path.rsplit('/').next().unwrap()) {
            (&Method::DELETE, _) if is_scheduled => request["status"] = json!("cancelled"),
            (&Method::PATCH, _) if is_scheduled => {
                request["triggerAt"] = serde_json::from_slice::<Value>(body).unwrap()["triggerAt"].clone();
            }
            (&Method::POST, "retry") if request["status"] == "failed" => request["status"] = json!("scheduled"),
            (&Method::POST, "erase") if request["status"] == "running" => return problem(409, "running"),
            (&Method::POST, "erase") => request["erasedAt"] = json!("T"),
            (&Method::POST, _) => return problem(409, "not-failed"),
            _ => return problem(409, "not-scheduled"),
        }
        self.changes.fetch_add(1, Ordering::SeqCst);
        (200, request.clone())
    }
}

const SUCCESS: ExitCode = ExitCode::SUCCESS;
const FAILURE: ExitCode = ExitCode::FAILURE;

#[track_caller]
fn ends(result: anyhow::Result<ExitCode>, expected: ExitCode) {
    assert_eq!(exit(result), exit(Ok(expected)));
}

#[tokio::test]
async fn a_cancellation_by_filter_reaches_every_page_and_nothing_else() {
    let (url, fake) = Fake::new(["scheduled", "failed"].into_iter().cycle().take(200)).start().await;
    ends(run_line(&url, &["cancel", "--use-case", "orders", "--dry-run"]).await, SUCCESS);
    assert_eq!(fake.changes.load(Ordering::SeqCst), 0, "a dry run changes nothing");
    ends(run_line(&url, &["cancel", "--use-case", "orders", "--yes"]).await, SUCCESS);
    assert_eq!((fake.count("cancelled"), fake.count("failed")), (100, 100));
    ends(run_line(&url, &["cancel", "--use-case", "orders", "--yes"]).await, SUCCESS);
    assert_eq!(fake.changes.load(Ordering::SeqCst), 100, "a repeat finds nothing to change");
}

#[tokio::test]
async fn an_empty_filter_is_refused() {
    let (url, fake) = Fake::new(["scheduled"]).start().await;
    for command in [&["cancel", "--yes"][..], &["retry", "--yes"], &["erase", "--dry-run"], &["move", "--in", "1h", "--yes"]] {
        let refused = run_line(&url, command).await.unwrap_err().to_string();
        assert!(refused.contains("at least one of --use-case"), "{refused}");
    }
    assert_eq!(fake.changes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_status_that_cannot_be_changed_is_refused() {
    let (url, _) = Fake::new(["running"]).start().await;
    let refused = run_line(&url, &["erase", "--status", "running", "--yes"]).await.unwrap_err().to_string();
    assert!(refused.contains("a running request cannot be erased"), "{refused}");
    let refused = run_line(&url, &["cancel", "--status", "failed", "--yes"]).await.unwrap_err().to_string();
    assert!(refused.contains("--status takes scheduled here"), "{refused}");
}

#[tokio::test]
async fn a_failing_server_stops_the_run_and_a_repeat_goes_on() {
    let fake = Fake::new(vec!["failed"; 300]);
    *fake.until_failure.lock().unwrap() = Some(120);
    let (url, fake) = fake.start().await;
    ends(run_line(&url, &["retry", "--use-case", "orders", "--yes"]).await, FAILURE);
    assert_eq!((fake.count("scheduled"), fake.count("failed")), (120, 180));
    *fake.until_failure.lock().unwrap() = None;
    ends(run_line(&url, &["retry", "--use-case", "orders", "--yes"]).await, SUCCESS);
    assert_eq!((fake.count("scheduled"), fake.changes.load(Ordering::SeqCst)), (300, 300), "each was retried once");
}

#[tokio::test]
async fn a_running_request_is_not_erased_and_fails_the_run() {
    let (url, fake) = Fake::new(["succeeded", "running", "failed"]).start().await;
    ends(run_line(&url, &["erase", "--use-case", "orders", "--yes"]).await, FAILURE);
    assert_eq!(fake.changes.load(Ordering::SeqCst), 2);
    fake.requests.lock().unwrap().get_mut(&id(1)).unwrap()["status"] = json!("succeeded");
    ends(run_line(&url, &["erase", "--use-case", "orders", "--yes"]).await, SUCCESS);
    assert_eq!(fake.changes.load(Ordering::SeqCst), 3, "those that are erased already are left out");
}

#[tokio::test]
async fn a_move_of_many_is_to_one_moment_and_leaves_out_what_has_it() {
    let (url, fake) = Fake::new(vec!["scheduled"; 10]).start().await;
    let command = ["move", "--use-case", "orders", "--at", "2027-03-28 09:00", "--zone", "Europe/Berlin", "--yes"];
    fake.requests.lock().unwrap().get_mut(&id(3)).unwrap()["triggerAt"] = json!("2027-03-28T07:00:00.000Z");
    ends(run_line(&url, &command).await, SUCCESS);
    assert_eq!(fake.changes.load(Ordering::SeqCst), 9);
    assert!(fake.requests.lock().unwrap().values().all(|request| request["triggerAt"] == "2027-03-28T07:00:00.000Z"));
    let skipped = ["move", "--use-case", "orders", "--at", "2027-03-28 02:30", "--zone", "Europe/Berlin", "--yes"];
    let refused = run_line(&url, &skipped).await.unwrap_err().to_string();
    assert!(refused.contains("skip this time"), "{refused}");
    assert_eq!(fake.changes.load(Ordering::SeqCst), 9);
}

#[tokio::test]
async fn several_ids_are_changed_without_a_question_and_each_must_succeed() {
    let (url, fake) = Fake::new(["scheduled", "scheduled", "failed"]).start().await;
    ends(run_line(&url, &["cancel", &id(0), &id(1)]).await, SUCCESS);
    assert_eq!(fake.count("cancelled"), 2);
    ends(run_line(&url, &["cancel", &id(1), &id(2)]).await, FAILURE);
}

#[tokio::test]
async fn calls_run_at_the_same_time_up_to_the_limit() {
    let fake = Fake { delay: Duration::from_millis(30), ..Fake::new(vec!["scheduled"; 100]) };
    let (url, fake) = fake.start().await;
    ends(run_line(&url, &["cancel", "--use-case", "orders", "--yes"]).await, SUCCESS);
    let most = fake.most_running.load(Ordering::SeqCst);
    assert!((2..=CONCURRENT).contains(&most), "{most} at a time");
}

#[tokio::test]
async fn a_gateway_that_limits_calls_does_not_end_the_run() {
    let fake = Fake { throttled: AtomicUsize::new(90), ..Fake::new(vec!["scheduled"; 40]) };
    let (url, fake) = fake.start().await;
    ends(run_line(&url, &["cancel", "--use-case", "orders", "--yes"]).await, SUCCESS);
    assert_eq!(fake.count("cancelled"), 40);
}

#[tokio::test]
async fn a_rate_spreads_the_calls() {
    let (url, fake) = Fake::new(vec!["scheduled"; 11]).start().await;
    let begun = Instant::now();
    ends(run_line(&url, &["cancel", "--use-case", "orders", "--yes", "--rate", "50/s"]).await, SUCCESS);
    // Ten pauses of 20 ms, less what a late timer makes good.
    assert!(begun.elapsed() + DEBT >= Duration::from_millis(200), "{:?}", begun.elapsed());
    assert_eq!(fake.count("cancelled"), 11);
}
