//! `postdate use-case …` and `PUT /use-cases/{name}` on one machine: versions that come, serve, go back and go.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, PUPPET, Run, Server, UseCases, aged, aged_statement, cli, cli_with, eventually, guest, text};

const KEY: &str = "upload-key";

/// A processor that can tell which version of the bundle it is.
fn says(word: &str) -> String {
    format!("{PUPPET}config = {{ word = '{word}' }}\n[retry]\nmax-attempts = 1\n")
}

fn asks() -> Value {
    json!({ "delay": "PT1H", "process": { "do": "config", "key": "word" } })
}

/// A server that takes uploads, and where bundles are made to be uploaded.
async fn taking_uploads() -> (Server, UseCases) {
    (Server::builder().key(KEY).test_clock().start().await, UseCases::new())
}

/// `postdate use-case push` of the bundle as it is now.
async fn push(server: &Server, bundles: &UseCases, more: &[&str]) -> Run {
    let dir = bundles.bundle("puppet").display().to_string();
    cli_with(&[("POSTDATE_API_KEY", KEY)], &[&["use-case", "push", &dir, "--to", &server.api.url], more].concat()).await
}

async fn store(server: &Server, arguments: &[&str]) -> Run {
    let store = server.data().join("store").display().to_string();
    let variables = [("POSTDATE_API_KEY", KEY), ("POSTDATE_URL", server.api.url.as_str()), ("POSTDATE_BY", "the test")];
    cli_with(&variables, &[&["use-case"], arguments, &["--store", &store]].concat()).await
}

/// What `GET /use-cases` says of the puppet.
async fn info(server: &Server) -> Option<Value> {
    let list = server.api.get("/use-cases").await.expect(200);
    list["useCases"].as_array().unwrap().iter().find(|info| info["name"] == "puppet").cloned()
}

async fn serving(server: &Server) -> String {
    info(server).await.map(|info| text(&info, "version").to_owned()).unwrap_or_default()
}

async fn put(server: &Server, name: &str, archive: Vec<u8>) -> Answer {
    server.api.send(server.api.call(Method::PUT, &format!("/use-cases/{name}")).body(archive)).await
}

/// As `tar -C DIR -cf - .` makes it.
fn tar(bundles: &UseCases) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all(".", bundles.bundle("puppet")).unwrap();
    archive.into_inner().unwrap()
}

#[tokio::test]
async fn what_is_pushed_serves_at_once_and_what_was_accepted_keeps_its_version() {
    let (mut server, bundles) = taking_uploads().await;
    assert_eq!(info(&server).await, None);
    bundles.write("puppet", &says("old"));
    std::fs::create_dir(bundles.bundle("puppet").join("cases")).unwrap();
    let case = "call = 'process'\nbody = { process = { do = 'config', key = 'word' } }\nexpect = { result = 'old' }\n";
    std::fs::write(bundles.bundle("puppet").join("cases/says.toml"), case).unwrap();
    push(&server, &bundles, &[]).await.expect(0).says(&["cases      1 passed", "serves     puppet serves ", "; before it nothing"]);
    // No wait: it serves when the command has ended.
    let old = serving(&server).await;
    let pinned = server.api.submit("puppet", asks()).await;

    bundles.write("puppet", &says("new"));
    let failed = push(&server, &bundles, &[]).await.expect(1);
    failed.complains(&["1 of 1 cases failed, so nothing was pushed", "postdate plugin test"]);
    assert_eq!(serving(&server).await, old);
    std::fs::write(bundles.bundle("puppet").join("cases/says.toml"), case.replace("'old'", "'new'")).unwrap();
    push(&server, &bundles, &["--dry-run"]).await.expect(0).says(&["nothing was sent"]);
    assert_eq!(serving(&server).await, old);
    push(&server, &bundles, &[]).await.expect(0).says(&[&format!("; before it {old}")]);
    let new = serving(&server).await;
    let latest = server.api.submit("puppet", asks()).await;

    // Uploaded versions outlive a kill, and so do the requests that are pinned to them.
    server.kill();
    server.set_arguments(&["--test-clock"]);
    server.start().await;
    assert_eq!(serving(&server).await, new);
    server.api.advance("PT1H").await;
    let (pinned, latest) = (server.api.request(&pinned).await, server.api.request(&latest).await);
    assert_eq!((text(&pinned, "result"), text(&pinned, "version")), ("old", &*old), "{pinned}");
    assert_eq!((text(&latest, "result"), text(&latest, "version")), ("new", &*new), "{latest}");
}

