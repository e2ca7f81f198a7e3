//! The server while every place for plugins is taken by one that means harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Client, Server, eventually, text};

/// More calls than there are places: 64 for validators, and those of the processors.
const ATTACKERS: usize = 80;
const PROCESSORS: usize = 4;
/// The latest that an answer may come on two busy cores. Where guests share the threads of the server, it takes longer.
const SOON: Duration = Duration::from_millis(500);
const ROUNDS: usize = 60;

/// Both plugins loop until they are stopped. The other use case's are honest and small.
async fn server() -> Server {
    let hostile = "[validate]\nplugin = 'puppet.wasm'\ntimeout = '1s'\n[process]\nplugin = 'puppet.wasm'\ntimeout = '1s'\n[retry]\nmax-attempts = 1\n";
    let honest = "[validate]\nplugin = 'minimal-validate.wasm'\n[process]\nplugin = 'minimal-process.wasm'\n";
    let concurrency = PROCESSORS.to_string();
    Server::builder().use_case("hostile", hostile).use_case("honest", honest).arguments(&["--concurrency", &concurrency]).start().await
}

/// Keeps all places taken until it is told to stop.
async fn attack(api: Client, stop: Arc<AtomicBool>) {
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..ATTACKERS {
        let (api, stop) = (api.clone(), Arc::clone(&stop));
        calls.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let answer = api.post("/requests/hostile", &json!({ "delay": "PT1H", "validate": { "do": "loop" } })).await;
                assert!(matches!(answer.status, 500 | 503), "{}", answer.body);
                assert_eq!(text(&answer.body, "code"), "validator-failed", "{}", answer.body);
            }
        });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("an attacker");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_answers_while_every_place_is_taken() {
    let server = server().await;
    for _ in 0..2 * PROCESSORS {
        server.api.submit("hostile", json!({ "delay": "PT0S", "process": { "do": "loop" } })).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let attack = tokio::spawn(attack(server.api.clone(), Arc::clone(&stop)));
    eventually("all places to be taken", async || {
        let running = server.api.get("/requests?status=running").await.body;
        (running["requests"].as_array().is_some_and(|running| running.len() == PROCESSORS)).then_some(())
    })
    .await;

    let (mut slowest, mut ids) = ([Duration::ZERO; 3], Vec::new());
    let mut pace = tokio::time::interval(Duration::from_millis(25));
    for _ in 0..ROUNDS {
        pace.tick().await;
        let started = Instant::now();
        server.api.get("/health").await.expect(200);
        slowest[0] = slowest[0].max(started.elapsed());
        // Its validator gets a place all the same: one use case may not take all of them.
        let started = Instant::now();
        ids.push(server.api.submit("honest", json!({ "delay": "PT0S" })).await);
        slowest[1] = slowest[1].max(started.elapsed());
        let started = Instant::now();
        server.api.get("/requests?useCase=honest").await.expect(200);
        slowest[2] = slowest[2].max(started.elapsed());
    }
    println!("slowest: health {:?}, post {:?}, list {:?}", slowest[0], slowest[1], slowest[2]);
    assert!(slowest.iter().all(|took| *took < SOON), "{slowest:?}");

    stop.store(true, Ordering::Relaxed);
    attack.await.expect("the attack ends");
    for id in ids {
        server.api.reaches(&id, "succeeded").await;
    }
}
