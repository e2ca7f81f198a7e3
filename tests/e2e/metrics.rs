//! `GET /metrics`: text that a strict parser of `OpenMetrics` takes, counters that follow requests, and the scope that reads them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use postdate_tests::tools::tool;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, PAYLOAD, PUPPET, Receiver, SECRET, Server, cli, eventually, root, text};

/// Name, labels and value of a sample.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

/// The samples of one answer, as Prometheus' parser reads them.
struct Samples(Vec<Value>);

impl Samples {
    /// Panics if the parser refuses the text.
    #[track_caller]
    fn parse(exposition: &str) -> Self {
        let mut parser = Command::new(tool("python"))
            .arg(root().join("infra/checks/openmetrics.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        parser.stdin.take().expect("stdin is piped").write_all(exposition.as_bytes()).expect("the parser reads");
        let output = parser.wait_with_output().expect("the parser ends");
        assert!(output.status.success(), "the parser refuses:\n{exposition}");
        Self(serde_json::from_slice(&output.stdout).expect("a JSON array"))
    }

    /// Returns the sum of the samples of this name that have these labels, or 0.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Value| sample["name"] == name && labels.iter().all(|(label, value)| sample["labels"][*label] == *value);
        self.0.iter().filter(fits).filter_map(|sample| sample["value"].as_f64()).sum()
    }

    #[track_caller]
    fn check(&self, expected: &[Expected<'_>]) {
        for (name, labels, value) in expected {
            let found = self.sum(name, labels);
            assert!((found - value).abs() < f64::EPSILON, "{name} {labels:?}: {found}, expected {value}");
        }
    }
}

/// Returns the text of `GET /metrics`. Panics unless it has the content type and the end of `OpenMetrics`.
async fn exposition(api: &Client) -> String {
    let answer = api.call(Method::GET, "/metrics").send().await.expect("an answer");
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (kind, id) = (header("content-type"), header("x-correlation-id"));
    assert_eq!((answer.status().as_u16(), kind.as_str()), (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(!id.is_empty());
    let text = answer.text().await.expect("text");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    text
}

#[tokio::test]
async fn counters_follow_requests_and_no_label_has_a_clients_text() {
    let receiver = Receiver::accepting().await;
    let manifest = format!(
        "{PUPPET}[retry]\nmax-attempts = 2\nbackoff = {{ initial = '10s', factor = 1, max = '10s', jitter = 0 }}\n\
         [targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\nnote = {{ kind = 'http', url = '{}' }}\n\
         [on]\nsuccess = 'note'\nfailure = 'note'\n",
        receiver.url("/note")
    );
    let server = Server::builder().use_case("puppet", &manifest).test_clock().key(SECRET).start().await;
    let api = &server.api;
    Samples::parse(&exposition(api).await).check(&[("postdate_requests_accepted_total", &[], 0.0), ("postdate_build_info", &[], 1.0)]);

    api.run("puppet", json!({})).await;
    let failed = api.run("puppet", json!({ "process": { "do": "fail" } })).await;
    for script in [json!({ "do": "retry", "untilAttempt": 2 }), json!({ "do": "trap" })] {
        api.run("puppet", json!({ "process": script })).await;
        api.advance("PT10S").await;
    }
    let cancelled = api.submit("puppet", json!({ "delay": "PT1H" })).await;
    api.delete(&format!("/requests/{cancelled}")).await.expect(200);
    api.post(&format!("/requests/{}/retry", text(&failed, "correlationId")), &Value::Null).await.expect(202);
    api.advance("PT1S").await;
    let rejected = json!({ "delay": "PT1H", "validate": { "do": "reject" }, "note": PAYLOAD });
    api.post("/requests/puppet", &rejected).await.expect_fault(422, "rejected");
    api.post(&format!("/requests/{PAYLOAD}"), &json!({ "delay": "PT1H" })).await.expect_fault(404, "unknown-use-case");

    let shown = exposition(api).await;
    assert!(!shown.contains(PAYLOAD) && !shown.contains(SECRET), "{shown}");
    let (here, note) = ([("use_case", "puppet"), ("target", "here")], [("use_case", "puppet"), ("target", "note")]);
    let with = |lane: [(&'static str, &'static str); 2], name, value| [lane[0], lane[1], (name, value)];
    let call = |role| [("use_case", "puppet"), ("role", role)];
    Samples::parse(&shown).check(&[
        ("postdate_requests_accepted_total", &here, 5.0),
        ("postdate_requests_accepted_total", &note, 0.0),
        ("postdate_requests_rejected_total", &[("use_case", "puppet"), ("code", "rejected")], 1.0),
        ("postdate_requests_rejected_total", &[("use_case", ""), ("code", "unknown-use-case")], 1.0),
        ("postdate_requests_ended_total", &with(here, "outcome", "succeeded"), 2.0),
        ("postdate_requests_ended_total", &with(here, "outcome", "failed"), 3.0),
        ("postdate_requests_ended_total", &with(here, "outcome", "cancelled"), 1.0),
        ("postdate_requests_ended_total", &with(note, "outcome", "succeeded"), 5.0),
        ("postdate_notices_total", &note, 5.0),
        ("postdate_retries_total", &with(here, "by", "policy"), 2.0),
        ("postdate_retries_total", &with(here, "by", "hand"), 1.0),
        ("postdate_attempts_started_total", &here, 7.0),
        ("postdate_lateness_seconds_count", &here, 7.0),
        ("postdate_lateness_seconds_bucket", &with(here, "le", "+Inf"), 7.0),
        ("postdate_plugin_call_seconds_count", &call("validate"), 6.0),
        ("postdate_plugin_call_seconds_count", &call("process"), 7.0),
        ("postdate_plugin_memory_bytes_bucket", &[("role", "process"), ("le", "33554432.0")], 7.0),
        ("postdate_plugin_stopped_total", &[("role", "process"), ("reason", "trap")], 2.0),
        ("postdate_running", &[], 0.0),
        ("postdate_backlog_due", &[], 0.0),
        ("postdate_ledger_refuses", &[], 0.0),
        ("postdate_plugin_slots", &[("role", "validate")], 64.0),
    ]);
    let samples = Samples::parse(&shown);
    for name in ["postdate_ledger_commit_seconds_count", "postdate_ledger_commit_changes_sum", "postdate_disk_free_bytes"] {
        assert!(samples.sum(name, &[]) > 0.0, "{name}");
    }
}

#[tokio::test]
async fn the_backlog_and_what_runs_show_at_the_moment_of_the_call() {
    const SLOW: &str = "[process]\nplugin = 'puppet.wasm'\ntimeout = '60s'\nmemory = '32MiB'\n";
    let server = Server::builder().use_case("slow", SLOW).arguments(&["--concurrency", "1"]).start().await;
    for _ in 0..3 {
        server.api.submit("slow", json!({ "delay": "PT1S", "process": { "do": "sleep", "ms": 50_000 } })).await;
    }
    let samples = eventually("two requests to wait for the first", async || {
        let samples = Samples::parse(&exposition(&server.api).await);
        let started = samples.sum("postdate_plugin_slots_used", &[("role", "process")]) > 0.0;
        (started && samples.sum("postdate_backlog_due", &[]) > 1.0).then_some(samples)
    })
    .await;
    samples.check(&[
        ("postdate_backlog_due", &[("use_case", "slow")], 2.0),
        ("postdate_running", &[("use_case", "slow"), ("kind", "processor")], 1.0),
        ("postdate_plugin_slots_used", &[("role", "process")], 1.0),
        ("postdate_plugin_memory_reserved_bytes", &[], f64::from(32 << 20)),
    ]);
    assert!(samples.sum("postdate_oldest_due_age_seconds", &[("use_case", "slow")]) > 0.0);
}

#[tokio::test]
async fn only_a_key_with_the_scope_operate_reads_metrics() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml").to_str().unwrap().to_owned();
    let add = async |name: &str, may: &str| {
        let made = cli(&["api-key", "--keys-file", &file, "new", name, "--may", may]).await.expect(0);
        made.stdout.trim().to_owned()
    };
    let (prometheus, shop) = (add("prometheus", "operate").await, add("shop", "submit,read,change,deploy").await);
    let server = Server::builder().use_case("puppet", PUPPET).arguments(&["--keys-file", &file]).start().await;
    server.api.get("/metrics").await.expect_fault(401, "unauthorized");
    let denied = server.api.with_key(Some(&shop)).get("/metrics").await.expect_fault(403, "missing-scope");
    assert_eq!(denied["scope"], "operate");
    let prometheus = server.api.with_key(Some(&prometheus));
    assert!(exposition(&prometheus).await.contains("postdate_build_info"));
    let posted = prometheus.post("/metrics", &json!({})).await;
    assert_eq!(posted.header("allow"), "GET, HEAD");
    posted.expect_fault(405, "method-not-allowed");
    let head = prometheus.call(Method::HEAD, "/metrics").send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
}
