//! `postdate use-case compile`: machine code for another engine or architecture, with and without a table and keys.

use chrono::TimeDelta;
use postdate_tests::stack::{Options, TABLE};
use serde_json::{Value, json};

use super::scene::{RETRY, Scene, architecture, store, with_credentials};
use super::versions::{pinned_to_the_first_of_three, publish, saying};
use crate::harness::{PUPPET, Run, UseCases, cli, eventually, text};

/// Moves the machine code of all versions to the place of another engine, as if a Postdate with an older wasmtime had compiled it.
async fn compiled_by_an_older_engine(scene: &Scene) {
    let (bucket, aws) = (format!("postdate-{}", scene.stack.aws.account), &scene.stack.aws);
    let keys = aws.keys(&bucket, "use-cases/puppet/").await;
    let keys: Vec<_> = keys.iter().filter(|key| key.contains("/compiled/")).collect();
    assert!(!keys.is_empty(), "machine code in the bucket");
    for key in keys {
        let parts: Vec<&str> = key.split('/').collect();
        let [.., machine, _] = parts[..] else { panic!("{key}") };
        let arch = machine.rsplit_once('-').expect("an architecture and an engine").0;
        aws.move_object(&bucket, key, &key.replace(machine, &format!("{arch}-0123456789abcdef"))).await;
    }
}

/// Returns the architecture that this machine does not have.
fn other() -> &'static str {
    if architecture() == "arm64" { "x86_64" } else { "arm64" }
}

/// Compiles what is in the bucket of the stack, for this machine unless another architecture is given.
async fn compile(scene: &Scene, more: &[&str]) -> Run {
    let store = store(&scene.stack);
    let arch: &[&str] = if more.contains(&"--arch") { &[] } else { &["--arch", architecture()] };
    with_credentials(&scene.stack, &[&["use-case", "compile", "--to", &store], arch, more].concat()).await
}

/// Posts until the processor, which looks again after some seconds, finds the use case. Returns the id.
async fn accepted(scene: &Scene) -> String {
    eventually("the use case to be loaded", async || {
        let answer = scene.api.post("/requests/puppet", &json!({ "delay": "PT1H" })).await;
        (answer.status == 202).then(|| text(&answer.body, "correlationId").to_owned())
    })
    .await
}

/// The functions of the scene stand for those after the update: their engine is not the one that compiled what is in the bucket.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_machine_code_of_a_new_engine_and_runs_after_use_case_compile() {
    let scene = Scene::start(Options { use_cases_in_s3: true, ..Options::default() }).await;
    let (pinned, [one, two, three]) = pinned_to_the_first_of_three(&scene).await;
    compiled_by_an_older_engine(&scene).await;

    // The rule of the minute before parks the request; then the target fires it some times, each of which is deferred.
    for _ in 0..5 {
        let next = scene.stack.driver.pending().await.remove(0);
        scene.stack.clock.set(next.at);
        let fired = scene.stack.driver.run_due(&[&scene.target]).await;
        assert!(fired.iter().all(|one| one.outcome.is_ok()), "{fired:?}");
    }
    let waiting = scene.api.request(&pinned).await;
    assert_eq!(text(&waiting, "waitsFor"), format!("machine code of version {one}"));
    assert_eq!((text(&waiting, "status"), &waiting["attempts"]), ("scheduled", &json!(0)), "{waiting}");
    scene.target.logged("with the metric of the alarm", |line| line["NotCompiled"] == 1.0).await;
    scene.target.logged("with the wait", |line| line["Deferred"] == 1.0 && line["WaitedMs"].is_number()).await;

    // A wait of ten minutes is an error, which may not end by itself.
    let deferred = |line: &Value| line["level"] == "ERROR" && line.to_string().contains("deferred again");
    assert!(!scene.target.log_lines().iter().any(deferred), "{}", scene.target.log().text());
    scene.stack.clock.advance(TimeDelta::minutes(10));
    scene.stack.driver.run_due(&[&scene.target]).await;
    let line = scene.target.logged("of the long wait", deferred).await.to_string();
    assert!(line.contains(&pinned) && line.contains(&one), "{line}");

    let arch = architecture();
    let compile = async |more: &[&str]| compile(&scene, &[&["--table", TABLE], more].concat()).await.expect(0);
    let planned = compile(&["--dry-run"]).await;
    planned.says(&[&format!("missing    puppet {one} {arch}"), &format!("missing    puppet {three} {arch}")]);
    let done = compile(&[]).await;
    done.says(&[&format!("compiled   puppet {one} {arch}: "), &format!("compiled   puppet {three} {arch}: ")]);
    assert!(!done.stdout.contains(&two), "no request needs {two}, and it is not current: {}", done.stdout);
    compile(&["puppet"]).await.says(&[&format!("known      puppet {one} {arch}\n"), &format!("known      puppet {three} {arch}\n")]);

    scene.settle().await;
    let request = scene.api.request(&pinned).await;
    assert_eq!((text(&request, "status"), text(&request, "result"), &request["attempts"]), ("succeeded", "one", &json!(1)), "{request}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_code_of_another_architecture_is_of_no_use_to_this_one() {
    let scene = Scene::start(Options { use_cases_in_s3: true, ..Options::default() }).await;
    let use_cases = UseCases::new();
    use_cases.write("puppet", &format!("{PUPPET}{RETRY}"));
    let (bundle, store) = (use_cases.bundle("puppet").display().to_string(), store(&scene.stack));
    with_credentials(&scene.stack, &["use-case", "push", &bundle, "--to", &store, "--arch", other()]).await.expect(0);
    scene.api.post("/requests/puppet", &json!({ "delay": "PT1H" })).await.expect_fault(503, "use-case-broken");
    scene.processor.logged("with the metric of the alarm", |line| line["NotCompiled"] == 1.0).await;

    let known = compile(&scene, &["--arch", other()]).await.expect(0);
    assert!(known.stdout.starts_with("known      puppet ") && known.stdout.ends_with(&format!(" {}\n", other())), "{known:?}");
    let done = compile(&scene, &["--arch", other(), "--arch", architecture()]).await.expect(0);
    done.says(&["known      puppet ", "compiled   puppet ", &format!(" {}: validate ", architecture())]);
    let keys = scene.stack.aws.keys(&format!("postdate-{}", scene.stack.aws.account), "use-cases/puppet/").await;
    for arch in [architecture(), other()] {
        assert!(keys.iter().any(|key| key.contains(&format!("/compiled/{arch}-"))), "{arch}: {keys:?}");
    }
    let id = accepted(&scene).await;
    scene.settle().await;
    assert_eq!(text(&scene.api.request(&id).await, "status"), "succeeded");
    scene.assert_clean().await;
}

