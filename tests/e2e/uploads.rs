//! `postdate use-case …` and `PUT /use-cases/{name}` on one machine: versions are pushed, served, rolled back and pruned.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use postdate_tests::files::below;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, PUPPET, Run, Server, UseCases, aged, aged_statement, child_of, cli, cli_with, eventually, guest, slow, text};

const KEY: &str = "upload-key";

/// Returns a manifest whose processor can return `word`, so that a test can tell the versions apart.
fn says(word: &str) -> String {
    format!("{PUPPET}config = {{ word = '{word}' }}\n[retry]\nmax-attempts = 1\n")
}

fn asks() -> Value {
    json!({ "delay": "PT1H", "process": { "do": "config", "key": "word" } })
}

/// Starts a server with an API key, which uploads require. Returns the server and a directory for the bundles to push.
async fn taking_uploads() -> (Server, UseCases) {
    (Server::builder().key(KEY).test_clock().start().await, UseCases::new())
}

/// Runs `postdate use-case push` on the bundle `puppet`.
async fn push(server: &Server, bundles: &UseCases, more: &[&str]) -> Run {
    let dir = bundles.bundle("puppet").display().to_string();
    cli_with(&[("POSTDATE_API_KEY", KEY)], &[&["use-case", "push", &dir, "--to", &server.api.url], more].concat()).await
}

async fn store(server: &Server, arguments: &[&str]) -> Run {
    let store = server.data().join("store").display().to_string();
    let variables = [("POSTDATE_API_KEY", KEY), ("POSTDATE_URL", server.api.url.as_str()), ("POSTDATE_BY", "the test")];
    cli_with(&variables, &[&["use-case"], arguments, &["--store", &store]].concat()).await
}

/// Returns the entry of `puppet` in `GET /use-cases`.
async fn info(server: &Server) -> Option<Value> {
    server.api.use_case("puppet").await
}

async fn serving(server: &Server) -> String {
    info(server).await.map(|info| text(&info, "version").to_owned()).unwrap_or_default()
}

async fn put(server: &Server, name: &str, archive: Vec<u8>) -> Answer {
    server
        .api
        .send(server.api.call(Method::PUT, &format!("/use-cases/{name}")).header("content-type", "application/x-tar").body(archive))
        .await
}

/// Returns the bundle `puppet` as a tar archive, as `tar -C DIR -cf - .` writes it.
fn tar(bundles: &UseCases) -> Vec<u8> {
    tar_of(bundles, "puppet")
}

fn tar_of(bundles: &UseCases, name: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all(".", bundles.bundle(name)).unwrap();
    archive.into_inner().unwrap()
}

#[tokio::test]
async fn a_pushed_version_serves_at_once_and_accepted_requests_keep_their_version() {
    let (mut server, bundles) = taking_uploads().await;
    assert_eq!(info(&server).await, None);
    bundles.write("puppet", &says("old"));
    std::fs::create_dir(bundles.bundle("puppet").join("cases")).unwrap();
    let case = "call = 'process'\nbody = { process = { do = 'config', key = 'word' } }\nexpect = { result = 'old' }\n";
    std::fs::write(bundles.bundle("puppet").join("cases/says.toml"), case).unwrap();
    push(&server, &bundles, &[]).await.expect(0).says(&["cases      1 passed (", "serves     puppet serves ", "; before it nothing ("]);
    // No wait: the version serves as soon as the command has ended.
    let old = serving(&server).await;
    let pinned = server.api.submit("puppet", asks()).await;

    bundles.write("puppet", &says("new"));
    let failed = push(&server, &bundles, &[]).await.expect(1);
    failed.complains(&["1 of 1 cases failed, so nothing was pushed", "postdate plugin test"]);
    failed.complains(&["  --- expected\n", "  -  \"result\": \"old\"", "  +  \"result\": \"new\""]);
    assert_eq!(serving(&server).await, old);
    std::fs::write(bundles.bundle("puppet").join("cases/says.toml"), case.replace("'old'", "'new'")).unwrap();
    push(&server, &bundles, &["--dry-run"]).await.expect(0).says(&["nothing was sent"]);
    assert_eq!(serving(&server).await, old);
    push(&server, &bundles, &[]).await.expect(0).says(&[&format!("; before it {old}")]);
    let new = serving(&server).await;
    let latest = server.api.submit("puppet", asks()).await;

    // Uploaded versions and the requests pinned to them survive a kill.
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
    store(&server, &["rollback", "puppet"]).await.expect(0).says(&[
        &format!("version {two} of puppet is current in the store again, instead of {three}"),
        &format!("{}/ serves it", server.api.url),
    ]);
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
    // Every version is younger than the default minimum age, so prune keeps them all.
    store(&server, &["prune", "puppet", "--keep", "0"]).await.expect(0).says(&["0 deleted and 0 marked of the 2 versions of"]);
    store(&server, &["prune", "puppet", "--older-than", "1s"]).await.expect(1).complains(&["at least 300 s"]);
    make_old(&server);
    store(&server, &["prune", "puppet", "--keep", "0", "--dry-run"]).await.expect(0).says(&["would be marked", one]);
    store(&server, &["prune", "puppet", "--keep", "0"]).await.expect(0).says(&["0 deleted and 1 marked", "requests need 1 versions"]);
    std::fs::write(server.data().join("store/puppet/unused").join(one), "2001-01-01T00:00:00Z").unwrap();
    store(&server, &["prune", "puppet", "--keep", "0"]).await.expect(0).says(&[&format!("deleted  {one}"), "requests need 1 versions"]);
    let listed = store(&server, &["list", "puppet"]).await.expect(0);
    assert!(!listed.stdout.contains(one) && listed.stdout.contains(two) && listed.stdout.contains(three), "{listed:?}");
    server.api.advance("PT1H").await;
    assert_eq!(text(&server.api.request(&pinned).await, "result"), "three", "prune keeps a version that a request is pinned to");
}

