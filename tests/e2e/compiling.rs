//! The server while it compiles a plugin: the server answers, and the former version serves.

use std::thread::available_parallelism;

use postdate_tests::process::{Lines, Process, postdate};
use serde_json::{Value, json};

use crate::harness::{PUPPET, Server, UseCases, child_of, cli, eventually, host, slow, text};

/// Number of functions in the slow component: minutes of compile time on two processors.
const ENDLESS: usize = 400;

/// Replaces a bundle with one that compiles for minutes, and waits until the compile begins. Returns the component's bytes.
async fn upload_slow(server: &Server, name: &str) -> usize {
    let length = write_slow(server.use_cases(), name, ENDLESS);
    compiler(server, length).await;
    length
}

/// Writes a bundle with this many slow functions. Returns the component's bytes.
fn write_slow(use_cases: &UseCases, name: &str, functions: usize) -> usize {
    let wasm = slow("puppet", functions);
    let length = wasm.len();
    std::fs::create_dir_all(use_cases.bundle(name)).unwrap();
    use_cases.write_file(name, "slow.wasm", wasm);
    use_cases.write(name, &PUPPET.replace("puppet.wasm", "slow.wasm"));
    length
}

async fn compiler(server: &Server, length: usize) {
    eventually("the compiler to begin", async || child_of(server.pid(), length)).await;
}

async fn gone(parent: u32, length: usize) {
    eventually("the compiler to end", async || child_of(parent, length).is_none().then_some(())).await;
}

#[tokio::test]
async fn the_former_version_serves_while_the_next_one_is_compiled() {
    let server = Server::builder().use_case("puppet", PUPPET).test_clock().start().await;
    let before = text(&server.api.use_case("puppet").await.unwrap(), "version").to_owned();
    let length = upload_slow(&server, "puppet").await;

    for _ in 0..20 {
        let done = server.api.run("puppet", json!({ "process": { "do": "succeed", "result": "ok" } })).await;
        assert_eq!((text(&done, "result"), text(&done, "version")), ("ok", &*before), "{done}");
    }
    let listed = server.api.use_case("puppet").await.unwrap();
    assert_eq!((&listed["update"]["state"], text(&listed, "version")), (&json!("loading"), &*before), "{listed}");
    assert!(text(&listed["update"], "since").ends_with('Z') && listed["error"].is_null(), "{listed}");
    assert_eq!(server.api.get("/health").await.expect(200)["brokenUseCases"], json!([]));
    server.logged("of the start of the compile", |line| line["message"] == "compiling a plugin" && line["bytes"] == length).await;
    server.logged("of the progress of the compile", |line| line["message"] == "still compiling a plugin" && line["bytes"] == length).await;
    assert!(child_of(server.pid(), length).is_some(), "the compile ended too early");

    // A newer upload cancels the compile of the older one.
    server.use_cases().write("puppet", &format!("{PUPPET}config = {{ word = 'newer' }}\n"));
    gone(server.pid(), length).await;
    eventually("the newer version to serve", async || {
        server.api.use_case("puppet").await.filter(|info| text(info, "version") != before && info["update"].is_null())
    })
    .await;
}

#[tokio::test]
async fn a_new_use_case_answers_503_with_retry_after_while_it_compiles_and_others_load() {
    let server = Server::puppet().await;
    upload_slow(&server, "fresh").await;
    let answer = server.api.post("/requests/fresh", &json!({ "delay": "PT1S" })).await;
    assert_eq!(answer.header("retry-after"), "10");
    answer.expect_fault(503, "use-case-loading");
    server.logged("of the refusal", |line| line["code"] == "use-case-loading" && line["level"] == "INFO").await;
    let health = server.api.get("/health").await.expect(200);
    assert_eq!(
        (&health["loadingUseCases"][0]["useCase"], &health["loadingUseCases"][0]["version"]),
        (&json!("fresh"), &Value::Null),
        "{health}"
    );
    let listed = server.api.use_case("fresh").await.unwrap();
    assert_eq!((&listed["version"], &listed["update"]["state"]), (&Value::Null, &json!("loading")), "{listed}");
    // The plugins of this use case are in the cache, so it does not queue behind the running compile.
    server.use_cases().write("other", &format!("{PUPPET}config = {{ word = 'other' }}\n"));
    eventually("the other use case", async || server.api.use_case("other").await.filter(|info| !info["version"].is_null())).await;
    assert_eq!(text(&server.api.run("other", json!({})).await, "status"), "succeeded");

    server.use_cases().remove("fresh");
    eventually("the use case to go", async || server.api.use_case("fresh").await.is_none().then_some(())).await;
    server.api.post("/requests/fresh", &json!({ "delay": "PT1S" })).await.expect_fault(404, "unknown-use-case");
}

#[tokio::test]
async fn a_compile_beyond_its_time_limit_is_reported_and_the_former_version_serves() {
    let server = Server::builder().use_case("puppet", PUPPET).arguments(&["--compile-time", "2s"]).test_clock().start().await;
    let before = text(&server.api.use_case("puppet").await.unwrap(), "version").to_owned();
    let length = upload_slow(&server, "puppet").await;
    let listed = eventually("the error", async || server.api.use_case("puppet").await.filter(|info| !info["error"].is_null())).await;
    let error = text(&listed, "error");
    assert!(
        error.contains("slow.wasm") && error.contains("more than 2s of processor time") && error.contains("POSTDATE_COMPILE_TIME"),
        "{error}"
    );
    assert_eq!((text(&listed, "version"), &listed["update"]), (&*before, &Value::Null), "{listed}");
    gone(server.pid(), length).await;
    assert_eq!(text(&server.api.run("puppet", json!({})).await, "version"), before);
}