#[tokio::test]
async fn versions_are_listed_compared_rolled_back_and_pruned() {
    let (server, bundles) = taking_uploads().await;
    let mut versions = Vec::new();
    for word in ["one", "two", "three"] {
        bundles.write("puppet", &says(word));
        push(&server, &bundles, &["--by", "ann"]).await.expect(0);
        versions.push(serving(&server).await);
    }
    let [one, two, three] = &versions[..] else { panic!("{versions:?}") };
    let listed = store(&server, &["list", "puppet"]).await.expect(0);
    listed.says(&[one, two, &format!("*  {three}"), "* serves"]);
    store(&server, &["list"]).await.expect(0).says(&["puppet", three]);
    store(&server, &["show", "puppet"]).await.expect(0).says(&[
        &format!("{three} (current)"),
        "signed by",
        "nobody",
        "may call",
        "postdate:plugin",
    ]);
    store(&server, &["diff", "puppet"]).await.expect(0).says(&["-config = { word = 'two' }", "+config = { word = 'three' }"]);
    store(&server, &["diff", "puppet", one, one]).await.expect(0).says(&["are the same"]);

    let pinned = server.api.submit("puppet", asks()).await;
    store(&server, &["rollback", "puppet"]).await.expect(0).says(&[&format!("puppet serves version {two} again, instead of {three}")]);
    eventually("the server to serve the former version", async || (serving(&server).await == *two).then_some(())).await;
    store(&server, &["rollback", "puppet", "0123456789abcdef"])
        .await
        .expect(1)
        .complains(&["no version 0123456789abcdef", "use-case list puppet"]);
    store(&server, &["rollback", "nothing"]).await.expect(1).complains(&["no use case nothing"]);

    let stranger = Server::builder().key(KEY).start().await;
    let elsewhere = ["prune", "puppet", "--url", &stranger.api.url];
    store(&server, &elsewhere).await.expect(1).complains(&["has no use case puppet", "--url"]);
    let bucket = ["use-case", "prune", "puppet", "--store", "s3://bucket/use-cases"];
    cli_with(&[], &bucket).await.expect(1).complains(&["name the table", "--table"]);
    // All of them are young.
    store(&server, &["prune", "puppet", "--keep", "0"]).await.expect(0).says(&["0 of the 2 versions of"]);
    store(&server, &["prune", "puppet", "--older-than", "1s"]).await.expect(1).complains(&["at least 300 s"]);
    make_old(&server);
    store(&server, &["prune", "puppet", "--keep", "0", "--dry-run"]).await.expect(0).says(&["would be deleted", one]);
    store(&server, &["prune", "puppet", "--keep", "0"]).await.expect(0).says(&[&format!("deleted  {one}"), "requests need 1 versions"]);
    let listed = store(&server, &["list", "puppet"]).await.expect(0);
    assert!(!listed.stdout.contains(one) && listed.stdout.contains(two) && listed.stdout.contains(three), "{listed:?}");
    server.api.advance("PT1H").await;
    assert_eq!(text(&server.api.request(&pinned).await, "result"), "three", "the version that a request is pinned to is kept");
}

/// As if every version had been pushed, and replaced, a year ago.
fn make_old(server: &Server) {
    let root = server.data().join("store/puppet");
    let rewrite = |path: &Path, aged: fn(&str) -> String| std::fs::write(path, aged(&std::fs::read_to_string(path).unwrap())).unwrap();
    rewrite(&root.join("current"), aged);
    for entry in std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        rewrite(&entry.join("bundle.json"), aged_statement);
    }
}

#[tokio::test]
async fn who_may_not_upload_is_told_and_nothing_changes() {
    let bundles = UseCases::new();
    bundles.write("puppet", &says("x"));
    let open = Server::builder().test_clock().start().await;
    put(&open, "puppet", tar(&bundles)).await.expect_fault(403, "uploads-need-a-key");
    assert_eq!(info(&open).await, None);

    let (server, _) = taking_uploads().await;
    let stranger = server.api.with_key(None);
    let call = stranger.call(Method::PUT, "/use-cases/puppet").body(tar(&bundles));
    assert_eq!(stranger.send(call).await.status, 401);
    put(&server, "..", tar(&bundles)).await.expect_fault(404, "not-found");
    put(&server, "Puppet", tar(&bundles)).await.expect_fault(404, "unknown-use-case");
    server.api.send(server.api.call(Method::DELETE, "/use-cases/puppet")).await.expect_fault(404, "not-found");
    assert_eq!(info(&server).await, None);
}

