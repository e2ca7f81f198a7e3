//! The hostile mix: slow clients, hundreds of long polls, lists with wide filters, plugins that sleep, loop and allocate, uploads that are
//! bombs, large or long to compile, slow and endless receivers, and `kill -9`, while one good use case posts and fires 50 requests a
//! second.
//!
//! At the end no acknowledged request of the good use case is lost, early or failed, and the server's memory has stayed below
//! `--memory` and [`OWN_MIB`]. Lateness is printed beside that of a quiet run on the same server; it is not asserted.
//!
//! `POSTDATE_HOSTILE_SECONDS` sets the duration (default 15 s); a fifth of it, at least 3 s, is the quiet run before. On a busy machine the
//! run goes on until each attack has taken place.

mod attackers;
mod lateness;

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{PATIENCE, PUPPET, Receiver, Reply, Server};
use crate::torture::load::Load;
use crate::torture::{drain, variable, verdict};
use attackers::{Attackers, COMPILE_TIME, EndlessReceiver, uploads};
use lateness::Lateness;

const KEY: &str = "the-key-of-every-call-of-the-hostile-mix";
/// Value of `--memory`, in MiB.
const MEMORY_MIB: u64 = 512;
/// The server's own memory beside the plugins', in MiB.
const OWN_MIB: u64 = 200;
/// Time between two kills. The first kill comes after half of it.
const BETWEEN_KILLS: Duration = Duration::from_secs(30);
/// Time between two posts of the good use case.
const BETWEEN_POSTS: Duration = Duration::from_millis(20);
/// Time between two samples of the server's memory.
const SAMPLE: Duration = Duration::from_millis(200);

/// Lets plugins sleep, loop and allocate. The time-out ends several calls even in the shortest run.
const HOSTILE: &str = "
[validate]
plugin = 'puppet.wasm'
memory = '96MiB'
timeout = '2s'
[process]
plugin = 'puppet.wasm'
memory = '96MiB'
timeout = '2s'
[retry]
max-attempts = 1
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_use_case_is_served_beside_hostile_ones() {
    let seconds = variable("POSTDATE_HOSTILE_SECONDS").unwrap_or(15);
    let receiver = Receiver::start(|_, _| Reply::ok("done")).await;
    let slow = Receiver::start(|_, _| Reply::ok("late").after(Duration::from_mins(1))).await;
    let endless = EndlessReceiver::start().await;
    let hook = |url: &str| format!("[targets]\nhook = {{ kind = 'http', url = '{url}', timeout = '20s' }}\n[retry]\nmax-attempts = 1\n");
    let good = format!("{PUPPET}{}", hook(&receiver.url("/hook")));
    let memory = format!("{MEMORY_MIB}MiB");
    // Before the run, since it takes the processors for a moment.
    let uploads = uploads();
    let mut server = Server::builder()
        .key(KEY)
        .use_case("good", &good)
        .use_case("hostile", HOSTILE)
        .use_case("slow", &hook(&slow.url("/slow")))
        .use_case("endless", &hook(&endless.url()))
        .arguments(&["--memory", &memory, "--compile-time", COMPILE_TIME])
        .variable("POSTDATE_LOG", "error,postdate=info")
        .start()
        .await;

    let body = |number| json!({ "name": format!("good-{number}"), "delay": format!("PT1.{:03}S", number % 1_000) });
    let mut good = Load::start(&server.api, "good", BETWEEN_POSTS, body);
    tokio::time::sleep(Duration::from_secs((seconds / 5).max(3))).await;
    let quiet = good.acknowledged();

    let attackers = Attackers::start(&server.api, KEY, uploads);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut next_kill = Instant::now() + (BETWEEN_KILLS / 2).min(Duration::from_secs(seconds / 2));
    let (mut kills, mut most_kib) = (0, 0);
    while Instant::now() < end || !attackers.all_happened() && Instant::now() < end + 3 * PATIENCE {
        tokio::time::sleep(SAMPLE).await;
        most_kib = most_kib.max(resident_kib(server.pid()));
        // None while the last attack is awaited: a large upload may take longer than the time between two kills.
        if Instant::now() >= next_kill && Instant::now() < end {
            next_kill += BETWEEN_KILLS;
            kills += 1;
            good.server_is_down();
            server.kill_and_start().await;
            good.server_is_at(&server.api);
            attackers.server_is_at(&server.api);
        }
    }
    let attacks = attackers.finish().await;
    let run = good.finish().await;
    drain(&server, "good").await;

    let deliveries = receiver.deliveries();
    verdict::check(&server.api, &run.acknowledged, &deliveries).await;
    let (before, after) = run.acknowledged.split_at(quiet);
    let (calm, beside) = (Lateness::of(&run, before, &deliveries), Lateness::of(&run, after, &deliveries));
    println!(
        "hostile mix: {seconds} s, {kills} kills, {attacks:?}\n\
         good: {} acknowledged; answers 503, each repeated: {:?}; none lost, early or failed\n\
         lateness: quiet {calm}; beside the hostile mix {beside}\n\
         memory of the server: {} MiB at most, of {MEMORY_MIB} + {OWN_MIB}",
        run.acknowledged.len(),
        run.refused,
        most_kib / 1_024,
    );
    assert!(kills > 0 && run.acknowledged.len() > 100, "too little happened: {} acknowledged, {kills} kills", run.acknowledged.len());
    assert!(attacks.all_happened(), "an attack did not take place: {attacks:?}");
    assert!(most_kib / 1_024 < MEMORY_MIB + OWN_MIB, "the server had {} MiB of memory", most_kib / 1_024);
}

/// Returns the resident memory of a process in KiB, or 0 if the process has ended.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
