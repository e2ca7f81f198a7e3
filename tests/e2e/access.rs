//! Keys of the API: scopes, owners, expiry, changes of the keys file, weak keys.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, PUPPET, Run, SECRET, Server, UseCases, cli, cli_with, events};

/// A keys file, edited by `postdate api-key`.
struct Keys {
    _directory: TempDir,
    path: PathBuf,
}

impl Keys {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        Self { _directory: directory, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    async fn run(&self, arguments: &[&str]) -> Run {
        cli(&[&["api-key", "--keys-file", self.path()], arguments].concat()).await
    }

    /// Makes a key, and returns its token.
    async fn add(&self, arguments: &[&str]) -> String {
        let made = self.run(&[&["new"], arguments].concat()).await.expect(0);
        let token = made.stdout.trim().to_owned();
        assert!(token.len() > 40 && !std::fs::read_to_string(&self.path).unwrap().contains(&token), "{made:?}");
        token
    }
}

async fn server(keys: &Keys) -> Server {
    Server::builder()
        .use_case("puppet", PUPPET)
        .use_case("other", PUPPET)
        .test_clock()
        .arguments(&["--keys-file", keys.path()])
        .key(SECRET)
        .start()
        .await
}

fn ids(list: &Value) -> Vec<&str> {
    list["requests"].as_array().unwrap().iter().filter_map(|request| request["correlationId"].as_str()).collect()
}

#[tokio::test]
async fn two_owners_post_and_neither_sees_the_other() {
    let keys = Keys::new();
    let (shop, mail, lead) = (keys.add(&["shop"]).await, keys.add(&["mail"]).await, keys.add(&["lead", "--sees", "all"]).await);
    let server = server(&keys).await;
    let [shop, mail, lead] = [shop, mail, lead].map(|token| server.api.with_key(Some(&token)));
    let post = async |api: &Client| {
        let call = api.call(Method::POST, "/requests/puppet").header("idempotency-key", "k").json(&json!({ "delay": "PT1H" }));
        api.send(call).await.expect(202)["correlationId"].as_str().unwrap().to_owned()
    };
    let (ours, theirs) = (post(&shop).await, post(&mail).await);
    assert_ne!(ours, theirs, "an idempotency key belongs to its owner");
    assert_eq!(post(&shop).await, ours);
    let one = format!("/requests/{ours}");
    mail.get(&one).await.expect_fault(404, "unknown-request");
    mail.patch(&one, &json!({ "delay": "PT2H" })).await.expect_fault(404, "unknown-request");
    mail.delete(&one).await.expect_fault(404, "unknown-request");
    mail.post(&format!("{one}/retry"), &Value::Null).await.expect_fault(404, "unknown-request");
    assert_eq!(ids(&mail.get("/requests").await.expect(200)), [theirs.as_str()]);
    // Both may have the same time, and then the ids' random parts decide the order.
    let all = lead.get("/requests").await.expect(200);
    assert!(ids(&all).len() == 2 && [&ours, &theirs].iter().all(|id| ids(&all).contains(&id.as_str())), "{all}");
    lead.patch(&one, &json!({ "delay": "PT2H" })).await.expect(200);
    shop.delete(&one).await.expect(200);
    let shown = server.api.request(&ours).await;
    assert_eq!((&shown["owner"], events(&shown)), (&json!("shop"), vec!["accepted", "moved", "cancelled"]));
    let by: Vec<_> = shown["history"].as_array().unwrap().iter().map(|line| line["by"].as_str()).collect();
    assert_eq!(by, [Some("shop"), Some("lead"), Some("shop")]);
    server.api.advance("PT3H").await;
    let notices = server.api.request(&theirs).await;
    assert_eq!((&notices["owner"], &notices["status"]), (&json!("mail"), &json!("succeeded")));
}

#[tokio::test]
async fn each_path_needs_its_scope() {
    let keys = Keys::new();
    let mut clients = Vec::new();
    for scope in ["submit", "read", "change", "deploy", "operate"] {
        clients.push((scope, keys.add(&[scope, "--may", scope, "--sees", "all"]).await));
    }
    let only_other = keys.add(&["only-other", "--may", "submit,deploy", "--use-cases", "other"]).await;
    let server = server(&keys).await;
    let id = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    let (one, retry) = (format!("/requests/{id}"), format!("/requests/{id}/retry"));
    for (method, path, needed) in [
        (Method::POST, "/requests/puppet", "submit"),
        (Method::GET, "/requests", "read"),
        (Method::GET, one.as_str(), "read"),
        (Method::GET, "/use-cases", "read"),
        (Method::GET, "/test-clock", "read"),
        (Method::PATCH, one.as_str(), "change"),
        (Method::DELETE, one.as_str(), "change"),
        (Method::POST, retry.as_str(), "change"),
        (Method::PUT, "/use-cases/puppet", "deploy"),
        (Method::POST, "/requests/puppet/batch", "submit"),
        (Method::POST, "/use-cases/puppet/pause", "deploy"),
        (Method::POST, "/test-clock", "operate"),
    ] {
        for (scope, token) in &clients {
            let api = server.api.with_key(Some(token));
            // The body is valid for no call, so that no call changes anything.
            let answer = api.send(api.call(method.clone(), path).json(&json!("no object"))).await;
            if *scope == needed {
                assert!(![401, 403, 404].contains(&answer.status), "{method} {path} {scope}: {}", answer.body);
            } else {
                let fault = answer.expect_fault(403, "missing-scope");
                assert_eq!(fault["scope"], needed, "{method} {path} {scope}");
            }
        }
    }
    let only_other = server.api.with_key(Some(&only_other));
    only_other.post("/requests/puppet", &json!({ "delay": "PT1H" })).await.expect_fault(403, "use-case-not-permitted");
    only_other.send(only_other.call(Method::PUT, "/use-cases/puppet").body("")).await.expect_fault(403, "use-case-not-permitted");
    only_other.post("/requests/other", &json!({ "delay": "PT1H" })).await.expect(202);
    let reader = ("POSTDATE_API_KEY", clients[1].1.as_str());
    let told = cli_with(&[reader, ("POSTDATE_URL", &server.api.url)], &["request", "cancel", &id]).await.expect(1);
    told.complains(&["missing-scope", "\"read\" lacks the scope \"change\"", "next: use a key that has the scope change"]);
}

#[tokio::test]
async fn health_tells_details_to_an_operator_only() {
    let keys = Keys::new();
    let (reader, operator) = (keys.add(&["reader", "--may", "read"]).await, keys.add(&["op", "--may", "read,operate"]).await);
    let author = keys.add(&["author", "--may", "read,deploy"]).await;
    let server = Server::builder()
        .use_case("puppet", &format!("{PUPPET}password = \"hunter2\"\n"))
        .arguments(&["--keys-file", keys.path()])
        .start()
        .await;
    for key in [None, Some("wrong"), Some(reader.as_str())] {
        let mut health = server.api.with_key(key).get("/health").await.expect(200);
        health.as_object_mut().unwrap().remove("correlationId");
        assert_eq!(health, json!({ "status": "ok" }), "{key:?}");
    }
    let list = server.api.with_key(Some(&reader)).get("/use-cases").await.expect(200);
    assert!(list["useCases"][0]["error"].is_string() && !list.to_string().contains("hunter2"), "{list}");
    let list = server.api.with_key(Some(&author)).get("/use-cases").await.expect(200);
    assert!(list["useCases"][0]["error"].as_str().unwrap().contains("password"), "{list}");
    let back = server.api.with_key(Some(&reader)).post("/use-cases/puppet/rollback", &json!({})).await;
    assert_eq!(back.expect_fault(403, "missing-scope")["scope"], "deploy");
    let health = server.api.with_key(Some(&operator)).get("/health").await.expect(200);
    assert_eq!(health["brokenUseCases"][0]["useCase"], "puppet", "{health}");
}

#[tokio::test]
async fn a_key_is_added_and_revoked_while_the_server_runs_and_a_broken_file_changes_nothing() {
    let keys = Keys::new();
    let first = keys.add(&["first"]).await;
    let server = server(&keys).await;
    let second = keys.add(&["second"]).await;
    let [first, second] = [first, second].map(|token| server.api.with_key(Some(&token)));
    second.get("/requests").await.expect(200);
    keys.run(&["list"]).await.expect(0).says(&["first", "second", "submit,read,change", "sees own"]);
    keys.run(&["revoke", "first"]).await.expect(0);
    first.get("/requests").await.expect_fault(401, "unauthorized");
    std::fs::write(&keys.path, "[[key]]\nname = \"second\"\n").unwrap();
    second.get("/requests").await.expect(200);
    server
        .logged("about the broken keys file", |line| {
            line["level"] == "ERROR" && line["message"].as_str().unwrap_or_default().contains("keys file")
        })
        .await;
    server.api.get("/requests").await.expect(200);
}

#[tokio::test]
async fn an_expired_key_is_refused_with_the_reason() {
    let keys = Keys::new();
    let token = keys.add(&["short", "--expires", "2s"]).await;
    let server = server(&keys).await;
    let api = server.api.with_key(Some(&token));
    let fault =
        crate::harness::eventually("the key to expire", async || Some(api.get("/requests").await).filter(|answer| answer.status != 200))
            .await;
    let fault = fault.expect_fault(401, "key-expired");
    assert!(fault["detail"].as_str().unwrap().contains("\"short\" expired at"), "{fault}");
}

#[tokio::test]
async fn an_open_stream_of_changes_ends_when_its_key_is_revoked_narrowed_or_expires() {
    let keys = Keys::new();
    let (stays, revoked) = (keys.add(&["stays", "--sees", "all"]).await, keys.add(&["revoked", "--sees", "all"]).await);
    let narrowed = keys.add(&["narrowed", "--sees", "all"]).await;
    let server = server(&keys).await;
    let open = async |token: &str| server.api.with_key(Some(token)).events().await;
    let (mut stays, mut revoked, mut narrowed) = (open(&stays).await, open(&revoked).await, open(&narrowed).await);
    let before = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    for stream in [&mut stays, &mut revoked, &mut narrowed] {
        assert!(stream.reaches(&before).await, "the stream has ended early: {}", stream.text());
    }

    keys.run(&["revoke", "revoked"]).await.expect(0);
    let text = std::fs::read_to_string(&keys.path).unwrap();
    let (others, entry) = text.split_once("name = \"narrowed\"").expect("the key in the file");
    let new = keys.path.with_extension("new");
    std::fs::write(&new, format!("{others}name = \"narrowed\"{}", entry.replace("sees = \"all\"", "sees = \"own\""))).unwrap();
    set_mode(&new, 0o600);
    std::fs::rename(&new, &keys.path).unwrap();
    let after = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    assert!(stays.reaches(&after).await, "a change of other keys ended the stream: {}", stays.text());
    for mut stream in [revoked, narrowed] {
        assert!(!stream.reaches(&after).await, "the stream goes on with the former rights: {}", stream.text());
    }

    // Without any event: the server checks the keys of quiet streams, too.
    let short = keys.add(&["short", "--expires", "15s"]).await;
    let mut short = open(&short).await;
    assert!(!short.reaches("event: ").await, "the key sees nothing: {}", short.text());
    let last = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    assert!(stays.reaches(&last).await, "the stream has ended early: {}", stays.text());
}

#[tokio::test]
async fn an_exposed_server_refuses_a_weak_key_and_an_open_keys_file() {
    let weak = Server::builder().use_case("puppet", PUPPET).listen("0.0.0.0:0").key("change-me").refused().await;
    assert!(weak.contains("fewer than 128 bits") && weak.contains("api-key new"), "{weak}");
    let keys = Keys::new();
    keys.add(&["shop"]).await;
    set_mode(&keys.path, 0o644);
    let open = Server::builder().use_case("puppet", PUPPET).arguments(&["--keys-file", keys.path()]).refused().await;
    assert!(open.contains("read or written by others") && open.contains("chmod 600"), "{open}");
    set_mode(&keys.path, 0o600);
    let exposed = Server::builder().use_case("puppet", PUPPET).listen("0.0.0.0:0").arguments(&["--keys-file", keys.path()]).start().await;
    exposed.api.get("/requests").await.expect_fault(401, "unauthorized");
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn an_audit_file_that_others_may_read_is_refused_and_a_new_one_is_for_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("audit.jsonl");
    let builder = || Server::builder().use_case("puppet", PUPPET).arguments(&["--audit-file", file.to_str().unwrap()]);
    drop(builder().start().await);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    set_mode(&file, 0o640);
    let refused = builder().refused().await;
    let reason = format!("the audit file {} may be read or written by others (mode 640): chmod 600 it", file.display());
    assert!(refused.contains(&reason), "{refused}");
}

#[tokio::test]
async fn wrong_keys_are_answered_slowly_and_a_right_one_from_the_same_address_at_once() {
    let keys = Keys::new();
    keys.add(&["shop"]).await;
    let server = server(&keys).await;
    let wrong = server.api.with_key(Some("wrong"));
    let begun = Instant::now();
    let guesses: Vec<_> = (0..40)
        .map(|_| {
            tokio::spawn({
                let wrong = wrong.clone();
                async move { (wrong.get("/requests").await.status, Instant::now()) }
            })
        })
        .collect();
    let right = Instant::now();
    server.api.get("/requests").await.expect(200);
    let (waited, mut statuses, mut last) = (right.elapsed(), Vec::new(), begun);
    for guess in guesses {
        let (status, at) = guess.await.unwrap();
        statuses.push(status);
        last = last.max(at);
    }
    let slow = statuses.iter().filter(|status| **status == 401).count();
    assert!((20..=39).contains(&slow) && statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    assert!(last - begun >= Duration::from_secs(1), "the guesses took {:?}", last - begun);
    assert!(waited < Duration::from_secs(1), "the right key waited {waited:?}");
}

#[tokio::test]
async fn the_audit_log_names_the_caller_of_each_act_whatever_the_filter_is() {
    let keys = Keys::new();
    let (shop, ci) = (keys.add(&["shop"]).await, keys.add(&["ci", "--may", "deploy"]).await);
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("audit.jsonl");
    let server = Server::builder()
        .use_case("puppet", PUPPET)
        .test_clock()
        .arguments(&["--keys-file", keys.path(), "--audit-file", file.to_str().unwrap()])
        .key(SECRET)
        .variable("POSTDATE_LOG", "info,postdate_core=off,postdate::audit=off")
        .start()
        .await;
    let api = server.api.with_key(Some(&shop));
    let moved = api.submit("puppet", json!({ "delay": "PT1H" })).await;
    api.patch(&format!("/requests/{moved}"), &json!({ "delay": "PT2H" })).await.expect(200);
    api.delete(&format!("/requests/{moved}")).await.expect(200);
    api.delete(&format!("/requests/{moved}")).await.expect_fault(409, "not-scheduled");
    let failed = api.submit("puppet", json!({ "delay": "PT1H", "process": { "do": "fail" } })).await;
    server.api.advance("PT1H").await;
    server.api.post(&format!("/requests/{failed}/retry"), &Value::Null).await.expect(202);
    let acts = async |count: usize| {
        crate::harness::eventually("the audit lines", async || {
            let lines: Vec<Value> = server.log.lines(0).into_iter().filter(|line| line["audit"].is_string()).collect();
            (lines.len() >= count).then_some(lines)
        })
        .await
    };
    let lines = acts(3).await;
    let told = |line: &Value| [line["audit"].clone(), line["by"].clone(), line["correlation_id"].clone(), line["owner"].clone()];
    let expected = [("moved", "shop", &moved), ("cancelled", "shop", &moved), ("retried", "POSTDATE_API_KEY", &failed)];
    let expected = expected.map(|(act, by, id)| [json!(act), json!(by), json!(id), json!("shop")]);
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), expected);

