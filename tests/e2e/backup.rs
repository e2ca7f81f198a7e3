//! Backup, restore and upgrade of a data directory, with the commands that an operator runs.

use std::fs;
use std::process::Command;
use std::time::Duration;

use postdate_tests::moto::Account;
use postdate_tests::process::{Lines, Process};
use postdate_tests::tools::tool;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{PUPPET, Server, cli, events, eventually, root, text};

#[tokio::test]
async fn a_backup_of_a_running_server_is_restored_and_what_was_due_waits_for_the_operator() {
    // The second name is that of a file in the store as well.
    let mut server = Server::builder().use_case("puppet", PUPPET).use_case("current", PUPPET).test_clock().start().await;
    let done = text(&server.api.run("puppet", json!({})).await, "correlationId").to_owned();
    let later = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    let odd = server.api.submit("current", json!({ "delay": "PT1H" })).await;
    let data = server.data().to_str().unwrap().to_owned();
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    cli(&["backup", "--data", &data, "--to", &path("backup")]).await.expect(0).says(&["3 requests", "checked"]);
    let lost = server.api.submit("puppet", json!({ "delay": "PT2H" })).await;
    server.api.advance("PT1H").await;

    let restore = ["restore", "--from", &path("backup"), "--data", &data];
    cli(&[&restore[..], &["--overwrite"]].concat()).await.expect(1).complains(&["another server uses"]);
    server.stop().await;
    cli(&restore).await.expect(1).complains(&["has a ledger or a store already", "--overwrite"]);
    // The requests were not due by the clock of the backup, so nothing is held, and they run once more.
    cli(&[&restore[..], &["--overwrite"]].concat()).await.expect(0).says(&["restored 3 requests", "before: moved to"]);
    assert!(server.data().join("store/current").is_dir());
    // A restore that was killed before it changed anything does not block the start.
    fs::create_dir(server.data().join("restoring-draft")).unwrap();
    server.set_arguments(&["--test-clock"]);
    server.start().await;
    assert!(!server.data().join("restoring-draft").exists());
    assert_eq!(events(&server.api.request(&later).await), ["accepted"]);
    assert_eq!(text(&server.api.request(&done).await, "status"), "succeeded");
    server.api.get(&format!("/requests/{lost}")).await.expect_fault(404, "unknown-request");
    server.api.advance("PT1H").await;
    for id in [later, odd] {
        assert_eq!(text(&server.api.request(&id).await, "status"), "succeeded", "its version was in the backup");
    }
}

#[tokio::test]
async fn held_requests_show_why_they_wait_and_run_after_a_retry_or_a_resume() {
    let mut server = Server::builder().use_case("puppet", PUPPET).test_clock().start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(server.api.submit("puppet", json!({ "delay": "PT1S" })).await);
    }
    let data = server.data().to_str().unwrap().to_owned();
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup").to_str().unwrap().to_owned();
    cli(&["backup", "--data", &data, "--to", &backup]).await.expect(0);
    server.stop().await;
    // The clock of the backup stands a second later, as if the requests had run meanwhile.
    rewrite_clock(&backup, "2027-01-01T00:00:01.000Z");
    cli(&["restore", "--from", &backup, "--data", &data, "--overwrite"]).await.expect(0).says(&["held:   3 requests", "ledger resume"]);
    server.set_arguments(&["--test-clock"]);
    server.start().await;
    let held = server.api.request(&ids[0]).await;
    assert_eq!(events(&held), ["accepted", "held"], "{held}");
    assert_eq!((text(&held, "waitsFor"), held.get("nextAttemptAt")), ("a decision to retry or to cancel it", None), "{held}");

    server.api.post(&format!("/requests/{}/retry", ids[0]), &json!({})).await.expect(202);
    server.api.reaches(&ids[0], "succeeded").await;
    server.api.delete(&format!("/requests/{}", ids[1])).await.expect(200);
    cli(&["ledger", "resume", "--data", &data]).await.expect(0).says(&["resumed 1 request\n"]);
    let done = server.api.reaches(&ids[2], "succeeded").await;
    assert_eq!(events(&done), ["accepted", "held", "retried", "started", "succeeded"]);
}

/// Sets the time at which the test clock of a backup stands: the text has the same length, so that the file stays whole.
fn rewrite_clock(backup: &str, to: &str) {
    let mut bytes = fs::read(backup).unwrap();
    let from = crate::harness::START.as_bytes();
    let found: Vec<usize> = bytes.windows(from.len()).enumerate().filter(|(_, part)| *part == from).map(|(at, _)| at).collect();
    assert!(!found.is_empty(), "the backup has no test clock");
    for at in found {
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    }
    fs::write(backup, bytes).unwrap();
}