#[tokio::test]
async fn a_compiler_process_ends_with_its_server_after_a_stop_and_after_a_kill() {
    let mut server = Server::puppet().await;
    let length = upload_slow(&server, "fresh").await;
    let pid = server.pid();
    server.stop().await;
    gone(pid, length).await;

    // A killed server cannot signal its compiler, which ends when its stdin closes. Its parent changes, so look into `/proc`.
    server.set_arguments(&["--test-clock"]);
    server.begin();
    compiler(&server, length).await;
    let place = child_of(server.pid(), length).expect("the compiler's process");
    server.kill();
    eventually("the orphan to end", async || {
        (!std::fs::read_to_string(place.join("cmdline")).unwrap_or_default().contains("compile-plugin")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_pinned_version_without_machine_code_is_compiled_once_and_no_api_call_waits_for_it() {
    let free = format!("{PUPPET}[schedule]\nmoves = 'free'\n");
    let mut server = Server::builder().use_case("puppet", &free).test_clock().start().await;
    let before = text(&server.api.use_case("puppet").await.unwrap(), "version").to_owned();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(server.api.submit("puppet", json!({ "delay": "PT1H", "process": { "do": "succeed", "result": "ok" } })).await);
    }
    server.use_cases().write("puppet", "[process]\nplugin = 'minimal-process.wasm'\n");
    eventually("the next version", async || server.api.use_case("puppet").await.filter(|info| text(info, "version") != before)).await;
    server.stop().await;
    std::fs::remove_dir_all(server.data().join("compiled")).unwrap();
    server.set_arguments(&["--test-clock"]);
    let lines = server.log.len();
    server.start().await;
    let compiled = |server: &Server| server.log.lines(lines).iter().filter(|line| line["message"] == "compiled a plugin").count();

    // A free move and a cancel read the manifest only, so they do not compile the pinned version.
    server.api.patch(&format!("/requests/{}", ids[0]), &json!({ "delay": "PT30M" })).await.expect(200);
    server.api.delete(&format!("/requests/{}", ids[1])).await.expect(200);
    assert_eq!(compiled(&server), 1, "only the serving version is compiled");
    ids.remove(1);
    server.api.advance("PT1H").await;
    for id in &ids {
        let done = server.api.request(id).await;
        assert_eq!((text(&done, "result"), text(&done, "version")), ("ok", &*before), "{done}");
    }
    eventually("the log", async || (compiled(&server) >= 2).then_some(())).await;
    assert_eq!(compiled(&server), 2, "the pinned version is compiled once, for both roles and all jobs");
}

#[tokio::test]
async fn a_cache_that_was_filled_before_the_start_leaves_nothing_to_compile() {
    let mut server = Server::puppet().await;
    let before = text(&server.api.use_case("puppet").await.unwrap(), "version").to_owned();
    server.use_cases().write("puppet", "[process]\nplugin = 'minimal-process.wasm'\n");
    let after =
        eventually("the next version", async || server.api.use_case("puppet").await.filter(|info| text(info, "version") != before)).await;
    let (data, use_cases) = (server.data().display().to_string(), server.use_cases().path().display().to_string());
    std::fs::remove_dir_all(server.data().join("compiled")).unwrap();
    // The server runs meanwhile.
    let filled = cli(&["compile-cache", "--data", &data, "--use-cases", &use_cases]).await.expect(0);
    for version in [&*before, text(&after, "version")] {
        assert_eq!(filled.stdout.matches(&format!("compiled  puppet {version}")).count(), 1, "{}", filled.stdout);
    }
    filled.complains(&["compiling a plugin", "compiled a plugin"]);
    server.stop().await;
    let lines = server.log.len();
    server.start().await;
    assert_eq!(text(&server.api.run("puppet", json!({})).await, "status"), "succeeded");
    let compiled = server.log.lines(lines).iter().filter(|line| line["message"] == "compiling a plugin").count();
    assert_eq!(compiled, 0);
    cli(&["compile-cache", "--data", "/no/such/directory"]).await.expect(1).complains(&["no data directory"]);
}

/// Most compiler processes for what serves.
const MOST_COMPILERS: usize = 8;

/// Waits until as many of the components are being compiled at the same moment as the machine has processors. None of the compiles
/// ends within the test, so one after the other could not fulfil this. Panics if more run.
async fn all_processors_compile(parent: u32, lengths: &[usize]) {
    let most = lengths.len() - 1;
    let running = || lengths.iter().filter(|length| child_of(parent, **length).is_some()).count();
    eventually("a compiler for each processor", async || (running() == most).then_some(())).await;
    assert_eq!(running(), most, "more compilers than processors");
}

#[tokio::test]
async fn distinct_use_cases_are_compiled_at_the_same_time_on_all_processors() {
    let processors = available_parallelism().map_or(1, usize::from).min(MOST_COMPILERS);
    let server = Server::builder().start().await;
    // One more than can run.
    let name = |n: usize| format!("slow-{n}");
    let lengths: Vec<usize> = (0..=processors).map(|n| write_slow(server.use_cases(), &name(n), ENDLESS / 2 + n)).collect();
    eventually("all use cases to be loading", async || {
        let health = server.api.get("/health").await.expect(200);
        (health["loadingUseCases"].as_array()?.len() == lengths.len()).then_some(())
    })
    .await;
    all_processors_compile(server.pid(), &lengths).await;

    // `compile-cache` has the same turns.
    let data = tempfile::tempdir().unwrap();
    let mut command = postdate(&host());
    command.arg("compile-cache").arg("--data").arg(data.path()).arg("--use-cases").arg(server.use_cases().path());
    let filling = Process::start(&mut command, &Lines::default());
    all_processors_compile(filling.id(), &lengths).await;
}
