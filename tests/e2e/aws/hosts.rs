//! A second target function, and use cases read from a bucket.

use chrono::TimeDelta;
use postdate_tests::driver::Source;
use postdate_tests::stack::{Options, TABLE};
use serde_json::json;

use super::scene::{RETRY, Scene, architecture, push, store, with_credentials};
use crate::harness::{PUPPET, UseCases, aged, aged_statement, events, eventually, text};

/// End of the ARN of the second target host.
const BIG_ENDING: &str = ":function:postdate-target-big";
const BIG: &str = "[targets]\ndefault = 'heavy'\nheavy = { kind = 'plugin', host = 'big' }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_a_host_runs_on_that_host_for_every_attempt() {
    let scene = Scene::with(BIG, Options::default()).await;
    let big = scene.stack.big().await;
    let script = json!({ "do": "retry", "untilAttempt": 2 });
    let (far, _) = scene.post(json!({ "process": script }), "PT2H").await;
    let (near, _) = scene.post(json!({ "process": script }), "PT20S").await;
    let delivered = scene.stack.driver.settle(&[&scene.target, &big]).await;
    assert!(delivered.iter().all(|one| one.outcome.is_ok() && one.due.target.ends_with(BIG_ENDING)), "{delivered:?}");
    assert_eq!(delivered.iter().filter(|one| one.due.source == Source::Rule).count(), 1, "{delivered:?}");
    for id in [far, near] {
        assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "attempt-failed", "started", "succeeded"]);
    }
    assert!(!scene.target.log().text().contains("fired"), "the default host must not fire the request");
    scene.assert_clean().await;
}

/// `SchedulerRole` may invoke the host by its name, so a schedule reaches it; a host of another name is refused at the call.
#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_reaches_a_host_that_its_role_may_invoke_and_no_other() {
    let manifest = format!("{BIG}lost = {{ kind = 'plugin', host = 'reports' }}\n");
    let reports = json!({
        "big": { "arn": "arn:aws:lambda:eu-central-1:500000000001:function:postdate-target-big" },
        "reports": { "arn": "arn:aws:lambda:eu-central-1:500000000001:function:reports" },
    });
    let variables = vec![("POSTDATE_HOSTS".to_owned(), reports.to_string())];
    let scene = Scene::with(&manifest, Options { scheduler: true, variables, ..Options::default() }).await;
    let big = scene.stack.function("postdate-target-big").without("POSTDATE_QUEUE_URL").started().await;
    // The host has no queue, so the schedule fires on the whole minute.
    let (id, _) = scene.post(json!({}), "PT2H").await;
    let delivered = scene.stack.driver.settle(&[&scene.target, &big]).await;
    assert!(delivered.iter().all(|one| one.outcome.is_ok() && one.due.target.ends_with(BIG_ENDING)), "{delivered:?}");
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
    let refused = scene.api.post("/requests/puppet", &json!({ "delay": "PT2H", "target": "lost" })).await;
    let refused = refused.expect_fault(422, "target-not-served");
    assert!(text(&refused, "detail").contains("postdate-target"), "{refused}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_janitor_rearms_a_request_on_the_host_of_its_target() {
    let scene = Scene::with(BIG, Options::default()).await;
    let big = scene.stack.big().await;
    let (id, due) = scene.post(json!({}), "PT2H").await;
    let rule = scene.stack.driver.pending().await.remove(0);
    // EventBridge gives the event up, as it does after the maximum event age.
    scene.stack.driver.undeliverable(&rule, "THROTTLING").await;
    scene.stack.clock.set(due);
    assert_eq!(scene.sweep(TimeDelta::minutes(4)).await["rearmed"], 1);
    scene.stack.driver.settle(&[&scene.target, &big]).await;
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
    assert!(!scene.target.log().text().contains("fired"));
    scene.sweep(TimeDelta::hours(2)).await;
    scene.assert_clean().await;
}

