//! Whole calls of the guest `puppet`, which follows the script in the body.

use postdate_core::plugin::{Acceptance, Problem};
use postdate_egress::Network;
use serde_json::{Value, json};

use super::*;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use wasmtime::Store;

use super::guest::new_store;
use super::logs::{CallLog, Stream};
use crate::engine::config::Metering;
use crate::limits::{MAX_OUTPUT_BYTES, TRANSFER_BYTES};
use crate::outgoing::{Hooks, HttpError, Responder};
use crate::secrets::Mask;
use crate::testing::{bundle, input, job, load};
use crate::{Options, Runtime, Secrets};

const PUPPET: &str = "[validate]\nplugin = 'puppet.wasm'\nmemory = '16MiB'\ntimeout = '300ms'\n\
     [process]\nplugin = 'puppet.wasm'\nmemory = '16MiB'\ntimeout = '300ms'\n";

async fn puppet(extra: &str) -> LoadedBundle {
    load(&format!("{PUPPET}{extra}"), &["puppet"]).await.unwrap()
}

async fn validate(script: Value) -> Report<Verdict> {
    puppet("").await.call_validate(input(&json!({ "validate": script }).to_string()), CallOptions::default()).await
}

async fn process(script: Value) -> Report<JobResult> {
    process_in(&puppet("").await, script, CallOptions::default()).await
}

async fn process_in(bundle: &LoadedBundle, script: Value, options: CallOptions) -> Report<JobResult> {
    bundle.call_process(job(&json!({ "process": script }).to_string()), options).await
}

#[track_caller]
fn stopped<T: std::fmt::Debug>(report: Report<T>) -> PluginError {
    report.result.expect_err("the call was answered")
}

#[tokio::test]
async fn a_validator_accepts_and_rejects() {
    let report = validate(json!({})).await;
    assert_eq!(report.result.unwrap(), Ok(Acceptance::default()));
    assert!(report.peak_memory > 0 && report.lines.is_empty());

    let rejected = validate(json!({ "do": "reject", "pointer": "/a", "code": "c", "message": "m" })).await;
    let problem = Problem { pointer: "/a".into(), code: "c".into(), message: "m".into() };
    assert_eq!(rejected.result.unwrap(), Err(vec![problem]));

    let seen = validate(json!({ "do": "request" })).await.result.unwrap().unwrap().body.unwrap();
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["seen"]["receivedAt"], "2027-01-01T00:00:00Z", "{seen}");
    assert_eq!(seen["seen"]["triggerAt"], "2027-01-02T00:00:00Z", "{seen}");
}

#[tokio::test]
async fn a_processor_succeeds_and_fails() {
    assert_eq!(process(json!({ "do": "succeed", "result": "done" })).await.result.unwrap(), Ok(Some("done".into())));
    let failure = process(json!({ "do": "retry", "retryAfterSeconds": 7, "message": "later" })).await.result.unwrap().unwrap_err();
    assert!(failure.retry && failure.retry_after == Some(Duration::from_secs(7)), "{failure:?}");
    assert!(!process(json!({ "do": "fail" })).await.result.unwrap().unwrap_err().retry);
    let seen = process(json!({ "do": "job" })).await.result.unwrap().unwrap().unwrap();
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!((&seen["attempt"], &seen["target"]), (&json!(1), &json!("here")));
}