#[tokio::test]
async fn without_a_table_every_version_of_a_store_is_compiled() {
    let (use_cases, store) = (UseCases::new(), tempfile::tempdir().unwrap());
    let (bundle, store) = (use_cases.bundle("minimal").display().to_string(), store.path().display().to_string());
    for description in ["one", "two"] {
        use_cases.write("minimal", &format!("description = '{description}'\n[process]\nplugin = 'minimal-process.wasm'\n"));
        cli(&["use-case", "push", &bundle, "--to", &store, "--arch", other()]).await.expect(0);
    }
    let steps = async |more: &[&str]| {
        let run = cli(&[&["use-case", "compile", "--to", &store, "--arch", architecture()], more].concat()).await.expect(0);
        let steps: Vec<String> = run.stdout.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
        steps
    };
    assert_eq!(steps(&["--dry-run"]).await, ["missing", "missing"], "the version that serves, and the one before it");
    assert_eq!(steps(&[]).await, ["compiled", "compiled"]);
    assert_eq!(steps(&["minimal"]).await, ["known", "known"]);
    let unknown = cli(&["use-case", "compile", "nothing", "--to", &store, "--arch", architecture()]).await.expect(1);
    unknown.complains(&["nothing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_only_what_it_signed_is_compiled_and_hosts_trust_the_machine_code() {
    let keys = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours.key", "theirs.key"].map(|file| keys.path().join(file).display().to_string());
    let public = cli(&["key", "new", &ours]).await.expect(0).stdout.trim().to_owned();
    cli(&["key", "new", &theirs]).await.expect(0);
    let variables = vec![("POSTDATE_TRUSTED_KEYS".to_owned(), public)];
    let scene = Scene::start(Options { use_cases_in_s3: true, variables, ..Options::default() }).await;
    let unsigned = publish(&scene, &saying("one"), &[]).await;
    let signed = publish(&scene, &saying("two"), &["--key", &ours]).await;
    compiled_by_an_older_engine(&scene).await;

    // Without a key, the machine code is not signed.
    compile(&scene, &[]).await.expect(0).says(&[&format!("compiled   puppet {unsigned} "), &format!("compiled   puppet {signed} ")]);
    scene.api.post("/requests/puppet", &json!({ "delay": "PT1H" })).await.expect_fault(503, "use-case-broken");
    let of_theirs = compile(&scene, &["--key", &theirs]).await.expect(1);
    of_theirs.says(&[&format!("failed     puppet {unsigned} "), &format!("failed     puppet {signed} "), "is signed by"]);
    let of_ours = compile(&scene, &["--key", &ours]).await.expect(1);
    of_ours.says(&[&format!("failed     puppet {unsigned} "), "is not signed", &format!("compiled   puppet {signed} ")]);
    of_ours.complains(&["1 of 2 were not compiled"]);
    compile(&scene, &["--key", &ours]).await.expect(1).says(&[&format!("known      puppet {signed} ")]);

    let id = accepted(&scene).await;
    scene.settle().await;
    let request = scene.api.request(&id).await;
    assert_eq!((text(&request, "status"), text(&request, "version")), ("succeeded", signed.as_str()), "{request}");
    scene.assert_clean().await;
}