/// Pushes `puppet` with this manifest to the bucket by `postdate use-case push`. Returns the version.
async fn publish(scene: &Scene, manifest: &str) -> String {
    let use_cases = UseCases::new();
    use_cases.write("puppet", manifest);
    let pushed = push(&scene.stack, &use_cases.bundle("puppet"), &[]).await.expect(0);
    pushed.says(&["puppet serves "]);
    let line = pushed.stdout.lines().find(|line| line.starts_with("checked")).unwrap_or_default();
    line.split_whitespace().nth(3).unwrap_or_default().trim_end_matches(':').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn use_cases_come_from_a_bucket_and_change_without_a_restart() {
    let scene = Scene::start(Options { use_cases_in_s3: true, ..Options::default() }).await;
    let nothing = scene.api.post("/requests/puppet", &json!({ "delay": "PT1H" })).await;
    assert_eq!((nothing.status, text(&nothing.body, "code")), (404, "unknown-use-case"), "{}", nothing.body);

    let first = publish(&scene, &format!("{PUPPET}{RETRY}[schedule]\nmax-ahead = '2h'\n")).await;
    // The processor looks for an unknown use case again after some seconds.
    let pinned = eventually("the use case to be there", async || {
        let answer = scene.api.post("/requests/puppet", &json!({ "delay": "PT1H", "validate": { "do": "accept" } })).await;
        (answer.status == 202).then(|| text(&answer.body, "correlationId").to_owned())
    })
    .await;
    assert_eq!(text(&scene.api.request(&pinned).await, "version"), first);

    let too_far = json!({ "delay": "PT3H" });
    scene.api.post("/requests/puppet", &too_far).await.expect_fault(422, "trigger-too-far");
    let second = publish(&scene, &format!("{PUPPET}{RETRY}")).await;
    let id = eventually("the new version to serve", async || {
        let answer = scene.api.post("/requests/puppet", &too_far).await;
        (answer.status == 202).then(|| text(&answer.body, "correlationId").to_owned())
    })
    .await;
    assert_eq!(text(&scene.api.request(&id).await, "version"), second);
    scene.settle().await;
    for (id, version) in [(pinned, first), (id, second)] {
        let request = scene.api.request(&id).await;
        assert_eq!((text(&request, "status"), text(&request, "version")), ("succeeded", version.as_str()), "{request}");
    }
}

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

/// Publishes a version, posts a request that answers with a word of it, and publishes two more. Returns the request and the versions.
async fn pinned_to_the_first_of_three(scene: &Scene) -> (String, [String; 3]) {
    let manifest = |word: &str| format!("{PUPPET}{RETRY}[process.config]\nword = '{word}'\n");
    let one = publish(scene, &manifest("one")).await;
    let asks = json!({ "delay": "PT1H", "process": { "do": "config", "key": "word" } });
    let pinned = eventually("the use case to be there", async || {
        let answer = scene.api.post("/requests/puppet", &asks).await;
        (answer.status == 202).then(|| text(&answer.body, "correlationId").to_owned())
    })
    .await;
    let two = publish(scene, &manifest("two")).await;
    let three = publish(scene, &manifest("three")).await;
    (pinned, [one, two, three])
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

    let (store, arch) = (store(&scene.stack), architecture());
    let compile = async |more: &[&str]| {
        let compile = ["use-case", "compile", "--to", &store, "--arch", arch, "--table", TABLE];
        with_credentials(&scene.stack, &[&compile, more].concat()).await.expect(0)
    };
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
async fn prune_deletes_versions_that_no_request_in_the_table_is_pinned_to() {
    let scene = Scene::start(Options { use_cases_in_s3: true, ..Options::default() }).await;
    let (pinned, [one, two, three]) = pinned_to_the_first_of_three(&scene).await;

    let (bucket, aws) = (format!("postdate-{}", scene.stack.aws.account), &scene.stack.aws);
    let rewrite = async |key: &str, aged: fn(&str) -> String| {
        let key = format!("use-cases/puppet/{key}");
        let content = aged(&aws.get_object(&bucket, &key).await);
        aws.put_object(&bucket, &key, content.into_bytes()).await;
    };
    rewrite("current", aged).await;
    for version in [&one, &two, &three] {
        rewrite(&format!("{version}/bundle.json"), aged_statement).await;
    }
    let store = store(&scene.stack);
    let prune = async |more: &[&str]| {
        let prune = ["use-case", "prune", "puppet", "--store", &store, "--table", TABLE, "--keep", "0"];
        with_credentials(&scene.stack, &[&prune, more].concat()).await.expect(0)
    };
    let planned = prune(&["--dry-run"]).await;
    planned.says(&[&format!("would be marked  {two}"), "0 deleted and 1 marked of the 2 versions of", "requests need 1 versions"]);
    prune(&[]).await.says(&[&format!("  {two}"), "0 deleted and 1 marked"]);
    let aged_mark = async |version: &str| {
        aws.put_object(&bucket, &format!("use-cases/puppet/unused/{version}"), b"2001-01-01T00:00:00Z".to_vec()).await;
    };
    aged_mark(&two).await;
    prune(&["--dry-run"]).await.says(&[&format!("would be deleted  {two}")]);
    prune(&[]).await.says(&[&format!("deleted  {two}"), "1 deleted and 0 marked of the 2 versions of"]);

    // The pinned version is kept until its request has run, and can be pruned afterwards.
    scene.settle().await;
    let request = scene.api.request(&pinned).await;
    assert_eq!((text(&request, "result"), text(&request, "version")), ("one", one.as_str()), "{request}");
    prune(&[]).await.says(&["0 deleted and 1 marked", "requests need 0 versions"]);
    aged_mark(&one).await;
    prune(&[]).await.says(&[&format!("deleted  {one}")]);
    let listed = with_credentials(&scene.stack, &["use-case", "list", "puppet", "--store", &store]).await.expect(0);
    listed.says(&[&format!("*  {three}")]);
    assert!(!listed.stdout.contains(&one) && !listed.stdout.contains(&two), "{listed:?}");
}
