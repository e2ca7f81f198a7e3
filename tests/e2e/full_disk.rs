//! A disk that is full to its last byte: nothing acknowledged is lost, nothing runs twice, and less space than the WAL has is enough to
//! go on.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{PAYLOAD, Receiver, Reply, Server, SmallDisk, events, eventually, sleep_until, text, time};

const DISK_MIB: u32 = 32;
/// Value of `--disk-reserve`.
const RESERVE: &str = "1MiB";
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// Size of the WAL before the disk is filled: more than the size from which the server makes checkpoints.
const WAL: u64 = 5 * MIB;
/// Free space while the WAL grows. No checkpoint has space: above 4 MiB of WAL, less than that is free.
const SPACE: u64 = 7 * MIB;

/// Returns the disk of a test. Prints a line and returns `None` if this machine does not permit one.
async fn disk(test: &str) -> Option<Arc<SmallDisk>> {
    match SmallDisk::new(DISK_MIB).await {
        Ok(disk) => Some(Arc::new(disk)),
        Err(reason) => {
            // The macros' output of a test that passes is not shown.
            writeln!(std::io::stderr(), "SKIPPED: {test}: no file system can be mounted: {reason}").expect("stderr");
            None
        }
    }
}

async fn start(disk: &Arc<SmallDisk>, receiver: &Receiver) -> Server {
    let hook = format!("{}[retry]\nmax-attempts = 1\n", receiver.hook().replace("' }", "', timeout = '5s' }"));
    Server::builder().use_case("hook", &hook).arguments(&["--disk-reserve", RESERVE]).on(disk).start().await
}

fn wal(disk: &SmallDisk) -> u64 {
    fs::metadata(disk.file("ledger.sqlite-wal")).map_or(0, |metadata| metadata.len())
}

/// Fills the WAL with requests that are due in an hour, and leaves no space for a checkpoint. Returns their ids.
async fn grow_wal(server: &Server, disk: &SmallDisk) -> Vec<String> {
    disk.fill_but(SPACE);
    let mut ids = Vec::new();
    while wal(disk) < WAL {
        ids.push(server.api.submit("hook", json!({ "delay": "PT1H", "note": format!("{PAYLOAD}{}", "x".repeat(200 << 10)) })).await);
    }
    ids
}

/// Waits until the ledger reports that its disk is full: a write has failed, and a repeat of it fails.
async fn full(server: &Server) -> Value {
    eventually("the ledger to report the full disk", async || {
        let answer = server.api.get("/health").await;
        let is_full = answer.body["ledger"]["refuses"] == "the ledger cannot be written: its disk is full";
        is_full.then(|| answer.expect_fault(503, "unhealthy"))
    })
    .await
}

/// Panics unless the server refuses a request.
async fn refuses(server: &Server) {
    let refused = server.api.post("/requests/hook", &json!({ "delay": "PT1S", "note": PAYLOAD })).await;
    assert_eq!(refused.header("retry-after"), "10");
    let refused = refused.expect_fault(503, "ledger-full");
    assert!(text(&refused, "detail").contains("out of disk space"), "{refused}");
}

/// Panics unless all requests have the status.
async fn all_are(server: &Server, ids: &[String], status: &str) {
    for id in ids {
        let request = server.api.request(id).await;
        assert_eq!(request["status"], status, "{request}");
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_less_space_than_the_wal_has_is_enough_to_go_on() {
    let Some(disk) = disk("a full disk").await else { return };
    let receiver = Receiver::accepting().await;
    let mut server = start(&disk, &receiver).await;
    let later = grow_wal(&server, &disk).await;
    let mut due = Vec::new();
    for _ in 0..5 {
        due.push(server.api.submit("hook", json!({ "delay": "PT4S" })).await);
    }
    disk.fill();
    refuses(&server).await;
    full(&server).await;
    sleep_until(time(&server.api.request(&due[4]).await["triggerAt"])).await;
    refuses(&server).await;
    server.api.delete(&format!("/requests/{}", later[0])).await.expect_fault(503, "ledger-full");
    all_are(&server, &due, "scheduled").await;

    // A restart needs no space, and claims nothing either.
    server.kill_and_start().await;
    full(&server).await;
    refuses(&server).await;
    all_are(&server, &due, "scheduled").await;
    assert_eq!(receiver.count(), 0);
    let is_complaint = |line: &Value| line["message"].as_str().is_some_and(|message| message.starts_with("cannot find out what is due"));
    let complaints = server.log.lines(0).iter().filter(|line| is_complaint(line)).count();
    assert_eq!(complaints, 2, "one line for each start");

    // Less than the reserve: accepted requests run, and new ones are refused.
    disk.free(512 * KIB);
    assert!(wal(&disk) >= WAL, "the WAL has {} bytes", wal(&disk));
    for id in &due {
        let request = server.api.reaches(id, "succeeded").await;
        assert_eq!((events(&request), &request["attempts"]), (vec!["accepted", "started", "succeeded"], &json!(1)), "{request}");
    }
    refuses(&server).await;
    disk.free(2 * MIB);
    assert!(wal(&disk) >= WAL, "the WAL has {} bytes", wal(&disk));
    eventually("the server to be well", async || (server.api.get("/health").await.status == 200).then_some(())).await;
    due.push(server.api.submit("hook", json!({ "delay": "PT0S" })).await);
    server.api.reaches(&due[5], "succeeded").await;

    // The last checkpoint of a stop has no space either.
    server.stop().await;
    server.start().await;
    all_are(&server, &due, "succeeded").await;
    all_are(&server, &later, "scheduled").await;
    server.kill_and_start().await;
    all_are(&server, &due, "succeeded").await;
    all_are(&server, &later, "scheduled").await;
    assert_eq!(receiver.count(), due.len(), "each ran once");

    disk.free_all();
    let database = || fs::metadata(disk.file("ledger.sqlite")).map_or(0, |metadata| metadata.len());
    eventually("the checkpoint", async || (database() > WAL / 2).then_some(())).await;
}

#[tokio::test]
async fn an_attempt_that_ends_on_a_full_disk_is_recorded_when_there_is_space_and_runs_once() {
    let Some(disk) = disk("an attempt on a full disk").await else { return };
    // Longer than the disk takes to be filled.
    let receiver = Receiver::start(|_, _| Reply::ok("done").after(Duration::from_secs(2))).await;
    let server = start(&disk, &receiver).await;
    grow_wal(&server, &disk).await;
    let id = server.api.submit("hook", json!({ "delay": "PT0S" })).await;
    eventually("the delivery", async || (receiver.count() == 1).then_some(())).await;
    disk.fill();
    full(&server).await;
    // Beyond the 9 s of tries that other faults get.
    sleep_until(receiver.deliveries()[0].at + Duration::from_secs(13)).await;
    let running = server.api.request(&id).await;
    assert_eq!(text(&running, "status"), "running", "{running}");
    disk.free(512 * KIB);
    let request = server.api.reaches(&id, "succeeded").await;
    assert_eq!((text(&request, "result"), &request["attempts"]), ("done", &json!(1)), "{request}");
    assert_eq!(receiver.count(), 1);
}
