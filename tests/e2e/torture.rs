//! The crash test: `kill -9` at random moments under load, and a start on the same data after each.
//!
//! Runs are counted outside the server, by the receiver that the requests are delivered to. At the end every
//! acknowledged request has succeeded, none ran twice except those whose run a kill cut off, and none ran early.
//!
//! `POSTDATE_TORTURE_SECONDS` says how long (default 10), `POSTDATE_TORTURE_SEED` repeats the moments of a run.

mod load;
mod verdict;

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use crate::harness::{Receiver, Reply, Server, eventually};
use load::Load;

/// A receiver takes up to so long to answer, so that kills find requests in the middle of their run.
const SLOWEST_ANSWER_MILLIS: u64 = 40;
/// How long the server lives between two kills.
const LIFE_MILLIS: std::ops::Range<u64> = 50..1_200;

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}: it has to be a whole number")))
}

/// The same load by both ways out of the server: an `http` target, and a plugin that makes a request.
fn manifest(receiver: &Receiver) -> String {
    format!(
        "[process]\nplugin = 'puppet.wasm'\nallow-http = ['{}']\n\
         [retry]\nmax-attempts = 1\n\
         [targets]\ndefault = 'hook'\nhook = {{ kind = 'http', url = '{}' }}\nhere = {{ kind = 'plugin' }}\n",
        receiver.url(""),
        receiver.url("/hook"),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn torture() {
    let seconds = variable("POSTDATE_TORTURE_SECONDS").unwrap_or(10);
    let seed = variable("POSTDATE_TORTURE_SEED").unwrap_or_else(|| rand::rng().random());
    println!("torture: {seconds} s, POSTDATE_TORTURE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);

    let receiver = Receiver::start(|delivery, before| {
        // Spread without a generator of its own: the answers come in any order anyway.
        let millis = (before as u64).wrapping_mul(0x9e37_79b9) % SLOWEST_ANSWER_MILLIS;
        Reply::ok(delivery.header("x-postdate-attempt")).after(Duration::from_millis(millis))
    })
    .await;
    // Only what is wrong is logged: a line a request would be most of the memory of a long run.
    let builder = Server::builder().use_case("torture", &manifest(&receiver)).variable("POSTDATE_LOG", "error,postdate=info");
    let mut server = builder.start().await;
    let load = Load::start(&server.api, &receiver, random.random());

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut kills = 0;
    while Instant::now() < end {
        let life = Duration::from_millis(random.random_range(LIFE_MILLIS));
        // Not to wait for anything: the moment of the kill is what is random.
        tokio::time::sleep(life.min(end.saturating_duration_since(Instant::now()))).await;
        server.kill();
        kills += 1;
        server.start().await;
        load.server_is_at(&server.api);
    }
    let acknowledged = load.finish().await;
    drain(&server).await;
    let summary = verdict::check(&server.api, &acknowledged, &receiver.deliveries()).await;
    println!(
        "torture: {kills} kills, {} acknowledged, {} runs, {} repeated after a kill, none lost, none early (seed {seed})",
        acknowledged.len(),
        summary.runs,
        summary.repeated,
    );
    assert!(acknowledged.len() > 20 && kills > 0, "too little happened: {} acknowledged, {kills} kills", acknowledged.len());
}

/// Waits until nothing is scheduled or running any more.
async fn drain(server: &Server) {
    let mut left = u64::MAX;
    // Progress is what is waited for, each time with a bound: a long run leaves a long queue.
    while left > 0 {
        left = eventually("the queue to become shorter", async || {
            let now = unfinished(server).await;
            (now < left).then_some(now)
        })
        .await;
    }
}

async fn unfinished(server: &Server) -> u64 {
    let mut count = 0;
    for status in ["scheduled", "running"] {
        let page = server.api.get(&format!("/requests?status={status}&limit=500")).await.expect(200);
        count += page["requests"].as_array().map(Vec::<Value>::len).unwrap_or_default() as u64;
    }
    count
}