#[tokio::test]
async fn a_version_is_listed_and_rolled_back_by_the_api() {
    let (server, bundles) = taking_uploads().await;
    let mut versions = Vec::new();
    for word in ["one", "two"] {
        bundles.write("puppet", &says(word));
        let cases = bundles.bundle("puppet").join("cases");
        std::fs::create_dir_all(&cases).unwrap();
        let case =
            format!("call = 'process'\nbody = {{ process = {{ do = 'config', key = 'word' }} }}\nexpect = {{ result = '{word}' }}\n");
        std::fs::write(cases.join("says.toml"), case).unwrap();
        push(&server, &bundles, &["--by", "ann"]).await.expect(0);
        versions.push(serving(&server).await);
    }
    let [one, two] = &versions[..] else { panic!("{versions:?}") };
    let path = "/use-cases/puppet/versions";
    let listed = server.api.get(path).await.expect(200);
    let shown: Vec<_> = listed["versions"].as_array().unwrap().iter().map(|entry| (text(entry, "version"), &entry["serves"])).collect();
    assert_eq!(shown, [(two.as_str(), &json!(true)), (one.as_str(), &json!(false))], "the newest first");
    let [newest, oldest] = [&listed["versions"][0], &listed["versions"][1]];
    assert_eq!((text(newest, "pushedBy"), &newest["cases"], &newest["signedBy"]), ("ann", &json!(["says"]), &json!([])));
    assert_eq!(oldest["servedUntil"], listed["current"]["since"], "the former version served until the current one did");
    assert_eq!((text(&listed["current"], "by"), listed.get("fixed")), ("ann", None));

    let back = "/use-cases/puppet/rollback";
    let moved = server.api.post(back, &json!({})).await.expect(200);
    assert_eq!((text(&moved, "version"), text(&moved, "former")), (one.as_str(), two.as_str()));
    // No wait: the version serves as soon as the call is answered.
    assert_eq!(serving(&server).await, *one);
    let answered = server.api.submit("puppet", asks()).await;
    server.api.advance("PT1H").await;
    assert_eq!(text(&server.api.request(&answered).await, "result"), "one");
    server
        .logged("the audit line", |line| line["audit"] == "rolled-back" && line["by"] == "POSTDATE_API_KEY" && line["version"] == **one)
        .await;
    let moved = server.api.post(back, &json!({ "version": two })).await.expect(200);
    assert_eq!(text(&moved, "version"), two);
    let same = server.api.post(back, &json!({ "version": two })).await.expect(200);
    assert_eq!((text(&same, "version"), text(&same, "former")), (two.as_str(), two.as_str()));

    server.api.post(back, &json!({ "version": "0123456789abcdef" })).await.expect_fault(404, "unknown-version");
    server.api.post(back, &json!({ "version": "../../x" })).await.expect_fault(404, "unknown-version");
    server.api.post(back, &json!({ "to": two })).await.expect_fault(422, "member-malformed");
    server.api.post("/use-cases/nothing/rollback", &json!({})).await.expect_fault(404, "unknown-use-case");
    let get = server.api.get(back).await;
    assert_eq!(get.headers["allow"], "POST");
    get.expect_fault(405, "method-not-allowed");
    server.api.with_key(None).post(back, &json!({})).await.expect_fault(401, "unauthorized");
    assert_eq!(serving(&server).await, *two);

    let cli = async |arguments: &[&str]| {
        let variables = [("POSTDATE_API_KEY", KEY), ("POSTDATE_URL", server.api.url.as_str())];
        cli_with(&variables, &[&["use-case"], arguments].concat()).await
    };
    cli(&["list", "puppet"]).await.expect(0).says(&[&format!("*  {two}"), one, "ann", "* serves"]);
    cli(&["rollback", "puppet"]).await.expect(0).says(&[&format!("version {one} of puppet serves again, instead of {two}")]);
    assert_eq!(serving(&server).await, *one);
    cli(&["rollback", "puppet", one]).await.expect(0).says(&["is current already"]);
}

