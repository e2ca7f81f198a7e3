//! Slots and memory are shared among use cases: one that takes all that it can get makes no other wait for it.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Receiver, Reply, Server, eventually, text};

/// A validator and a processor that may sleep for the whole test, which an honest use case must not wait for.
const SLEEPY: &str = "[validate]\nplugin = 'puppet.wasm'\ntimeout = '30s'\nmemory = '8MiB'\n\
     [process]\nplugin = 'puppet.wasm'\ntimeout = '2m'\nmemory = '8MiB'\n[retry]\nmax-attempts = 1\n";
const HONEST: &str = "[validate]\nplugin = 'puppet.wasm'\nmemory = '8MiB'\n[process]\nplugin = 'puppet.wasm'\nmemory = '8MiB'\n\
     [retry]\nmax-attempts = 1\n";
/// Places of processors and of deliveries by default, and the half of them that one use case takes.
const SHARE: usize = 32;

async fn running(server: &Server, use_case: &str) -> usize {
    let list = server.api.get(&format!("/requests?useCase={use_case}&status=running&limit=100")).await.expect(200);
    list["requests"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sleeping_validators_of_two_use_cases_leave_slots_for_a_third() {
    let server = Server::builder().use_case("one", SLEEPY).use_case("two", SLEEPY).use_case("honest", HONEST).start().await;
    let mut sleepers = JoinSet::new();
    for n in 0..140 {
        let (api, use_case) = (server.api.clone(), if n % 2 == 0 { "one" } else { "two" });
        sleepers.spawn(async move {
            let body = json!({ "delay": "PT1H", "validate": { "do": "sleep", "ms": 29_000 } });
            let answer = api.post(&format!("/requests/{use_case}"), &body).await;
            panic!("an answer of a validator that sleeps for half a minute: {} {}", answer.status, answer.body);
        });
    }
    for _ in 0..50 {
        server.api.submit("honest", json!({ "delay": "PT1H" })).await;
    }
    assert!(sleepers.try_join_next().is_none(), "a sleeper ended before the honest calls");
    sleepers.shutdown().await;
}

#[tokio::test]
async fn sleeping_processors_of_one_use_case_make_no_other_late() {
    let receiver = Receiver::accepting().await;
    let server = Server::builder().use_case("sleepy", SLEEPY).use_case("hook", &receiver.hook()).use_case("honest", HONEST).start().await;
    for _ in 0..80 {
        server.api.submit("sleepy", json!({ "delay": "PT0S", "process": { "do": "sleep", "ms": 100_000 } })).await;
    }
    eventually("the share of one use case to be in use", async || (running(&server, "sleepy").await == SHARE).then_some(())).await;
    for use_case in ["hook", "honest"] {
        let id = server.api.submit(use_case, json!({ "delay": "PT0S" })).await;
        server.api.reaches(&id, "succeeded").await;
    }
    // Every sleeper sleeps still, so the others waited for none of them.
    assert_eq!(running(&server, "sleepy").await, SHARE);
}

#[tokio::test]
async fn a_backlog_for_one_slow_target_makes_no_other_target_late() {
    let receiver =
        Receiver::start(|delivery, _| if delivery.path == "/slow" { Reply::ok("").after(Duration::from_secs(100)) } else { Reply::ok("") })
            .await;
    let hook =
        |path: &str| format!("[targets]\ndefault = 'hook'\nhook = {{ kind = 'http', url = '{}', timeout = '2m' }}\n", receiver.url(path));
    let server = Server::builder().use_case("slow", &hook("/slow")).use_case("quick", &hook("/quick")).start().await;
    for _ in 0..200 {
        server.api.submit("slow", json!({ "delay": "PT0S" })).await;
    }
    eventually("the share of one use case to be in use", async || (running(&server, "slow").await == SHARE).then_some(())).await;
    let id = server.api.submit("quick", json!({ "delay": "PT0S" })).await;
    server.api.reaches(&id, "succeeded").await;
    assert_eq!(running(&server, "slow").await, SHARE);
    assert_eq!(receiver.deliveries().iter().filter(|delivery| delivery.path == "/slow").count(), SHARE);
}

#[tokio::test]
async fn a_manifest_that_asks_for_more_memory_than_one_call_may_have_is_refused_at_load() {
    let large = "[process]\nplugin = 'puppet.wasm'\nmemory = '256MiB'\n";
    let server = Server::builder().use_case("large", large).use_case("honest", HONEST).arguments(&["--memory", "256MiB"]).start().await;
    let info = server.api.use_case("large").await.expect("the use case");
    assert!(text(&info, "error").contains("asks for 256 MiB of memory, and this host gives 224 MiB"), "{info}");
    server.api.submit("honest", json!({ "delay": "PT1H" })).await;
}

#[tokio::test]
async fn a_config_file_that_many_keys_name_is_refused_by_check_and_at_load() {
    let keys: Vec<String> = (0..200).map(|n| format!("k{n} = 's.txt'")).collect();
    let bomb = format!("[process]\nplugin = 'puppet.wasm'\n[process.config-files]\n{}\n", keys.join("\n"));
    let server = Server::builder().use_case("bomb", &bomb).use_case("honest", HONEST);
    let dir = server.use_cases.bundle("bomb");
    std::fs::write(dir.join("s.txt"), "x".repeat(1 << 20)).expect("a file");
    let checked = crate::harness::cli(&["plugin", "check", &dir.display().to_string()]).await;
    assert!(checked.stderr.contains("process.config-files: the config has") && checked.stderr.contains("4194304 bytes"), "{checked:?}");
    let server = server.start().await;
    let info = server.api.use_case("bomb").await.expect("the use case");
    assert!(text(&info, "error").contains("process.config-files: the config has"), "{info}");
}
