//! Host faults: a request that the host cannot start waits, spends no attempt, and runs after the fault.

use std::path::PathBuf;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};

use crate::harness::{Receiver, Server, events, eventually, text};

/// Waits until the request's `waitsFor` contains the text. Returns the request.
async fn waiting(server: &Server, id: &str, waits_for: &str) -> Value {
    eventually("the request to be deferred", async || {
        let request = server.api.request(id).await;
        request["waitsFor"].as_str().is_some_and(|text| text.contains(waits_for)).then_some(request)
    })
    .await
}

/// Checks that the request succeeds at its first attempt, and that the wait left exactly one line of history.
async fn runs_after_the_wait(server: &Server, id: &str) {
    let request = server.api.reaches(id, "succeeded").await;
    assert_eq!(events(&request), ["accepted", "deferred", "started", "succeeded"], "{request}");
    assert_eq!((&request["attempts"], request.get("waitsFor")), (&json!(1), None), "{request}");
}

#[tokio::test]
async fn a_due_request_waits_while_other_use_cases_hold_the_memory() {
    const SLEEPY: &str = "[validate]\nplugin = 'puppet.wasm'\ntimeout = '30s'\nmemory = '64MiB'\n[process]\nplugin = 'puppet.wasm'\n";
    const QUICK: &str = "[process]\nplugin = 'puppet.wasm'\ntimeout = '1s'\nmemory = '64MiB'\n[retry]\nmax-attempts = 1\n";
    let server = Server::builder().use_case("sleepy", SLEEPY).use_case("quick", QUICK).arguments(&["--memory", "100MiB"]).start().await;
    let id = server.api.submit("quick", json!({ "delay": "PT2S" })).await;
    let api = server.api.clone();
    let body = json!({ "delay": "PT1H", "validate": { "do": "sleep", "ms": 12_000 } });
    let validator = tokio::spawn(async move { api.post("/requests/sleepy", &body).await });
    let request = waiting(&server, &id, "memory for a plugin").await;
    assert_eq!((text(&request, "status"), &request["attempts"]), ("scheduled", &json!(0)), "{request}");
    validator.await.expect("an answer").expect(202);
    runs_after_the_wait(&server, &id).await;
}

/// Returns the lowest free file descriptor of the process.
fn free_descriptor(pid: u32) -> u64 {
    let open = |n: &u64| PathBuf::from(format!("/proc/{pid}/fd/{n}")).symlink_metadata().is_ok();
    (0..1 << 20).find(|n| !open(n)).expect("a process has a free descriptor")
}

#[tokio::test]
async fn a_due_request_waits_while_the_process_has_no_file_descriptor() {
    let receiver = Receiver::accepting().await;
    let manifest = format!("{}[retry]\nmax-attempts = 1\n", receiver.hook());
    let server = Server::builder().use_case("hook", &manifest).start().await;
    let id = server.api.submit("hook", json!({ "delay": "PT2S" })).await;
    // This call opens the client's connection and a reader of the ledger, before the limit is lowered.
    server.api.request(&id).await;
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a process id"));
    let limit = getrlimit(Resource::Nofile);
    let lower = Rlimit { current: Some(free_descriptor(server.pid())), ..limit };
    prlimit(pid, Resource::Nofile, lower).expect("the limit can be lowered");
    let request = waiting(&server, &id, "file descriptor").await;
    assert_eq!((text(&request, "status"), &request["attempts"]), ("scheduled", &json!(0)), "{request}");
    prlimit(pid, Resource::Nofile, limit).expect("the limit can be raised again");
    runs_after_the_wait(&server, &id).await;
    assert_eq!(receiver.count(), 1);
}