#[tokio::test]
async fn a_first_version_and_one_of_the_operators_directory_cannot_be_rolled_back() {
    let (server, bundles) = taking_uploads().await;
    bundles.write("puppet", &says("one"));
    push(&server, &bundles, &[]).await.expect(0);
    server.api.post("/use-cases/puppet/rollback", &json!({})).await.expect_fault(409, "no-former-version");
    let plain = Server::builder().use_case("puppet", &says("one")).start().await;
    plain.api.post("/use-cases/puppet/rollback", &json!({})).await.expect_fault(409, "served-from-directory");
}

#[tokio::test]
async fn copies_of_plain_directories_are_listed_and_pruned() {
    let server = Server::builder().use_case("puppet", &says("one")).key(KEY).test_clock().start().await;
    let one = eventually("the first version to serve", async || Some(serving(&server).await).filter(|version| !version.is_empty())).await;
    server.use_cases().write("puppet", &says("two"));
    let two = eventually("the second version to serve", async || Some(serving(&server).await).filter(|version| *version != one)).await;
    let listed = store(&server, &["list", "puppet"]).await.expect(0);
    listed.says(&[&one, &two, "none is current in this store"]);
    store(&server, &["show", "puppet", &one]).await.expect(0).says(&[&one]);
    store(&server, &["show", "puppet"]).await.expect(1).complains(&["no version is current in this store"]);
    make_old(&server);
    let marked = store(&server, &["prune", "puppet", "--keep", "0"]).await.expect(0);
    marked.says(&["marked, to be deleted from", &one, "0 deleted and 1 marked of the 2 versions"]);
    assert!(!marked.stdout.contains(&two), "the server serves it: {marked:?}");
    std::fs::write(server.data().join("store/puppet/unused").join(&one), "2001-01-01T00:00:00Z").unwrap();
    store(&server, &["prune", "puppet", "--keep", "0"]).await.expect(0).says(&[&format!("deleted  {one}")]);
    // The server writes a copy again when it loads the bundle again.
    server.use_cases().write("puppet", &says("one"));
    eventually("the first version to serve again", async || (serving(&server).await == one).then_some(())).await;
    store(&server, &["show", "puppet", &one]).await.expect(0).says(&[&one]);
}

/// Rewrites the store so that every version was pushed, and replaced, a year ago.
fn make_old(server: &Server) {
    let root = server.data().join("store/puppet");
    let rewrite = |path: &Path, aged: fn(&str) -> String| std::fs::write(path, aged(&std::fs::read_to_string(path).unwrap())).unwrap();
    if root.join("current").exists() {
        rewrite(&root.join("current"), aged);
    }
    for entry in std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        rewrite(&entry.join("bundle.json"), aged_statement);
    }
}

#[tokio::test]
async fn an_upload_without_the_key_or_under_a_bad_name_is_refused_and_changes_nothing() {
    let bundles = UseCases::new();
    bundles.write("puppet", &says("x"));
    let open = Server::builder().test_clock().start().await;
    put(&open, "puppet", tar(&bundles)).await.expect_fault(403, "uploads-need-a-key");
    assert_eq!(info(&open).await, None);

    let (server, _) = taking_uploads().await;
    let stranger = server.api.with_key(None);
    let call = stranger.call(Method::PUT, "/use-cases/puppet").header("content-type", "application/x-tar").body(tar(&bundles));
    assert_eq!(stranger.send(call).await.status, 401);
    put(&server, "..", tar(&bundles)).await.expect_fault(404, "not-found");
    put(&server, "Puppet", tar(&bundles)).await.expect_fault(404, "unknown-use-case");
    server.api.send(server.api.call(Method::DELETE, "/use-cases/puppet")).await.expect_fault(405, "method-not-allowed");
    assert_eq!(info(&server).await, None);
}