#[tokio::test]
async fn the_error_of_a_trap_has_the_last_lines_of_stderr() {
    let error = stopped(validate(json!({ "do": "trap", "message": "no such luck" })).await);
    assert!(matches!(&error.reason, Stopped::Trap(reason) if reason.contains("unreachable") && !reason.contains('\n')), "{error}");
    assert!(error.stderr.iter().any(|line| line.contains("no such luck")), "{:?}", error.stderr);
    assert!(error.panic_message().unwrap().contains("panicked at"), "{:?}", error.stderr);
    assert_eq!((error.use_case.as_str(), error.role), ("tested", Role::Validate));
    assert!(error.to_string().starts_with("the validate plugin of use case tested (version "), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_guest_in_an_endless_loop_is_stopped_at_its_deadline() {
    let report = validate(json!({ "do": "loop" })).await;
    assert!(report.elapsed >= Duration::from_millis(300) && report.elapsed < Duration::from_millis(900), "{:?}", report.elapsed);
    assert_eq!(stopped(report).reason, Stopped::Timeout(Duration::from_millis(300)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_busy_guest_does_not_delay_another_on_the_same_thread() {
    let bundle = puppet("").await;
    let busy = tokio::spawn({
        let bundle = bundle.clone();
        async move { process_in(&bundle, json!({ "do": "loop" }), CallOptions::default()).await }
    });
    tokio::task::yield_now().await;
    let other = process_in(&bundle, json!({}), CallOptions::default()).await;
    assert!(other.result.is_ok() && !busy.is_finished(), "the other call waited for the busy one");
    assert_eq!(stopped(busy.await.unwrap()).reason.code(), "timeout");
}

#[tokio::test]
async fn a_guest_that_waits_in_the_host_is_stopped_at_its_deadline() {
    let report = process(json!({ "do": "sleep", "ms": 60_000 })).await;
    assert!(report.elapsed < Duration::from_millis(900), "{:?}", report.elapsed);
    assert_eq!(stopped(report).reason.code(), "timeout");
}

#[tokio::test]
async fn the_shorter_of_deadline_and_timeout_stops_a_call() {
    let bundle = puppet("").await;
    for (deadline, expected) in [(50, 50), (10_000, 300)] {
        let options = CallOptions { deadline: Some(Duration::from_millis(deadline)), ..CallOptions::default() };
        let error = stopped(process_in(&bundle, json!({ "do": "sleep", "ms": 60_000 }), options).await);
        let Stopped::Timeout(timeout) = error.reason else { panic!("{error}") };
        assert!(timeout <= Duration::from_millis(expected) && timeout > Duration::from_millis(expected * 8 / 10), "{timeout:?}");
    }
}

#[tokio::test]
async fn a_guest_that_exceeds_the_manifests_memory_is_stopped() {
    let modest = validate(json!({ "do": "memory", "mib": 8 })).await;
    assert!(modest.peak_memory > 8 << 20 && modest.peak_memory <= 16 << 20, "{}", modest.peak_memory);
    assert!(modest.result.is_ok());
    let report = validate(json!({ "do": "memory", "mib": 32 })).await;
    assert!(report.peak_memory <= 16 << 20);
    assert_eq!(stopped(report).reason, Stopped::Memory(16 << 20));
}

#[tokio::test]
async fn an_initial_memory_above_the_limit_is_a_memory_error() {
    let bundle = load("[process]\nplugin = 'minimal-process.wasm'\nmemory = '64KiB'\n", &["minimal-process"]).await.unwrap();
    let error = stopped(bundle.call_process(job("{}"), CallOptions::default()).await);
    assert_eq!(error.reason, Stopped::Memory(64 << 10));
}

#[tokio::test]
async fn an_answer_larger_than_the_limit_is_refused() {
    assert!(process(json!({ "do": "output", "bytes": MAX_OUTPUT_BYTES })).await.result.is_ok());
    let large = stopped(process(json!({ "do": "output", "bytes": MAX_OUTPUT_BYTES + 1 })).await);
    assert_eq!(large.reason, Stopped::Output { size: MAX_OUTPUT_BYTES + 1, limit: MAX_OUTPUT_BYTES });
    // More than one transfer from the guest may have.
    let huge = process(json!({ "do": "output", "bytes": TRANSFER_BYTES + 1 })).await;
    assert_eq!(stopped(huge).reason.code(), "output");
}

#[tokio::test]
async fn output_lines_beyond_the_limit_are_dropped() {
    let report = process(json!({ "do": "stderr", "lines": 3 })).await;
    let texts: Vec<_> = report.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["line 1", "line 2", "line 3"]);
    assert!(report.lines.iter().all(|line| line.stream == Stream::Stderr));
    let flood = process(json!({ "do": "stderr", "lines": 5000 })).await;
    assert!(flood.lines.len() <= 1001, "{}", flood.lines.len());
    assert!(flood.lines.last().unwrap().text.contains("dropped"));
}

#[tokio::test]
async fn each_call_runs_in_a_fresh_instance() {
    let bundle = puppet("").await;
    for _ in 0..3 {
        let report = process_in(&bundle, json!({ "do": "count" }), CallOptions::default()).await;
        assert_eq!(report.result.unwrap().unwrap().as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_guest_sees_no_environment_files_or_network_of_the_host() {
    let seen = process(json!({ "do": "env" })).await.result.unwrap().unwrap().unwrap();
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!((&seen["variables"], &seen["arguments"], &seen["directories"]), (&json!([]), &json!([]), &json!([])));
    assert!(seen["tcp"] != "connected" && seen["readDir"] != "readable", "{seen}");
}

#[tokio::test]
async fn a_call_without_a_free_slot_is_not_started() {
    let bundle = puppet("").await;
    let mut slots = Vec::new();
    // A use case takes at most as many slots as are free for the others.
    for use_case in ["a", "a", "b", "c"] {
        let identity = crate::testing::identity(use_case, Role::Process);
        slots.push(bundle.runtime().inner.slots.take(&identity, 1, Duration::ZERO).await.ok().unwrap());
    }
    let options = CallOptions { deadline: Some(Duration::from_millis(20)), ..CallOptions::default() };
    let error = stopped(process_in(&bundle, json!({}), options.clone()).await);
    assert_eq!(error.reason.to_string(), "could not be started: all 4 slots for process plugins were busy");
    drop(slots);
    assert!(process_in(&bundle, json!({}), options).await.result.is_ok());
}

#[tokio::test]
async fn a_call_of_a_role_without_a_plugin_is_not_started() {
    let bundle = load("[process]\nplugin = 'minimal-process.wasm'\n", &["minimal-process"]).await.unwrap();
    let error = bundle.validate(input("{}")).await.unwrap_err();
    assert_eq!(error.reason.to_string(), "could not be started: the use case has no validate plugin");
    assert!(bundle.process(job("{}"), None).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_request_without_a_grant_is_denied_and_the_log_names_the_grant() {
    let report = process(json!({ "do": "http", "url": "https://api.example.com/x" })).await;
    let failure = report.result.unwrap().unwrap_err();
    assert!(failure.message.to_lowercase().contains("denied"), "{failure:?}");
    assert_eq!(report.lines[0].stream, Stream::Host);
    assert!(report.lines[0].text.contains("add \"https://api.example.com\" to process.allow-http"), "{:?}", report.lines);
}

#[tokio::test]
async fn the_log_of_a_failed_call_names_the_missing_config_key_and_its_grant() {
    let bundle = puppet("config = { optional = 'x' }\n").await;
    let note = |report: &Report<JobResult>| report.lines.iter().find(|line| line.stream == Stream::Host).map(|line| line.text.clone());
    let failed = process_in(&bundle, json!({ "do": "config", "key": "API_KEY" }), CallOptions::default()).await;
    assert!(failed.result.as_ref().unwrap().is_err());
    let expected = "the plugin asked for the config \"API_KEY\", which it is not granted; to grant it, add it to process.config, process.config-files or process.secrets";
    assert_eq!(note(&failed).as_deref(), Some(expected));
    let well = process_in(&bundle, json!({ "do": "config", "key": "optional" }), CallOptions::default()).await;
    assert_eq!((well.result.unwrap().unwrap().as_deref(), well.lines.len()), (Some("x"), 0));
    // The puppet validator accepts without the key, so the log does not name it.
    let input = input(&json!({ "validate": { "do": "config", "key": "absent" } }).to_string());
    let accepted = bundle.call_validate(input, CallOptions::default()).await;
    assert!(accepted.result.unwrap().is_ok() && accepted.lines.is_empty());
}

#[tokio::test]
async fn bytes_that_the_host_writes_into_the_guest_count_against_its_memory() {
    let manifest = "[process]\nplugin = 'puppet.wasm'\nmemory = '4MiB'\nconfig-files = { a = 's.txt' }\n";
    let mut source = bundle(manifest, &["puppet"]);
    source.files.insert("s.txt".into(), vec![b'x'; 7 << 19].into());
    let loaded = crate::testing::runtime().load(&source, &Secrets::none()).await.unwrap();
    let config = process_in(&loaded, json!({ "do": "config", "key": "a" }), CallOptions::default()).await;
    assert_eq!(stopped(config).reason.code(), "memory");
    let body = process_in(&loaded, json!({ "do": "succeed", "ignored": "x".repeat(4 << 20) }), CallOptions::default()).await;
    assert_eq!(stopped(body).reason.code(), "memory");
}

#[tokio::test]
async fn a_granted_request_reaches_a_server() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        assert!(request[..length].starts_with(b"GET /hello HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 418 I'm a teapot\r\ncontent-length: 5\r\n\r\nshort").await.unwrap();
    });
    let bundle = puppet(&format!("allow-http = ['{origin}']\n")).await;
    let report = process_in(&bundle, json!({ "do": "http", "url": format!("{origin}/hello") }), CallOptions::default()).await;
    let answer: Value = serde_json::from_str(&report.result.unwrap().unwrap().unwrap()).unwrap();
    assert_eq!(answer, json!({ "status": 418, "body": "short" }));
}

/// Answers the first request, and refuses all others.
#[derive(Debug, Default)]
struct Once(std::sync::Mutex<Vec<Request<Bytes>>>);

impl Responder for Once {
    fn respond(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut seen = self.0.lock().unwrap();
        seen.push(request);
        let answer = Response::builder().status(201).header("x-a", "b").body("made".into()).unwrap();
        if seen.len() == 1 { Ok(answer) } else { Err(HttpError::ConnectionRefused) }
    }
}

#[tokio::test]
async fn a_responder_replaces_the_network() {
    let bundle = puppet("allow-http = ['https://api.example.com']\n").await;
    let url = "https://api.example.com/things";
    let once = Arc::new(Once::default());
    let options = CallOptions { outgoing: Outgoing::Responder(Arc::clone(&once) as _), ..CallOptions::default() };
    let script = json!({ "do": "http", "url": url, "method": "POST", "body": "{ }" });
    let report = process_in(&bundle, script.clone(), options.clone()).await;
    let answer: Value = serde_json::from_str(&report.result.unwrap().unwrap().unwrap()).unwrap();
    assert_eq!(answer, json!({ "status": 201, "body": "made" }));
    let seen = |request: &Request<Bytes>| (request.method().to_string(), request.uri().to_string(), request.body().clone());
    assert_eq!(seen(&once.0.lock().unwrap()[0]), ("POST".into(), url.into(), "{ }".into()));

    assert!(process_in(&bundle, script.clone(), options.clone()).await.result.unwrap().is_err());

    // A request to an origin without a grant does not reach the responder.
    once.0.lock().unwrap().clear();
    let script = json!({ "do": "http", "url": "https://elsewhere.example/" });
    assert!(process_in(&bundle, script, options).await.result.unwrap().is_err());
    assert!(once.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_request_of_a_plugin_carries_the_trace_unless_it_has_one() {
    let bundle = puppet("allow-http = ['https://api.example.com']\n").await;
    let (trace, own) =
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-66f2a1b04dea0086f9763ac0667b115a-53995c3f42cd8ad8-00");
    let sent = async |trace: Option<&str>, script: Value| {
        let once = Arc::new(Once::default());
        let options = CallOptions { outgoing: Outgoing::Responder(Arc::clone(&once) as _), ..CallOptions::default() };
        let job = Job { trace: trace.and_then(|text| text.parse().ok()), ..job(&json!({ "process": script }).to_string()) };
        bundle.call_process(job, options).await.result.unwrap().unwrap();
        let requests = once.0.lock().unwrap();
        requests[0].headers().get_all("traceparent").iter().map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let script = json!({ "do": "http", "url": "https://api.example.com/" });
    let traced = json!({ "do": "http", "url": "https://api.example.com/", "traceparent": own });
    assert_eq!(sent(Some(trace), script.clone()).await, [trace]);
    assert_eq!(sent(Some(trace), traced).await, [own]);
    assert_eq!(sent(None, script).await, [""; 0]);
}

#[tokio::test]
async fn a_validator_has_no_network_even_if_its_component_is_also_the_processor() {
    // The puppet is both plugins in one component, so it may import outgoing HTTP, which only a processor is granted.
    let bundle = puppet("allow-http = ['https://api.example.com']\n").await;
    assert!(bundle.validate.as_ref().unwrap().grants.is_empty());
    assert_eq!(bundle.process.as_ref().unwrap().grants.len(), 1);
}

#[tokio::test]
async fn instances_made_on_demand_have_the_same_limits() {
    let runtime = Runtime::on_demand(Options { slots: 1, ..Options::default() }).unwrap();
    let loaded = runtime.load(&bundle(PUPPET, &["puppet"]), &Secrets::none()).await.unwrap();
    for (script, code) in [(json!({ "do": "loop" }), "timeout"), (json!({ "do": "memory", "mib": 32 }), "memory")] {
        assert_eq!(stopped(process_in(&loaded, script, CallOptions::default()).await).reason.code(), code);
    }
    assert!(process_in(&loaded, json!({}), CallOptions::default()).await.result.is_ok());
}

/// Returns the puppet in a runtime that counts instructions.
async fn metered(cache: &std::path::Path) -> LoadedBundle {
    let options = Options { slots: 1, cache: Some(cache.to_owned()), metering: Metering::On, ..Options::default() };
    Runtime::new(options).unwrap().load(&bundle(PUPPET, &["puppet"]), &Secrets::none()).await.unwrap()
}

#[tokio::test]
async fn only_a_metering_runtime_counts_instructions() {
    let cache = tempfile::tempdir().unwrap();
    let loaded = metered(cache.path()).await;
    let count = async |script: Value| process_in(&loaded, script, CallOptions::default()).await.instructions;
    let few = count(json!({ "do": "stderr", "lines": 10 })).await.unwrap();
    assert!(few > 0);
    assert_eq!(count(json!({ "do": "stderr", "lines": 10 })).await, Some(few), "the same work");
    assert!(count(json!({ "do": "stderr", "lines": 100 })).await > Some(few), "more work");
    assert!(count(json!({ "do": "fail" })).await > Some(0), "a failure is an answer");

    let rejected = loaded.call_validate(input(r#"{"validate":{"do":"reject"}}"#), CallOptions::default()).await;
    assert!(rejected.result.unwrap().is_err() && rejected.instructions > Some(0));
    // A guest that was stopped has no count, because its machine code keeps the count in a register.
    for (script, code) in [(json!({ "do": "loop" }), "timeout"), (json!({ "do": "trap" }), "trap")] {
        let report = process_in(&loaded, script, CallOptions::default()).await;
        assert_eq!((report.instructions, stopped(report).reason.code()), (None, code));
    }

    // The cache has machine code that counts; a runtime without metering does not use it.
    let options = Options { slots: 1, cache: Some(cache.path().to_owned()), ..Options::default() };
    let plain = Runtime::new(options).unwrap().load(&bundle(PUPPET, &["puppet"]), &Secrets::none()).await.unwrap();
    let report = process_in(&plain, json!({}), CallOptions::default()).await;
    assert!(report.result.is_ok());
    assert_eq!(report.instructions, None);
    assert_eq!(
        metered(cache.path())
            .await
            .call_process(job(r#"{"process":{"do":"stderr","lines":10}}"#), CallOptions::default())
            .await
            .instructions,
        Some(few)
    );
}

/// Prints what a call costs beside a bare instantiation and call: `cargo test -p postdate-runtime -- --ignored --nocapture cost`.
#[tokio::test]
#[ignore = "a measurement, not a check"]
async fn cost_of_a_call() {
    const CALLS: u32 = 20_000;
    let manifest = "[validate]\nplugin = 'minimal-validate.wasm'\n[process]\nplugin = 'minimal-process.wasm'\n";
    let loaded = load(manifest, &["minimal-validate", "minimal-process"]).await.unwrap();
    let plugin = loaded.validate.as_ref().unwrap();
    for round in 0..4 {
        let started = Instant::now();
        for _ in 0..CALLS {
            let mut store = Store::new(plugin.pre.engine(), ());
            store.set_epoch_deadline(1_000_000);
            drop(store);
        }
        let empty = started.elapsed() / CALLS;
        let started = Instant::now();
        for _ in 0..CALLS {
            let log = CallLog::new(Arc::clone(&plugin.identity), String::new(), Mask::default());
            let hooks = Hooks::new(Outgoing::Granted, Network::default(), Arc::clone(&plugin.grants), None, Arc::clone(&log));
            let deadline = Instant::now() + Duration::from_secs(1);
            let mut store = new_store(plugin.pre.engine(), plugin.memory, deadline, plugin.config().await.unwrap(), hooks, log);
            plugin.pre.call(&mut store, &convert::request(input("{}"))).await.unwrap().unwrap();
        }
        let bare = started.elapsed() / CALLS;
        let started = Instant::now();
        for _ in 0..CALLS {
            loaded.validate(input("{}")).await.unwrap().unwrap();
        }
        println!("round {round}: empty store {empty:?}, instantiate and call {bare:?}, whole call {:?}", started.elapsed() / CALLS);
    }
}