#[tokio::test]
async fn a_data_directory_of_the_first_release_is_upgraded_and_its_requests_run() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::copy(root().join("tests/fixtures/ledger-1/ledger.sqlite"), data.join("ledger.sqlite")).unwrap();
    // The version that accepted the requests is gone.
    let manifest = format!("{PUPPET}[schedule]\nversion = 'latest'\n");
    let server = Server::builder().use_case("puppet", &manifest).data_at(&data).arguments(&["--test-clock"]).start().await;
    let id = |n: u32| format!("01a2cf3b-5400-7000-8000-00000000000{n}");
    // A host that was still compiling has put the request off, and its clock stands still.
    server.api.advance("PT1M").await;
    let interrupted = server.api.reaches(&id(2), "succeeded").await;
    let listed = server.api.get("/requests?status=scheduled").await.expect(200);
    assert_eq!(text(&listed["requests"][0], "correlationId"), id(1));
    let mut history = events(&interrupted);
    history.retain(|event| *event != "deferred");
    assert_eq!(history, ["accepted", "started", "interrupted", "started", "succeeded"]);
    let repeat = server.api.call(Method::POST, "/requests/puppet").header("content-type", "application/json");
    let repeat = server.api.send(repeat.header("idempotency-key", "key-1").body(r#"{"delay":"PT1H","n":1}"#)).await.expect(202);
    assert_eq!(text(&repeat, "correlationId"), id(1));
    let new = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    server.api.advance("PT1H").await;
    for id in [id(1), new] {
        assert_eq!(text(&server.api.request(&id).await, "status"), "succeeded");
    }
    assert!(data.join("ledger.sqlite.schema-1").is_file());

    let path = data.to_str().unwrap();
    let stats = cli(&["ledger", "stats", "--json", "--data", path]).await.expect(0);
    let stats: Value = serde_json::from_str(&stats.stdout).unwrap();
    assert_eq!((&stats["requests"]["rows"], &stats["givesBack"]), (&json!(6), &json!(false)), "{stats}");
    cli(&["ledger", "stats", "--data", path]).await.expect(0).says(&["ledger compact", "puppet", "succeeded"]);
    cli(&["ledger", "compact", "--data", path]).await.expect(1).complains(&["another server uses"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn litestream_copies_a_running_ledger_by_the_documented_configuration() {
    let account = Account::new().await;
    account.aws.create_bucket("my-bucket").await;
    let mut server = Server::builder().use_case("puppet", PUPPET).start().await;
    let data = server.data().to_str().unwrap().to_owned();
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let documented = page.split("```yaml\n").find(|block| block.starts_with("dbs:")).unwrap().split("```").next().unwrap();
    let bucket = format!("      endpoint: {}\n      region: eu-central-1\n", account.proxy.url());
    fs::write(path("litestream.yml"), documented.replace("/var/lib/postdate", &data) + &bucket).unwrap();
    let litestream = |arguments: &[&str]| {
        let mut litestream = Command::new(tool("litestream"));
        litestream.args(arguments).args(["-config", &path("litestream.yml")]);
        // It refuses this variable, which some machines set for every program.
        litestream.env_remove("AWS_CA_BUNDLE").env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
        litestream
    };
    let lines = Lines::default();
    let mut copier = Process::start(&mut litestream(&["replicate"]), &lines);

    let first = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    let second = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    let mut tries = 0..;
    let copy = eventually("a copy with both requests", async || {
        let (copy, trial) = (path(&format!("copy-{}", tries.next()?)), tempfile::tempdir().ok()?);
        let ledger = format!("{data}/ledger.sqlite");
        let mut restore = tokio::process::Command::from(litestream(&["restore", "-o", &copy]));
        let restore = restore.arg(ledger).kill_on_drop(true).output();
        let output = timeout(Duration::from_secs(20), restore).await.ok()?.ok()?;
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(copier.exited().is_none(), "Litestream ended: {}\n{failed}", lines.text());
        let restored = cli(&["restore", "--from", &copy, "--data", trial.path().join("data").to_str()?]).await;
        restored.stdout.contains("restored 2 requests").then_some(copy)
    })
    .await;
    server.kill();
    drop(copier);
    cli(&["restore", "--from", &copy, "--data", &data, "--overwrite"]).await.expect(0).says(&["restored 2 requests"]);
    server.start().await;
    for id in [first, second] {
        assert_eq!(text(&server.api.request(&id).await, "status"), "scheduled");
    }
}