#[tokio::test]
async fn an_invalid_bundle_is_refused_with_the_reason_and_the_former_version_serves() {
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
    assert_eq!(info(&server).await.unwrap()["error"], Value::Null, "a refused upload leaves no error behind");
}

#[tokio::test]
async fn a_use_case_of_the_directory_cannot_be_uploaded_and_the_directory_may_be_a_store() {
    let server = Server::builder().use_case("puppet", &says("in the directory")).key(KEY).test_clock().start().await;
    let bundles = UseCases::new();
    bundles.write("puppet", &says("uploaded"));
    put(&server, "puppet", tar(&bundles)).await.expect_fault(409, "served-from-directory");
    let before = serving(&server).await;

    // Push to the directory of use cases itself.
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
    // The version is removed from the directory. The server keeps a copy for pinned requests.
    server.use_cases().remove("puppet");
    eventually("the use case to be gone", async || info(&server).await.is_none().then_some(())).await;
    server.api.advance("PT1H").await;
    assert_eq!(text(&server.api.request(&id).await, "result"), "uploaded");
}

#[tokio::test]
async fn trusted_keys_limit_loading_to_bundles_that_they_signed() {
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

    // An older signed version, one that is signed for another server, and one that was rolled back are refused.
    let replay = |version: &str| {
        let old = UseCases::new();
        for file in below(&server.data().join("store/puppet").join(version)) {
            std::fs::create_dir_all(old.bundle("puppet")).unwrap();
            old.write_file("puppet", file.file_name().unwrap().to_str().unwrap(), std::fs::read(&file).unwrap());
        }
        tar(&old)
    };
    bundles.write("puppet", &says("signed second"));
    push(&server, &bundles, &["--key", &ours, "--audience", "https://elsewhere"])
        .await
        .expect(1)
        .complains(&["signature-refused", "is signed for \"https://elsewhere\", and this server is http://127.0.0.1:"]);
    push(&server, &bundles, &["--key", &ours]).await.expect(0);
    let second = serving(&server).await;
    let refused = put(&server, "puppet", replay(&good)).await.expect_fault(403, "signature-refused");
    assert!(text(&refused, "detail").contains("sign it again"), "{refused}");
    // A call of the API has no signature, so it brings no old version back either.
    server.api.post("/use-cases/puppet/rollback", &json!({})).await.expect_fault(403, "signature-refused");
    let listed = server.api.get("/use-cases/puppet/versions").await.expect(200);
    assert!(text(&listed, "fixed").contains("trusted key"), "{listed}");
    store(&server, &["rollback", "puppet"]).await.expect(0).says(&[&good]);
    eventually("the rollback", async || (serving(&server).await == good).then_some(())).await;
    put(&server, "puppet", replay(&second)).await.expect_fault(403, "signature-refused");
    put(&server, "puppet", replay(&good)).await.expect(200);
    bundles.write("puppet", &says("signed"));

    // A signed bundle whose manifest was changed after signing.
    let statement = std::fs::read(server.data().join("store/puppet").join(&good).join("bundle.json")).unwrap();
    bundles.write_file("puppet", "bundle.json", &statement);
    put(&server, "puppet", tar(&bundles)).await.expect(200);
    bundles.write("puppet", &says("changed"));
    put(&server, "puppet", tar(&bundles)).await.expect_fault(403, "signature-refused");
    assert_eq!(serving(&server).await, good);

    // The same change, made in the store while the server is down.
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
async fn two_concurrent_pushes_have_one_winner_and_the_other_answers_409() {
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
        // Both succeed where the two pushes did not overlap.
        let now = serving(&server).await;
        assert!(won.iter().any(|answer| text(&answer.body, "version") == now), "{now}: {won:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_versions_change_under_load() {
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
        eventually("requests that this version accepted", async || (accepted.load(Ordering::Relaxed) > before + 8).then_some(())).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        // `submit` panics on any answer but 202.
        client.await.unwrap();
    }
    assert_eq!(versions.len(), 10);
    server.api.advance("PT1H").await;
    let failed = server.api.get("/requests?status=failed").await.expect(200);
    assert_eq!(failed["requests"], json!([]));
}

#[tokio::test]
async fn machine_code_under_the_name_of_a_component_is_refused_before_the_push() {
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
    assert!(!bundles.path().join("store").exists(), "a refused push must not create the store");
    let _ = guest("puppet");
}

/// Uploads that compile for minutes. The place of each in the queue is free again only when it has ended.
#[tokio::test]
async fn slow_uploads_fill_their_queue_and_delay_no_other_compile() {
    let server = Server::builder().use_case("puppet", PUPPET).key(KEY).test_clock().start().await;
    let before = serving(&server).await;
    let bundles = UseCases::new();
    let wasm = slow("puppet", 400);
    let length = wasm.len();
    let mut uploads = tokio::task::JoinSet::new();
    for name in ["one", "two", "three", "four"] {
        std::fs::create_dir_all(bundles.bundle(name)).unwrap();
        bundles.write_file(name, "slow.wasm", &wasm);
        bundles.write(name, &PUPPET.replace("puppet.wasm", "slow.wasm"));
        let call = server.api.call(Method::PUT, &format!("/use-cases/{name}")).header("content-type", "application/x-tar");
        let call = call.body(tar_of(&bundles, name));
        uploads.spawn(call.send());
    }
    eventually("the compiler of the first upload", async || child_of(server.pid(), length)).await;
    let answer =
        eventually("the queue to be full", async || Some(put(&server, "five", Vec::new()).await).filter(|answer| answer.status == 503))
            .await;
    assert_eq!(answer.header("retry-after"), "30");
    answer.expect_fault(503, "uploads-busy");

    // No other test has this plugin, so it is not in the cache that the harness lends.
    server.use_cases().write_file("puppet", "new.wasm", slow("minimal-process", 1));
    server.use_cases().write("puppet", "[process]\nplugin = 'new.wasm'\n");
    eventually("the next version", async || (serving(&server).await != before).then_some(())).await;
    server.logged("of its compile", |line| line["message"] == "compiled a plugin" && line["use_case"] == "puppet").await;
    assert!(child_of(server.pid(), length).is_some(), "the upload ended too early");
    assert!(uploads.try_join_next().is_none(), "no upload has ended");
}

#[tokio::test]
async fn a_push_with_a_key_signs_a_version_that_was_pushed_without() {
    let (server, bundles) = taking_uploads().await;
    let scratch = tempfile::tempdir().unwrap();
    let key = scratch.path().join("key").display().to_string();
    cli(&["key", "new", &key]).await.expect(0);
    bundles.write("puppet", &says("later"));
    push(&server, &bundles, &[]).await.expect(0);
    store(&server, &["show", "puppet"]).await.expect(0).says(&["nobody"]);
    push(&server, &bundles, &["--key", &key]).await.expect(0).says(&["signed by", "already"]);
    store(&server, &["show", "puppet"]).await.expect(0).says(&["(not checked: no --trusted-keys)"]);
}

#[tokio::test]
async fn an_upload_beyond_the_stores_quota_is_refused_and_a_known_version_is_not() {
    // Room for one bundle and not for two.
    let quota = std::fs::metadata(guest("puppet")).unwrap().len() * 3 / 2;
    let server = Server::builder().key(KEY).arguments(&["--store-quota", &format!("{}KiB", quota >> 10)]).test_clock().start().await;
    let bundles = UseCases::new();
    bundles.write("puppet", &says("fits"));
    push(&server, &bundles, &[]).await.expect(0);
    let first = serving(&server).await;
    bundles.write("puppet", &says("does not fit"));
    let refused = put(&server, "puppet", tar(&bundles)).await.expect_fault(507, "store-full");
    assert!(text(&refused, "detail").contains("use-case prune"), "{refused}");
    assert_eq!(serving(&server).await, first);
    bundles.write("puppet", &says("fits"));
    push(&server, &bundles, &[]).await.expect(0).says(&["already"]);
}

#[tokio::test]
async fn an_upload_of_one_use_case_too_many_is_refused_and_new_versions_of_the_others_are_not() {
    let builder = Server::builder().use_case("copied", PUPPET).key(KEY).arguments(&["--max-use-cases", "3"]).test_clock();
    let server = builder.start().await;
    let bundles = UseCases::new();
    for name in ["one", "two", "three"] {
        bundles.write(name, &says("first"));
    }
    for name in ["one", "two"] {
        put(&server, name, tar_of(&bundles, name)).await.expect(200);
    }
    let refused = put(&server, "three", tar_of(&bundles, "three")).await.expect_fault(507, "too-many-use-cases");
    let detail = text(&refused, "detail");
    assert!(detail.contains("has 3 use cases") && detail.contains("--max-use-cases"), "{detail}");
    assert_eq!(server.api.use_case("three").await, None);
    assert!(!server.data().join("store/three").exists(), "a refused upload is not kept");
    bundles.write("two", &says("second"));
    put(&server, "two", tar_of(&bundles, "two")).await.expect(200);
    // The operator is not bound, and makes room again.
    server.use_cases().write("more", PUPPET);
    eventually("the operator's use case", async || server.api.use_case("more").await.filter(|info| !info["version"].is_null())).await;
    put(&server, "three", tar_of(&bundles, "three")).await.expect_fault(507, "too-many-use-cases");
    for name in ["copied", "more"] {
        server.use_cases().remove(name);
        eventually("the removal", async || server.api.use_case(name).await.is_none().then_some(())).await;
    }
    put(&server, "three", tar_of(&bundles, "three")).await.expect(200);
}

#[tokio::test]
async fn an_upload_with_which_the_machine_code_that_serves_is_beyond_its_quota_is_refused() {
    let bundles = UseCases::new();
    bundles.write("puppet", &says("puppet"));
    let with_quota = async |kibibytes: u64| {
        Server::builder().key(KEY).arguments(&["--cache-quota", &format!("{kibibytes}KiB")]).test_clock().start().await
    };
    let refused = put(&with_quota(1).await, "puppet", tar(&bundles)).await.expect_fault(507, "code-full");
    let detail = text(&refused, "detail");
    let bytes = detail.split_once("the bundle's ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u64>().ok());
    let bytes = bytes.unwrap_or_else(|| panic!("no size in {detail}"));

    // Room for one use case and not for two.
    let server = with_quota((bytes * 3 / 2) >> 10).await;
    put(&server, "puppet", tar(&bundles)).await.expect(200);
    let first = serving(&server).await;
    bundles.write("other", &says("too much"));
    let refused = put(&server, "other", tar_of(&bundles, "other")).await.expect_fault(507, "code-full");
    assert!(text(&refused, "detail").contains("--cache-quota"), "{refused}");
    assert_eq!(server.api.use_case("other").await, None);
    // A new version takes the place of the one that serves.
    bundles.write("puppet", &says("replaced"));
    put(&server, "puppet", tar(&bundles)).await.expect(200);
    assert_ne!(serving(&server).await, first);
}

#[tokio::test]
async fn an_upload_whose_secret_is_missing_says_what_to_do_and_compiles_nothing() {
    let (server, bundles) = taking_uploads().await;
    for (name, remedy) in [("SECRET_NOT_SET", "is not set: set it in the environment"), ("NOT_LISTED", "--allow-secret NOT_LISTED")] {
        // The validator cannot be compiled, so the answer shows what was looked at first.
        let manifest = format!("[validate]\nplugin = 'text.wasm'\n[process]\nplugin = 'puppet.wasm'\nsecrets = ['{name}']\n");
        bundles.write("puppet", &manifest);
        bundles.write_file("puppet", "text.wasm", "no component");
        let fault = put(&server, "puppet", tar(&bundles)).await.expect_fault(422, "secret-missing");
        assert!(text(&fault, "detail").contains(name) && text(&fault, "detail").contains(remedy), "{fault}");
    }
    assert!(info(&server).await.is_none());
}

#[tokio::test]
async fn a_rollback_says_that_a_copied_bundle_serves_instead() {
    let (server, bundles) = taking_uploads().await;
    let mut versions = Vec::new();
    for word in ["one", "two"] {
        bundles.write("puppet", &says(word));
        push(&server, &bundles, &[]).await.expect(0);
        versions.push(serving(&server).await);
    }
    server.use_cases().write("puppet", &says("copied"));
    eventually("the copied bundle", async || (serving(&server).await != versions[1]).then_some(())).await;
    let copied = serving(&server).await;
    store(&server, &["rollback", "puppet"]).await.expect(0).says(&[
        &format!("version {} of puppet is current in the store again", versions[0]),
        &format!("serves version {copied}: its directory of use cases"),
    ]);
    server.use_cases().remove("puppet");
    eventually("the store's version", async || (serving(&server).await == versions[0]).then_some(())).await;
}
