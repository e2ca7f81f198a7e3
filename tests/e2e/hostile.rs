//! The server while every place for plugins is taken by one that means harm.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Client, Server, eventually};

/// More calls than there are places: 64 for validators, and those of the processors.
const ATTACKERS: usize = 80;
const PROCESSORS: usize = 4;
/// How long an answer is waited for. The hostile validators hold their places for longer than that, so an answer that needed
/// one of theirs would not come.
const BOUND: Duration = Duration::from_secs(20);
const ROUNDS: usize = 20;

/// Both plugins loop until they are stopped. The other use case's are honest and small.
async fn server() -> Server {
    let hostile = "[validate]\nplugin = 'puppet.wasm'\ntimeout = '1m'\n[process]\nplugin = 'puppet.wasm'\ntimeout = '1s'\n[retry]\nmax-attempts = 1\n";
    let honest = "[validate]\nplugin = 'minimal-validate.wasm'\n[process]\nplugin = 'minimal-process.wasm'\n";
    let concurrency = PROCESSORS.to_string();
    Server::builder().use_case("hostile", hostile).use_case("honest", honest).arguments(&["--concurrency", &concurrency]).start().await
}

/// Calls that take all the places that one use case's validators may have, until they are dropped.
fn attack(api: &Client) -> JoinSet<()> {
    let mut calls = JoinSet::new();
    for _ in 0..ATTACKERS {
        let api = api.clone();
        calls.spawn(async move {
            let answer = api.post("/requests/hostile", &json!({ "delay": "PT1H", "validate": { "do": "loop" } })).await;
            panic!("an answer to a call that computes or waits for a minute: {} {}", answer.status, answer.body);
        });
    }
    calls
}

async fn soon<T>(what: &str, answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, answer).await.unwrap_or_else(|_| panic!("{what}: no answer within {BOUND:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_answers_while_every_place_is_taken() {
    let server = server().await;
    for _ in 0..2 * PROCESSORS {
        server.api.submit("hostile", json!({ "delay": "PT0S", "process": { "do": "loop" } })).await;
    }
    let mut attack = attack(&server.api);
    eventually("all places to be taken", async || {
        let running = server.api.get("/requests?status=running").await.body;
        (running["requests"].as_array().is_some_and(|running| running.len() == PROCESSORS)).then_some(())
    })
    .await;

    let mut ids = Vec::new();
    for _ in 0..ROUNDS {
        soon("health", server.api.get("/health")).await.expect(200);
        // Its validator gets a place all the same: one use case may not take all of them.
        ids.push(soon("a request", server.api.submit("honest", json!({ "delay": "PT0S" }))).await);
        soon("a list", server.api.get("/requests?useCase=honest")).await.expect(200);
    }
    assert!(attack.try_join_next().is_none(), "a part of the attack is over");
    attack.shutdown().await;
    for id in ids {
        server.api.reaches(&id, "succeeded").await;
    }
}