#[tokio::test]
async fn what_is_no_bundle_is_refused_with_the_reason_and_the_former_version_serves() {
    let (server, bundles) = taking_uploads().await;
    bundles.write("puppet", &says("good"));
    let answer = put(&server, "puppet", tar(&bundles)).await;
    assert_eq!((answer.status, &answer.body["former"]), (200, &Value::Null), "{}", answer.body);
    let good = text(&answer.body, "version").to_owned();

    let refused = async |archive: Vec<u8>, said: &str| {
        let fault = put(&server, "puppet", archive).await;
        assert!(text(&fault.body, "detail").contains(said), "{}", fault.body);
        fault.expect_fault(422, "bundle-refused");
        assert_eq!(serving(&server).await, good);
    };
    refused(b"not a tar archive".repeat(100), "not a tar archive").await;
    refused(Vec::new(), "no use-case.toml").await;
    bundles.write("puppet", &says("x").replace("max-attempts = 1", "max-attempts = 0"));
    refused(tar(&bundles), "retry.max-attempts").await;
    bundles.write("puppet", &says("wrong name"));
    bundles.write_file("puppet", "use-case.toml", format!("name = 'other'\n{}", says("x")));
    refused(tar(&bundles), "make them equal").await;
    bundles.write("puppet", &says("x"));
    std::fs::create_dir(bundles.bundle("puppet").join("cases")).unwrap();
    let case = "call = 'process'\nbody = { process = { do = 'config', key = 'word' } }\nexpect = { result = 'another word' }\n";
    std::fs::write(bundles.bundle("puppet").join("cases/says.toml"), case).unwrap();
    refused(tar(&bundles), "1 of its 1 cases failed: says: ").await;
    std::fs::write(bundles.bundle("puppet").join("cases/says.toml"), "call = 'dance'").unwrap();
    refused(tar(&bundles), "cases/says.toml is not a test case").await;
    std::fs::remove_dir_all(bundles.bundle("puppet").join("cases")).unwrap();
    bundles.write_file("puppet", "puppet.wasm", b"\x7fELF is what compiled plugins begin with");
    refused(tar(&bundles), "puppet.wasm").await;
    let mut outside = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    outside.append_link(&mut header, "use-case.toml", "/etc/passwd").unwrap();
    refused(outside.into_inner().unwrap(), "a symbolic link").await;
    assert_eq!(info(&server).await.unwrap()["error"], Value::Null, "what is refused leaves no trace");
}

#[tokio::test]
async fn what_the_directory_has_is_changed_there_and_the_directory_may_be_a_store() {
    let server = Server::builder().use_case("puppet", &says("in the directory")).key(KEY).test_clock().start().await;
    let bundles = UseCases::new();
    bundles.write("puppet", &says("uploaded"));
    put(&server, "puppet", tar(&bundles)).await.expect_fault(409, "served-from-directory");
    let before = serving(&server).await;

    // Pushed to the directory of use cases itself.
    let (dir, to) = (bundles.bundle("puppet").display().to_string(), server.use_cases().path().display().to_string());
    cli(&["use-case", "push", &dir, "--to", &to]).await.expect(1).complains(&["is a plain bundle"]);
    server.use_cases().remove("puppet");
    cli(&["use-case", "push", &dir, "--to", &to]).await.expect(0).says(&["pushed     version ", "; before it nothing"]);
    eventually("the pushed version to serve", async || {
        let now = serving(&server).await;
        (!now.is_empty() && now != before).then_some(())
    })
    .await;
    put(&server, "puppet", tar(&bundles)).await.expect_fault(409, "served-from-directory");
    let id = server.api.submit("puppet", asks()).await;
    // The version goes from the directory; the server has kept it.
    server.use_cases().remove("puppet");
    eventually("the use case to be gone", async || info(&server).await.is_none().then_some(())).await;
    server.api.advance("PT1H").await;
    assert_eq!(text(&server.api.request(&id).await, "result"), "uploaded");
}

