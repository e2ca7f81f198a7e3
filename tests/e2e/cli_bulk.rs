//! `postdate request …` for many requests, the filters of its list, bodies, long polls, and pauses by the command line.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use postdate_tests::process::{Lines, Process, postdate};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{PUPPET, Run, Server, cli, eventually, host, text};

const LABELS: &str = "[labels]\ncustomer = '/customer'\n";

/// Commands against one server.
struct Cli {
    url: String,
}

impl Cli {
    fn of(server: &Server) -> Self {
        Self { url: server.api.url.clone() }
    }

    async fn request(&self, arguments: &[&str]) -> Run {
        cli(&[&["request", "--url", &self.url], arguments].concat()).await
    }

    async fn use_case(&self, arguments: &[&str]) -> Run {
        cli(&[&["use-case", "--url", &self.url], arguments].concat()).await
    }

    /// Returns the JSON object that a command prints.
    async fn json(&self, arguments: &[&str], code: i32) -> Value {
        self.request(&[&["--json"], arguments].concat()).await.expect(code).document()
    }

    /// Returns the ids of a list, all pages.
    async fn ids(&self, filters: &[&str]) -> Vec<String> {
        let run = self.request(&[&["--json", "list", "--all"], filters].concat()).await.expect(0);
        let pages = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a page"));
        pages
            .flat_map(|page| page["requests"].as_array().expect("requests").clone())
            .map(|request| text(&request, "correlationId").to_owned())
            .collect()
    }
}

/// Posts `count` requests in batches, and returns their ids.
async fn post(server: &Server, use_case: &str, count: usize, body: &Value) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let bodies = vec![body.clone(); (count - ids.len()).min(500)];
        let answer = server.api.post(&format!("/requests/{use_case}/batch"), &json!(bodies)).await.expect(200);
        let outcomes = answer["outcomes"].as_array().expect("outcomes");
        assert!(outcomes.iter().all(|outcome| outcome["status"] == 202), "{answer}");
        ids.extend(outcomes.iter().map(|outcome| text(&outcome["body"], "correlationId").to_owned()));
    }
    ids
}

#[tokio::test]
async fn the_command_lists_by_label_and_by_each_kind_of_time() {
    let server = Server::builder().use_case("puppet", &format!("{PUPPET}{LABELS}")).start().await;
    let cli = Cli::of(&server);
    let done = server.api.submit("puppet", json!({ "delay": "PT0S", "customer": 41 })).await;
    let soon = server.api.submit("puppet", json!({ "delay": "PT30M", "customer": 42 })).await;
    let later = server.api.submit("puppet", json!({ "delay": "P2D", "customer": 42 })).await;
    server.api.reaches(&done, "succeeded").await;

    cli.request(&["list"]).await.expect(0).says(&["LABELS", "customer=41", "customer=42"]);
    assert_eq!(cli.ids(&["--label", "customer=42"]).await, [soon.clone(), later.clone()]);
    assert_eq!(cli.ids(&["--from", "now", "--to", "+1h"]).await, std::slice::from_ref(&soon));
    assert_eq!(cli.ids(&["--since", "-1d", "--to", "now"]).await, std::slice::from_ref(&done));
    assert_eq!(cli.ids(&["--due-from", "+1h", "--due-to", "+7d"]).await, std::slice::from_ref(&later));
    assert_eq!(cli.ids(&["--ended-from", "-1h"]).await, std::slice::from_ref(&done));
    assert_eq!(cli.ids(&["--ended-to", "-1h"]).await, Vec::<String>::new());
    cli.request(&["list", "--from", "now", "--due-to", "+1h"]).await.expect(1).complains(&["dueFrom/dueTo"]);
    cli.request(&["get", &soon]).await.expect(0).says(&["labels", "customer=42"]);
}

#[tokio::test]
async fn the_accepted_body_is_printed_byte_for_byte() {
    let server = Server::puppet().await;
    let body = "{ \"delay\" : \"PT1H\",\n  \"n\": 1.0,  \"big\": 123456789012345678901234567890 }";
    let call = server.api.call(reqwest::Method::POST, "/requests/puppet").header("content-type", "application/json").body(body);
    let answer = server.api.send(call).await.expect(202);
    let cli = Cli::of(&server);
    let id = text(&answer, "correlationId");
    assert_eq!(cli.request(&["get", id, "--body"]).await.expect(0).stdout, body);
    cli.request(&["erase", id]).await.expect(0).says(&["is erased, and cancelled"]);
    cli.request(&["get", id, "--body"]).await.expect(1).complains(&["erased", "HTTP 410"]);
}

