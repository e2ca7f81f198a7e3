//! The crash test: `kill -9` at random moments under load, each followed by a start on the same data.
//!
//! The receiver of the deliveries counts the runs, outside the server. At the end every acknowledged request must have
//! succeeded, none may have run early, and none may have run twice unless a kill interrupted its first run.
//!
//! `POSTDATE_TORTURE_SECONDS` sets the duration (default 10 s). `POSTDATE_TORTURE_SEED` repeats the kill times of a run.

pub mod load;
pub mod verdict;

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::harness::{Receiver, Reply, Server, eventually};
use load::Load;

/// Upper bound of the receiver's response time, in milliseconds. Slow answers make kills hit requests that run.
const SLOWEST_ANSWER_MILLIS: u64 = 40;
/// Time between two posts. Keeps the load below the machine's capacity, so that the backlog drains.
const BETWEEN_POSTS: Duration = Duration::from_millis(8);
/// Upper bound of a request's delay, in milliseconds.
const LATEST_MILLIS: u64 = 2_000;
/// Range of the server's lifetime between two kills, in milliseconds.
const LIFE_MILLIS: std::ops::Range<u64> = 50..1_200;

/// Returns the number in an environment variable. Panics if the text is no number.
pub fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}: set a whole number")))
}

/// Returns a manifest whose requests reach the receiver in two ways: by an `http` target and by a plugin's HTTP call.
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
async fn acknowledged_requests_survive_kills_under_load() {
    let seconds = variable("POSTDATE_TORTURE_SECONDS").unwrap_or(10);
    let seed = variable("POSTDATE_TORTURE_SEED").unwrap_or_else(|| rand::rng().random());
    println!("torture: {seconds} s, POSTDATE_TORTURE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);

    let receiver = Receiver::start(|delivery, before| {
        // A multiplicative hash spreads the response times; a random generator would need a lock here.
        let millis = (before as u64).wrapping_mul(0x9e37_79b9) % SLOWEST_ANSWER_MILLIS;
        Reply::ok(delivery.header("x-postdate-attempt")).after(Duration::from_millis(millis))
    })
    .await;
    // The harness keeps the log in memory. Other crates log errors only, so that a long run does not fill it.
    let builder = Server::builder().use_case("torture", &manifest(&receiver)).variable("POSTDATE_LOG", "error,postdate=info");
    let mut server = builder.start().await;
    let (mut choices, url) = (StdRng::seed_from_u64(random.random()), receiver.url("/plugin"));
    let mut load = Load::start(&server.api, "torture", BETWEEN_POSTS, move |number| {
        let name = number.to_string();
        let delay = choices.random_range(0..LATEST_MILLIS);
        let mut body = json!({ "name": name, "delay": format!("PT{}.{:03}S", delay / 1_000, delay % 1_000) });
        if choices.random_bool(0.5) {
            body["target"] = json!("here");
            body["process"] = json!({ "do": "http", "url": format!("{url}?name={name}") });
        }
        body
    });

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut kills = 0;
    while Instant::now() < end {
        let life = Duration::from_millis(random.random_range(LIFE_MILLIS));
        // The sleep waits for no event: it makes the moment of the kill random.
        tokio::time::sleep(life.min(end.saturating_duration_since(Instant::now()))).await;
        server.kill();
        load.server_is_down();
        kills += 1;
        server.start().await;
        load.server_is_at(&server.api);
    }
    let run = load.finish().await;
    assert!(run.refused.is_empty(), "a server under a load below its capacity refused posts: {:?}", run.refused);
    let acknowledged = run.acknowledged;
    drain(&server, "torture").await;
    let summary = verdict::check(&server.api, &acknowledged, &receiver.deliveries()).await;
    println!(
        "torture: {kills} kills, {} acknowledged, {} runs, {} repeated after a kill, none lost, none early (seed {seed})",
        acknowledged.len(),
        summary.runs,
        summary.repeated,
    );
    assert!(acknowledged.len() > 20 && kills > 0, "too little happened: {} acknowledged, {kills} kills", acknowledged.len());
}

/// Waits until no request of the use case is scheduled or running any more.
pub async fn drain(server: &Server, use_case: &str) {
    let mut left = u64::MAX;
    // A long run leaves a long backlog. Wait for progress, with a timeout for each step, not for the end.
    while left > 0 {
        left = eventually("the backlog to shrink", async || {
            let now = unfinished(server, use_case).await;
            (now < left).then_some(now)
        })
        .await;
    }
}

async fn unfinished(server: &Server, use_case: &str) -> u64 {
    let mut count = 0;
    for status in ["scheduled", "running"] {
        let page = server.api.get(&format!("/requests?useCase={use_case}&status={status}&limit=500")).await.expect(200);
        count += page["requests"].as_array().map(Vec::<Value>::len).unwrap_or_default() as u64;
    }
    count
}
