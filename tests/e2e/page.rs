//! The page: its files at `/ui`, `postdate ui` in front of another server, and both in a browser.

use std::path::Path;
use std::process::Command;

use postdate_tests::process::{Lines, Process, postdate};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Client, PUPPET, Server, eventually, host, text};

const KEY: &str = "key-of-the-page";

async fn server() -> Server {
    Server::builder().use_case("puppet", PUPPET).key(KEY).start().await
}

/// Calls without a key, and does not follow redirects.
pub async fn get(url: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let call = headers.iter().fold(client.get(url), |call, (name, value)| call.header(*name, *value));
    call.send().await.expect("an answer")
}

pub fn header<'a>(answer: &'a reqwest::Response, name: &str) -> &'a str {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[tokio::test]
async fn the_files_are_for_everybody_and_bound_to_their_own_origin() {
    let server = server().await;
    let url = &server.api.url;
    let redirect = get(&format!("{url}/ui"), &[]).await;
    assert_eq!((redirect.status(), header(&redirect, "location")), (StatusCode::PERMANENT_REDIRECT, "ui/"));
    let redirect = get(url, &[("accept", "text/html,application/xhtml+xml;q=0.9")]).await;
    assert_eq!((redirect.status(), header(&redirect, "location")), (StatusCode::TEMPORARY_REDIRECT, "ui/"));
    server.api.get("/").await.expect_fault(404, "not-found");
    let post = server.api.post("/", &json!({})).await;
    assert_eq!(post.header("allow"), "");
    post.expect_fault(404, "not-found");
    let page = get(&format!("{url}/ui/"), &[]).await;
    assert_eq!((page.status(), header(&page, "content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!((header(&page, "x-content-type-options"), header(&page, "cache-control")), ("nosniff", "no-cache"));
    assert!(!header(&page, "date").is_empty());
    let tag = header(&page, "etag").to_owned();
    assert!(page.text().await.expect("a page").contains("app.js"));
    let known = get(&format!("{url}/ui/"), &[("if-none-match", &format!("\"other\", W/{tag}"))]).await;
    assert_eq!((known.status(), known.text().await.expect("no text")), (StatusCode::NOT_MODIFIED, String::new()));
    let script = get(&format!("{url}/ui/app.js"), &[]).await;
    assert_eq!((script.status(), header(&script, "content-type")), (StatusCode::OK, "text/javascript; charset=utf-8"));

    server.api.get("/ui/nothing").await.expect_fault(404, "not-found");
    server.api.get("/ui/../health").await.expect(200);
    server.api.post("/ui/", &json!({})).await.expect_fault(405, "method-not-allowed");
    let foreign = [("host", "example.com"), ("origin", "https://example.com"), ("sec-fetch-site", "cross-site")];
    for (one, status) in foreign.iter().zip([421, 403, 403]) {
        assert_eq!(get(&format!("{url}/ui/"), &[*one]).await.status().as_u16(), status, "{one:?}");
    }
}

/// `postdate ui`, and the address that it has printed.
pub struct Ui {
    output: Lines,
    _process: Process,
}

impl Ui {
    fn start(arguments: &[&str]) -> Self {
        Self::with(&[], arguments)
    }

    /// Starts the command with these variables.
    pub fn with(variables: &[(&str, String)], arguments: &[&str]) -> Self {
        let output = Lines::default();
        let mut command = postdate(&host());
        command.args(["ui", "--port", "0"]).args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        let process = Process::start(&mut command, &output);
        Self { output, _process: process }
    }

    pub async fn url(&self) -> String {
        eventually("the address of the page", async || {
            self.output.all().iter().find_map(|line| line.trim().strip_prefix("http://").map(|rest| format!("http://{rest}")))
        })
        .await
    }
}

#[tokio::test]
async fn a_page_elsewhere_passes_calls_on_with_its_key_for_browsers_with_its_token_only() {
    let mut server = server().await;
    let ui = Ui::start(&["--url", &server.api.url, "--api-key", KEY]);
    let printed = ui.url().await;
    let (base, _) = printed.split_once("/ui/?token=").expect("an address with a token");
    let stranger = Client::new(base, None);
    stranger.get("/use-cases").await.expect_fault(401, "unauthorized");
    let page = get(&printed, &[]).await;
    assert_eq!((page.status(), header(&page, "location")), (StatusCode::SEE_OTHER, "./"));
    let cookie = header(&page, "set-cookie").to_owned();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a cookie");
    assert_eq!(get(&format!("{base}/ui/"), &[]).await.status(), StatusCode::OK);

    let with_cookie = |method, path: &str| stranger.call(method, path).header("cookie", cookie);
    stranger.send(with_cookie(Method::GET, "/use-cases")).await.expect(200);
    // A key that the page has kept from another server gives way to the command's.
    stranger.send(with_cookie(Method::GET, "/use-cases").bearer_auth("another-key")).await.expect(200);
    let mut events = with_cookie(Method::GET, "/events").send().await.expect("a stream");
    let body = json!({ "delay": "PT1H" });
    let accepted = stranger.send(with_cookie(Method::POST, "/requests/puppet").json(&body)).await.expect(202);
    let mut seen = String::new();
    while !seen.contains(text(&accepted, "correlationId")) {
        seen += &String::from_utf8_lossy(&events.chunk().await.expect("a chunk").expect("the stream goes on"));
    }
    let foreign = with_cookie(Method::GET, "/use-cases").header("origin", "https://example.com");
    stranger.send(foreign).await.expect_fault(403, "cross-origin");
    drop(events);
    server.stop().await;
    let away = stranger.send(with_cookie(Method::GET, "/use-cases")).await.expect_fault(502, "unreachable");
    assert!(text(&away, "detail").contains("cannot reach"), "{away}");
}

/// Runs the page in Chromium, with the actions of a user.
async fn browse(url: &str) {
    browse_with("real.mjs", &[url, KEY]).await;
}

/// Runs a script of `page/test/real`. Panics with its output if it fails.
pub async fn browse_with(script: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../page/test/real").join(script);
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let run = move || Command::new("node").arg(script).args(arguments).output().expect("node starts");
    let output = tokio::task::spawn_blocking(run).await.expect("the browser's run ends");
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_works_with_the_page_of_a_server() {
    let server = server().await;
    browse(&server.api.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_works_with_the_page_of_the_command() {
    let server = server().await;
    let ui = Ui::start(&["--url", &server.api.url]);
    let url = ui.url().await;
    browse(url.trim_end_matches("/ui/")).await;
}
