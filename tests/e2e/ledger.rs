//! The ledger on one machine: results byte for byte, files for one user only, and a disk that is nearly full.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use postdate_tests::tools::tool;
use serde_json::{Value, json};

use crate::harness::{PUPPET, Receiver, Server, cli, eventually, root, text};

/// A result that a parser into doubles and maps would rewrite.
const EXACT: &str = r#"{"price":117.63331139400017,"id":18446744073709551616, "long":123456789012345678901234567890,"twice":1,"twice":2}"#;

#[tokio::test]
async fn a_result_is_kept_shown_and_reported_byte_for_byte() {
    let receiver = Receiver::accepting().await;
    let manifest = format!(
        "{PUPPET}[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\nhook = {{ kind = 'http', url = '{}' }}\n[on]\nsuccess = 'hook'\n",
        receiver.url("/hook")
    );
    let server = Server::builder().use_case("puppet", &manifest).test_clock().start().await;
    let done = server.api.run("puppet", json!({ "process": { "do": "succeed", "result": EXACT } })).await;
    let member = format!(r#""result":{EXACT}"#);
    let path = format!("/requests/{}", text(&done, "correlationId"));
    let shown = server.api.call(reqwest::Method::GET, &path).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains(&member), "{shown}");
    let notice = &receiver.deliveries()[0].body;
    assert!(notice.contains(&member), "{notice}");
    let listed = server.api.get("/requests").await.expect(200);
    assert_eq!((text(&listed["requests"][0], "status"), listed["requests"][0].get("result")), ("succeeded", None));
}

/// Collects the entries below a directory that other users have a permission on.
fn open_to_others(place: &Path, found: &mut Vec<String>) {
    let metadata = fs::symlink_metadata(place).unwrap();
    if metadata.permissions().mode() & 0o077 != 0 && !metadata.is_symlink() {
        found.push(format!("{} {:o}", place.display(), metadata.permissions().mode()));
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(place).unwrap() {
            open_to_others(&entry.unwrap().path(), found);
        }
    }
}

#[tokio::test]
async fn a_data_directory_is_closed_to_other_users_and_refused_if_they_can_write_to_it() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let mut server = Server::builder().use_case("puppet", PUPPET).data_at(&data).test_clock().start().await;
    server.api.run("puppet", json!({})).await;
    let mut open = Vec::new();
    open_to_others(&data, &mut open);
    assert_eq!(open, Vec::<String>::new());

    server.stop().await;
    fs::set_permissions(&data, fs::Permissions::from_mode(0o777)).unwrap();
    let refusal = server.second_refused().await;
    assert!(refusal.contains("other users can write to") && refusal.contains("chmod 700"), "{refusal}");
}

#[tokio::test]
async fn below_the_reserve_new_requests_are_refused_and_accepted_ones_run() {
    let mut server = Server::puppet().await;
    let accepted = server.api.submit("puppet", json!({ "delay": "PT1S" })).await;
    let health = server.api.get("/health").await.expect(200);
    assert!(health["ledger"]["freeBytes"].is_u64() && health["ledger"]["walBytes"].is_u64(), "{health}");

    server.stop().await;
    // No disk has as much space.
    server.set_arguments(&["--test-clock", "--disk-reserve", "1000000000GiB"]);
    server.start().await;
    let refused = server.api.post("/requests/puppet", &json!({ "delay": "PT1S" })).await;
    assert_eq!(refused.header("retry-after"), "10");
    refused.expect_fault(503, "ledger-full");
    let health = server.api.get("/health").await.expect_fault(503, "unhealthy");
    let told: &Value = &health["ledger"]["refuses"];
    assert!(told.as_str().is_some_and(|told| told.contains("bytes free")), "{health}");
    server.api.advance("PT1S").await;
    assert_eq!(text(&server.api.request(&accepted).await, "status"), "succeeded");
}

/// Locks a SQLite file until its stdin ends.
const LOCK: &str = "import sqlite3, sys
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute('BEGIN IMMEDIATE')
print('locked', flush=True)
sys.stdin.read()";

#[tokio::test]
async fn health_names_a_write_that_another_program_holds_up() {
    let server = Server::puppet().await;
    let mut other = Command::new(tool("python"));
    other.args(["-c", LOCK]).arg(server.data().join("ledger.sqlite")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut other = other.spawn().expect("Python starts");
    let mut line = String::new();
    BufReader::new(other.stdout.take().unwrap()).read_line(&mut line).expect("a line");
    assert_eq!(line, "locked\n");
    let post = tokio::spawn({
        let api = server.api.clone();
        async move { api.post("/requests/puppet", &json!({ "delay": "PT1H" })).await }
    });
    let health = eventually("the server to notice", async || {
        let answer = server.api.get("/health").await;
        (answer.status == 503).then(|| answer.expect_fault(503, "unhealthy"))
    });
    let health = health.await;
    assert!(text(&health["ledger"], "refuses").contains("another program locks ledger.sqlite"), "{health}");
    cli(&["health", "--url", &server.api.url]).await.expect(1).complains(&["ledger: a write has waited for"]);
    drop(other.stdin.take());
    other.wait().expect("the end of the lock");
    let answer = post.await.unwrap();
    assert!(answer.status == 202 || answer.body["code"] == "ledger-unavailable", "{}", answer.body);
    eventually("the server to notice the end", async || (server.api.get("/health").await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn a_ledger_is_neither_measured_nor_resumed_before_its_migration() {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(root().join("tests/fixtures/ledger-1/ledger.sqlite"), directory.path().join("ledger.sqlite")).unwrap();
    let data = directory.path().to_str().unwrap();
    for command in ["stats", "resume"] {
        let refused = cli(&["ledger", command, "--data", data]).await.expect(1);
        refused.complains(&["schema version 1", "start the server once with this program"]);
    }
}