/// Passes calls on to a server. Returns its URL, and the calls: query, and time to the answer.
async fn relay(server: &Server) -> (String, Arc<Mutex<Vec<(String, Duration)>>>) {
    let (api, calls) = (server.api.clone(), Arc::new(Mutex::new(Vec::new())));
    let counted = Arc::clone(&calls);
    let pass_on = async move |request: Request| {
        let (begun, uri) = (Instant::now(), request.uri().clone());
        let path = uri.path_and_query().expect("a path").as_str();
        let answer = api.call(request.method().clone(), path).send().await.expect("an answer");
        let (status, body) = (answer.status(), answer.bytes().await.expect("a body"));
        counted.lock().expect("the calls").push((uri.query().unwrap_or_default().to_owned(), begun.elapsed()));
        (status, body)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(pass_on)).await });
    (url, calls)
}

#[tokio::test]
async fn a_wait_is_one_call_that_ends_with_the_request() {
    let server = Server::builder().use_case("puppet", PUPPET).start().await;
    let (url, calls) = relay(&server).await;
    let id = server.api.submit("puppet", json!({ "delay": "PT3S" })).await;
    cli(&["request", "--url", &url, "get", &id, "--wait"]).await.expect(0).says(&["succeeded"]);
    // A call waits for up to 20 s, so a busy machine may need a second one. A poll is answered at once.
    let calls = std::mem::take(&mut *calls.lock().expect("the calls"));
    let (last, before) = calls.split_last().expect("a call");
    assert!(last.0.contains("wait=") && before.iter().all(|(_, took)| *took >= Duration::from_secs(19)), "{calls:?}");

    let (cli, begun) = (Cli::of(&server), Instant::now());
    let open = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    cli.request(&["get", &open, "--wait=1s"]).await.expect(1).complains(&["still scheduled after 1s"]);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_are_moved_and_cancelled_by_filter() {
    let server = Server::builder().use_case("one", PUPPET).use_case("two", PUPPET).test_clock().start().await;
    let cli = Cli::of(&server);
    let body = json!({ "delay": "PT1H" });
    post(&server, "one", 700, &body).await;
    let others = post(&server, "two", 3, &body).await;

    let plan = cli.json(&["cancel", "--use-case", "one", "--dry-run"], 0).await;
    assert_eq!((&plan["matched"], plan["sample"].as_array().map(Vec::len)), (&json!(700), Some(5)));
    let to_monday = ["move", "--use-case", "one", "--at", "2027-01-05T00:00:00Z", "--yes"];
    let moved = cli.json(&to_monday, 0).await;
    assert_eq!((&moved["matched"], &moved["changed"], &moved["refused"]), (&json!(700), &json!(700), &json!({})));
    // A repeat leaves out the requests that have the time.
    let moved = cli.json(&to_monday, 0).await;
    assert_eq!((&moved["matched"], &moved["leftOut"]), (&json!(0), &json!(700)));
    assert_eq!(cli.ids(&["--use-case", "one", "--from", "2027-01-05T00:00:00Z", "--to", "2027-01-05T00:00:01Z"]).await.len(), 700);

    let run = cli.request(&["cancel", "--use-case", "one", "--yes"]).await.expect(0);
    run.says(&["cancelled 700 of 700 requests"]);
    run.complains(&["cancel 700 requests:", "USE CASE", "and 695 more"]);
    let mut left = cli.ids(&["--status", "scheduled"]).await;
    left.sort_by_key(|id| others.iter().position(|other| other == id));
    assert_eq!(left, others);
    cli.request(&["cancel", "--use-case", "one", "--yes"]).await.expect(0).complains(&["no request matches"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_are_retried_and_erased_by_filter() {
    let server = Server::builder().use_case("puppet", &format!("{PUPPET}{LABELS}")).test_clock().start().await;
    let cli = Cli::of(&server);
    let fails = json!({ "delay": "PT1S", "customer": 7, "process": { "do": "retry", "untilAttempt": 2, "result": "at last" } });
    let fatal = json!({ "delay": "PT1S", "customer": 8, "process": { "do": "fail" } });
    post(&server, "puppet", 200, &fatal).await;
    let kept = server.api.submit("puppet", fails).await;
    server.api.advance("PT1S").await;
    assert_eq!(cli.ids(&["--status", "failed"]).await.len(), 200);

    let retried = cli.json(&["retry", "--use-case", "puppet", "--ended-from", "2027-01-01T00:00:00Z", "--yes"], 0).await;
    assert_eq!(retried["changed"], 200, "{retried}");
    server.api.advance("PT1S").await;
    let failed = cli.ids(&["--status", "failed"]).await;
    assert_eq!(failed.len(), 200);
    assert_eq!(server.api.request(&failed[0]).await["attempts"], 2);

    let erased = cli.json(&["erase", "--label", "customer=8", "--yes"], 0).await;
    assert_eq!(erased["changed"], 200, "{erased}");
    server.api.get(&format!("/requests/{}/body", failed[0])).await.expect_fault(410, "erased");
    cli.request(&["get", &kept, "--body"]).await.expect(0).says(&["\"customer\":7"]);
    assert_eq!(cli.ids(&["--label", "customer=8"]).await, Vec::<String>::new());
    // An erased request cannot be retried.
    let left = cli.json(&["retry", "--use-case", "puppet", "--status", "failed", "--dry-run"], 0).await;
    assert_eq!((&left["matched"], &left["leftOut"]), (&json!(0), &json!(200)));
}

#[tokio::test]
async fn a_change_without_a_filter_or_without_a_confirmation_is_refused() {
    let server = Server::puppet().await;
    let cli = Cli::of(&server);
    let id = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    for command in [&["cancel", "--yes"][..], &["retry", "--yes"], &["erase", "--yes"], &["move", "--in", "1h", "--yes"]] {
        cli.request(command).await.expect(1).complains(&["at least one of --use-case", "--ended-to"]);
    }
    // The harness gives no terminal.
    cli.request(&["erase", "--use-case", "puppet"]).await.expect(1).complains(&["stdin is no terminal", "--yes", "--dry-run"]);
    cli.request(&["cancel", "--status", "running", "--yes"]).await.expect(1).complains(&["a running request cannot be cancelled"]);
    cli.request(&["cancel", &id, "--use-case", "puppet"]).await.expect(2);
    assert_eq!(server.api.request(&id).await["status"], "scheduled");
}

/// Posts 400 requests for a run of at least four seconds, which is to be cut off.
async fn four_hundred() -> Server {
    let server = Server::builder().use_case("puppet", PUPPET).test_clock().start().await;
    post(&server, "puppet", 400, &json!({ "delay": "PT1H" })).await;
    server
}

const SLOWLY: [&str; 6] = ["cancel", "--use-case", "puppet", "--yes", "--rate", "100/s"];

/// Waits for the first cancellations.
async fn has_begun(server: &Server) {
    eventually("some cancellations", async || {
        let page = server.api.get("/requests?status=cancelled&limit=1").await.expect(200);
        page["requests"].as_array().filter(|found| !found.is_empty()).map(|_| ())
    })
    .await;
}

/// Runs the command again, and checks that it changes the rest.
async fn goes_on(server: &Server) {
    let cli = Cli::of(server);
    let rest = cli.ids(&["--status", "scheduled"]).await.len();
    assert!((1..400).contains(&rest), "{rest} are left");
    let again = cli.json(&["cancel", "--use-case", "puppet", "--yes"], 0).await;
    assert_eq!((&again["matched"], &again["changed"]), (&json!(rest), &json!(rest)));
    assert_eq!(cli.ids(&["--status", "cancelled"]).await.len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_server_died_goes_on() {
    let mut server = four_hundred().await;
    let cli = Cli::of(&server);
    let (cut_off, ()) = tokio::join!(cli.json(&SLOWLY, 1), async {
        has_begun(&server).await;
        server.kill();
    });
    assert!(cut_off["left"].as_u64().is_some_and(|left| left > 0) && cut_off["stopped"].is_string(), "{cut_off}");
    server.start().await;
    goes_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_says_what_is_left_and_goes_on() {
    let server = four_hundred().await;
    let output = Lines::default();
    let mut command = postdate(&host());
    let mut process = Process::start(command.args(["request", "--url", &server.api.url]).args(SLOWLY), &output);
    has_begun(&server).await;
    process.signal(Signal::INT);
    let status = eventually("the command to end", async || process.exited()).await;
    assert_eq!(status.code(), Some(1), "{}", output.text());
    eventually("the result", async || output.text().contains("run the same command again to go on").then_some(())).await;
    assert!(output.text().contains("stopped: interrupted"), "{}", output.text());
    goes_on(&server).await;
}

#[tokio::test]
async fn a_use_case_is_paused_and_resumed() {
    let server = Server::builder().use_case("puppet", PUPPET).test_clock().start().await;
    let cli = Cli::of(&server);
    cli.use_case(&["pause", "puppet", "--target", "here"]).await.expect(0).says(&["puppet: target here is paused since"]);
    let id = server.api.submit("puppet", json!({ "delay": "PT1S" })).await;
    server.api.advance("PT1M").await;
    cli.request(&["get", &id]).await.expect(0).says(&["scheduled", "the end of the pause of target here"]);
    cli.use_case(&["list"]).await.expect(0).says(&["puppet: target here is paused since"]);
    let listed = cli.use_case(&["list", "--json"]).await.expect(0);
    assert!(listed.stdout.contains("\"paused\":[{"), "{listed:?}");
    cli.use_case(&["pause", "puppet", "--until", "2027-01-02T00:00:00Z"]).await.expect(0).says(&["until 2027-01-02T00:00:00.000Z"]);
    cli.use_case(&["resume", "puppet"]).await.expect(0).says(&["not paused"]);
    server.api.reaches(&id, "succeeded").await;
    cli.use_case(&["resume", "puppet"]).await.expect(1).complains(&["not-paused", "use-case list"]);
    cli.use_case(&["pause", "puppet", "--target", "nowhere"]).await.expect(1).complains(&["unknown-target"]);
    cli.use_case(&["pause", "nothing"]).await.expect(1).complains(&["unknown-use-case"]);
}