#[tokio::test]
async fn with_trusted_keys_only_what_they_signed_is_loaded() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).display().to_string();
    let (ours, theirs) = (path("ours.key"), path("theirs.key"));
    let public = cli(&["key", "new", &ours]).await.expect(0).stdout;
    cli(&["key", "new", &theirs]).await.expect(0);
    cli(&["key", "new", &ours]).await.expect(1).complains(&["cannot write", "ours.key"]);
    assert_eq!(cli(&["key", "show", &ours]).await.expect(0).stdout, public);

    let builder = Server::builder().use_case("plain", &says("plain")).key(KEY).test_clock();
    let mut server = builder.variable("POSTDATE_TRUSTED_KEYS", public.trim()).start().await;
    let list = server.api.get("/use-cases").await.expect(200);
    let plain = &list["useCases"][0];
    assert!(text(plain, "error").contains("loads only what is signed") && plain["version"].is_null(), "{plain}");

    let bundles = UseCases::new();
    bundles.write("puppet", &says("signed"));
    push(&server, &bundles, &[]).await.expect(1).complains(&["signature-refused", "is not signed"]);
    push(&server, &bundles, &["--key", &theirs]).await.expect(1).complains(&["signature-refused", "is signed by the key"]);
    assert_eq!(info(&server).await, None);
    push(&server, &bundles, &["--key", &ours]).await.expect(0).says(&["signed by"]);
    let good = serving(&server).await;
    store(&server, &["show", "puppet", "--trusted-keys", public.trim()]).await.expect(0).says(&["one of them is trusted"]);

    // A signed bundle with one byte changed.
    let statement = std::fs::read(server.data().join("store/puppet").join(&good).join("bundle.json")).unwrap();
    bundles.write_file("puppet", "bundle.json", &statement);
    put(&server, "puppet", tar(&bundles)).await.expect(200);
    bundles.write("puppet", &says("changed"));
    put(&server, "puppet", tar(&bundles)).await.expect_fault(403, "signature-refused");
    assert_eq!(serving(&server).await, good);

    // The same in the store, behind the server's back.
    server.kill();
    let manifest = server.data().join("store/puppet").join(&good).join("use-case.toml");
    let changed = std::fs::read_to_string(&manifest).unwrap().replace("signed", "forged");
    std::fs::write(&manifest, changed).unwrap();
    server.start().await;
    let info = info(&server).await.unwrap();
    assert!(text(&info, "error").contains("is not what was pushed") && info["version"].is_null(), "{info}");
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = tempfile::tempdir().unwrap();
    let key = scratch.path().join("open.key");
    let name = key.display().to_string();
    cli(&["key", "new", &name]).await.expect(0);
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    cli(&["key", "show", &name]).await.expect(1).complains(&["other users can read or write", "chmod 600"]);
    std::fs::write(&key, "nonsense").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let said = cli(&["key", "show", &name]).await.expect(1);
    said.complains(&["PKCS #8"]);
    assert!(!said.stderr.contains("nonsense"));
}

#[tokio::test]
async fn of_two_pushes_at_once_one_wins_and_the_other_is_told() {
    let (server, bundles) = taking_uploads().await;
    let other = UseCases::new();
    for round in 0..4 {
        bundles.write("puppet", &says(&format!("mine {round}")));
        other.write("puppet", &says(&format!("theirs {round}")));
        let (mine, theirs) = tokio::join!(put(&server, "puppet", tar(&bundles)), put(&server, "puppet", tar(&other)));
        let won: Vec<&Answer> = [&mine, &theirs].into_iter().filter(|answer| answer.status == 200).collect();
        let lost: Vec<&Answer> = [&mine, &theirs].into_iter().filter(|answer| answer.status == 409).collect();
        assert_eq!(won.len() + lost.len(), 2, "{mine:?} {theirs:?}");
        assert!(!won.is_empty());
        assert!(lost.iter().all(|answer| text(&answer.body, "code") == "use-case-moved"), "{lost:?}");
        // Where they did not meet, the second came after the first.
        let now = serving(&server).await;
        assert!(won.iter().any(|answer| text(&answer.body, "version") == now), "{now}: {won:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_versions_change_under_load_no_request_fails() {
    let (server, bundles) = taking_uploads().await;
    bundles.write("puppet", &says("0"));
    put(&server, "puppet", tar(&bundles)).await.expect(200);
    let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (api, stop, accepted) = (server.api.clone(), Arc::clone(&stop), Arc::clone(&accepted));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    api.submit("puppet", asks()).await;
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut versions = std::collections::BTreeSet::new();
    for n in 1..=10 {
        let before = accepted.load(Ordering::Relaxed);
        bundles.write("puppet", &says(&n.to_string()));
        let answer = put(&server, "puppet", tar(&bundles)).await;
        versions.insert(text(&answer.body, "version").to_owned());
        eventually("requests of this version", async || (accepted.load(Ordering::Relaxed) > before + 8).then_some(())).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        // `submit` fails the test where an answer is not 202.
        client.await.unwrap();
    }
    assert_eq!(versions.len(), 10);
    server.api.advance("PT1H").await;
    let failed = server.api.get("/requests?status=failed").await.expect(200);
    assert_eq!(failed["requests"], json!([]));
}

#[tokio::test]
async fn machine_code_under_another_name_is_refused_before_it_is_pushed() {
    let bundles = UseCases::new();
    bundles.write("puppet", &says("x"));
    let dir = bundles.bundle("puppet").display().to_string();
    cli(&["plugin", "compile", &dir, "--arch", "x86_64"]).await.expect(0);
    std::fs::copy(bundles.bundle("puppet").join("compiled/process.x86_64.cwasm"), bundles.bundle("puppet").join("puppet.wasm")).unwrap();
    let to = bundles.path().join("store").display().to_string();
    cli(&["use-case", "push", &dir, "--to", &to])
        .await
        .expect(1)
        .complains(&["puppet.wasm", "machine code, as of a plugin that was compiled"]);
    assert!(!bundles.path().join("store").exists(), "nothing was brought");
    let _ = guest("puppet");
}
