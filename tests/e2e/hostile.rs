//! The server while the plugins of one use case loop in every slot that the use case may take.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Client, Server, eventually};

/// Number of concurrent calls; more than the slots: 64 for validators, and `PROCESSORS`, half of which one use case may take.
const ATTACKERS: usize = 80;
const PROCESSORS: usize = 4;
/// Longest wait for an answer. The hostile validators hold their slots for longer, so an answer that needs one of those slots
/// does not come in time.
const BOUND: Duration = Duration::from_secs(20);
const ROUNDS: usize = 20;

/// Starts a server with the use cases `hostile`, whose plugins loop if told to, and `honest`, whose plugins return at once.
async fn server() -> Server {
    let hostile = "[validate]\nplugin = 'puppet.wasm'\ntimeout = '30s'\n[process]\nplugin = 'puppet.wasm'\ntimeout = '1s'\n[retry]\nmax-attempts = 1\n";
    let honest = "[validate]\nplugin = 'minimal-validate.wasm'\n[process]\nplugin = 'minimal-process.wasm'\n";
    let concurrency = PROCESSORS.to_string();
    Server::builder().use_case("hostile", hostile).use_case("honest", honest).arguments(&["--concurrency", &concurrency]).start().await
}

/// Starts calls that hold every validator slot that one use case may take, until the returned set is dropped.
fn attack(api: &Client) -> JoinSet<()> {
    let mut calls = JoinSet::new();
    for _ in 0..ATTACKERS {
        let api = api.clone();
        calls.spawn(async move {
            let answer = api.post("/requests/hostile", &json!({ "delay": "PT1H", "validate": { "do": "loop" } })).await;
            panic!("an answer to a call that computes or waits for half a minute: {} {}", answer.status, answer.body);
        });
    }
    calls
}

async fn soon<T>(what: &str, answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, answer).await.unwrap_or_else(|_| panic!("{what}: no answer within {BOUND:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_answers_while_a_hostile_use_case_holds_all_its_slots() {
    let server = server().await;
    for _ in 0..2 * PROCESSORS {
        server.api.submit("hostile", json!({ "delay": "PT0S", "process": { "do": "loop" } })).await;
    }
    let mut attack = attack(&server.api);
    eventually("the share of one use case to be in use", async || {
        let running = server.api.get("/requests?status=running").await.body;
        (running["requests"].as_array().is_some_and(|running| running.len() == PROCESSORS / 2)).then_some(())
    })
    .await;

    let mut ids = Vec::new();
    for _ in 0..ROUNDS {
        soon("health", server.api.get("/health")).await.expect(200);
        // The honest validator still gets a slot, because one use case cannot take them all.
        ids.push(soon("a request", server.api.submit("honest", json!({ "delay": "PT0S" }))).await);
        soon("a list", server.api.get("/requests?useCase=honest")).await.expect(200);
    }
    assert!(attack.try_join_next().is_none(), "a hostile call ended too early");
    attack.shutdown().await;
    for id in ids {
        server.api.reaches(&id, "succeeded").await;
    }
}
