//! Use cases read from a bucket: versions that change, and versions that requests are pinned to.

use postdate_tests::stack::{Options, TABLE};
use serde_json::json;

use super::scene::{RETRY, Scene, push, store, with_credentials};
use crate::harness::{PUPPET, UseCases, aged, aged_statement, eventually, text};

/// Pushes `puppet` with this manifest to the bucket by `postdate use-case push`, with further arguments. Returns the version.
pub async fn publish(scene: &Scene, manifest: &str, more: &[&str]) -> String {
    let use_cases = UseCases::new();
    use_cases.write("puppet", manifest);
    let pushed = push(&scene.stack, &use_cases.bundle("puppet"), more).await.expect(0);
    pushed.says(&["puppet serves "]);
    let line = pushed.stdout.lines().find(|line| line.starts_with("checked")).unwrap_or_default();
    line.split_whitespace().nth(3).unwrap_or_default().trim_end_matches(':').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn use_cases_come_from_a_bucket_and_change_without_a_restart() {
    let scene = Scene::start(Options { use_cases_in_s3: true, ..Options::default() }).await;
    let nothing = scene.api.post("/requests/puppet", &json!({ "delay": "PT1H" })).await;
    assert_eq!((nothing.status, text(&nothing.body, "code")), (404, "unknown-use-case"), "{}", nothing.body);

    let first = publish(&scene, &format!("{PUPPET}{RETRY}[schedule]\nmax-ahead = '2h'\n"), &[]).await;
    // The processor looks for an unknown use case again after some seconds.
    let pinned = eventually("the use case to be there", async || {
        let answer = scene.api.post("/requests/puppet", &json!({ "delay": "PT1H", "validate": { "do": "accept" } })).await;
        (answer.status == 202).then(|| text(&answer.body, "correlationId").to_owned())
    })
    .await;
    assert_eq!(text(&scene.api.request(&pinned).await, "version"), first);

    let too_far = json!({ "delay": "PT3H" });
    scene.api.post("/requests/puppet", &too_far).await.expect_fault(422, "trigger-too-far");
    let second = publish(&scene, &format!("{PUPPET}{RETRY}"), &[]).await;
    let id = eventually("the new version to serve", async || {
        let answer = scene.api.post("/requests/puppet", &too_far).await;
        (answer.status == 202).then(|| text(&answer.body, "correlationId").to_owned())
    })
    .await;
    assert_eq!(text(&scene.api.request(&id).await, "version"), second);
    let listed = scene.api.get("/use-cases/puppet/versions").await.expect(200);
    let shown: Vec<_> =
        listed["versions"].as_array().expect("a list").iter().map(|entry| (text(entry, "version"), &entry["serves"])).collect();
    assert_eq!(shown, [(second.as_str(), &json!(true)), (first.as_str(), &json!(false))]);
    assert!(text(&listed, "fixed").contains("may only read the store"), "{listed}");
    scene.api.post("/use-cases/puppet/rollback", &json!({})).await.expect_fault(404, "not-found");
    scene.settle().await;
    for (id, version) in [(pinned, first), (id, second)] {
        let request = scene.api.request(&id).await;
        assert_eq!((text(&request, "status"), text(&request, "version")), ("succeeded", version.as_str()), "{request}");
    }
}

/// Returns the manifest of a version whose process plugin has this word in its configuration.
pub fn saying(word: &str) -> String {
    format!("{PUPPET}{RETRY}[process.config]\nword = '{word}'\n")
}

/// Publishes a version, posts a request that answers with a word of it, and publishes two more. Returns the request and the versions.
pub async fn pinned_to_the_first_of_three(scene: &Scene) -> (String, [String; 3]) {
    let one = publish(scene, &saying("one"), &[]).await;
    let asks = json!({ "delay": "PT1H", "process": { "do": "config", "key": "word" } });
    let pinned = eventually("the use case to be there", async || {
        let answer = scene.api.post("/requests/puppet", &asks).await;
        (answer.status == 202).then(|| text(&answer.body, "correlationId").to_owned())
    })
    .await;
    let two = publish(scene, &saying("two"), &[]).await;
    let three = publish(scene, &saying("three"), &[]).await;
    (pinned, [one, two, three])
}

/// Returns the keys of the objects that the Lambdas read after the first `skip` calls.
fn read_objects(scene: &Scene, skip: usize) -> Vec<String> {
    let calls = scene.stack.proxy.records().into_iter().skip(skip).filter(|call| call.is("s3", "GetObject"));
    calls.map(|call| text(&call.body, "Key").to_owned()).collect()
}

/// A move is validated by a plugin unless the manifest has `moves = 'free'`.
#[tokio::test(flavor = "multi_thread")]
async fn cancelling_and_a_free_move_read_the_manifest_and_no_plugin() {
    let mut scene = Scene::start(Options { use_cases_in_s3: true, ..Options::default() }).await;
    publish(&scene, &format!("{PUPPET}{RETRY}[schedule]\nmoves = 'free'\n"), &[]).await;
    let (id, _) = scene.post(json!({}), "PT1H").await;
    // A process that has read nothing yet.
    scene.processor.kill();
    let _processor = scene.stack.processor().await;
    let skip = scene.stack.proxy.records().len();
    let path = format!("/requests/{id}");
    assert_eq!(scene.api.patch(&path, &json!({ "delay": "PT2H" })).await.expect(200)["status"], "scheduled");
    assert_eq!(scene.api.delete(&path).await.expect(200)["status"], "cancelled");
    let of_a_plugin = |key: &String| key.contains("/compiled/") || key.contains(".wasm");
    let read = read_objects(&scene, skip);
    assert!(read.iter().any(|key| key.ends_with("/use-case.toml")) && !read.iter().any(of_a_plugin), "{read:?}");
    let skip = scene.stack.proxy.records().len();
    scene.post(json!({}), "PT1H").await;
    let read = read_objects(&scene, skip);
    assert!(read.iter().any(of_a_plugin), "a POST calls the validator: {read:?}");
    scene.settle().await;
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