    // Uploads and roll backs, in a store of the server.
    let bundles = UseCases::new();
    bundles.write("fresh", PUPPET);
    for (manifest, count) in [(PUPPET.to_owned(), 4), (format!("{PUPPET}[retry]\nmax-attempts = 2\n"), 5)] {
        bundles.write("fresh", &manifest);
        let (bundle, url) = (bundles.bundle("fresh"), server.api.url.as_str());
        let push = ["use-case", "push", bundle.to_str().unwrap(), "--to", url];
        cli_with(&[("POSTDATE_API_KEY", &ci)], &push).await.expect(0);
        acts(count).await;
    }
    let store = server.data().join("store");
    let rollback = ["use-case", "rollback", "fresh", "--store", store.to_str().unwrap()];
    cli_with(&[("POSTDATE_BY", "the test")], &rollback).await.expect(0);
    let lines = acts(6).await;
    let [first, second, back] = &lines[3..] else { panic!("{lines:?}") };
    assert_eq!([&first["audit"], &first["by"], &first["use_case"]], ["pushed", "ci", "fresh"]);
    assert_eq!((&second["audit"], &second["former"]), (&json!("pushed"), &first["version"]));
    assert_eq!([&back["audit"], &back["by"]], ["rolled-back", "the test"]);
    assert_eq!([&back["version"], &back["former"]], [&first["version"], &second["version"]]);

    server.api.post(&format!("/requests/{moved}/erase"), &Value::Null).await.expect(200);
    server.api.post("/use-cases/puppet/pause", &json!({ "target": "here" })).await.expect(200);
    server.api.post("/use-cases/puppet/resume", &json!({})).await.expect(200);
    let lines = acts(9).await;
    let changes: Vec<_> = lines[6..].iter().map(|line| (line["audit"].as_str().unwrap(), &line["paused_target"], &line["by"])).collect();
    let (nobody, by) = (Value::Null, json!("POSTDATE_API_KEY"));
    assert_eq!(changes, [("erased", &nobody, &by), ("paused", &json!("here"), &by), ("resumed", &nobody, &by)]);
    // The file has the same lines, and no others.
    let written = std::fs::read_to_string(&file).expect("the audit file");
    let written: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let acts_of = |lines: &[Value]| lines.iter().map(|line| [line["audit"].clone(), line["use_case"].clone()]).collect::<Vec<_>>();
    assert_eq!(acts_of(&written), acts_of(&lines));
}
