//! `--json` of the commands that act: one document on stdout, progress on stderr, and the exit codes of the text form.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{PUPPET, Run, Server, UseCases, cli, cli_with, guest, text};

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

const CASE: &str = "call = 'process'\nbody = '{}'\n[expect]\nresult = 'ok'\n";

/// Writes a use case whose plugin compiles fast. Versions differ by their description.
fn write(use_cases: &UseCases, description: &str) {
    use_cases.write("minimal", &format!("description = '{description}'\n[process]\nplugin = 'minimal-process.wasm'\n"));
}

#[tokio::test]
async fn a_push_a_compilation_and_a_rollback_in_a_store_name_version_and_former() {
    let (use_cases, store) = (UseCases::new(), tempfile::tempdir().unwrap());
    let (bundle, store) = (use_cases.bundle("minimal"), path(store.path()));
    let push = async |more: &[&str]| cli(&[&["use-case", "push", path(&bundle), "--to", store, "--json"], more].concat()).await;
    write(&use_cases, "one");
    let planned = push(&["--dry-run"]).await.expect(0).document();
    let one = text(&planned, "version").to_owned();
    assert_eq!((&planned["dryRun"], &planned["former"]), (&json!(true), &Value::Null), "{planned}");
    let run = push(&["--arch", "x86_64"]).await.expect(0);
    run.complains(&["checked", "compiled", "pushed", "; before it nothing"]);
    let pushed = json!({
        "useCase": "minimal", "version": one, "former": null, "passed": 0, "architectures": ["x86_64"], "signedBy": [], "dryRun": false,
    });
    assert_eq!(run.document(), pushed);
    assert_eq!(push(&[]).await.expect(0).document()["former"], json!(one), "it serves already");

    write(&use_cases, "two");
    let second = push(&[]).await.expect(0).document();
    let two = text(&second, "version").to_owned();
    assert_eq!(second["former"], json!(one));
    let compile = ["use-case", "compile", "--to", store, "--arch", "x86_64", "--json"];
    let compiled = cli(&compile).await.expect(0).document();
    let of = |version: &str| compiled.as_array().unwrap().iter().find(|step| step["version"] == version).expect("the version");
    assert_eq!(*of(&one), json!({ "useCase": "minimal", "version": one, "arch": "x86_64", "step": "known" }));
    assert_eq!((text(of(&two), "step"), &of(&two)["compiled"][0]["role"]), ("compiled", &json!("process")));
    assert!(of(&two)["compiled"][0]["bytes"].is_u64(), "{compiled}");

    let back = cli(&["use-case", "rollback", "minimal", "--store", store, "--json"]).await.expect(0);
    back.complains(&["is current in the store again"]);
    assert_eq!(back.document(), json!({ "useCase": "minimal", "version": one, "former": two }));

    // A failed case ends the push before its result.
    fs::create_dir(bundle.join("cases")).unwrap();
    fs::write(bundle.join("cases/odd.toml"), CASE).unwrap();
    let failed = push(&[]).await.expect(1);
    failed.complains(&["1 of 1 cases failed, so nothing was pushed"]);
    assert_eq!(failed.stdout, "");
    // A version that cannot be compiled is part of the document.
    let name = fs::read_dir(Path::new(store).join("minimal").join(&two)).unwrap().map(|entry| entry.unwrap().path());
    let wasm = name.into_iter().find(|file| file.extension().is_some_and(|end| end == "wasm")).expect("the component in the store");
    fs::write(wasm, "damaged").unwrap();
    let compile = ["use-case", "compile", "--to", store, "--arch", "arm64", "--json"];
    let failed = cli(&compile).await.expect(1);
    failed.complains(&["1 of 2 were not compiled"]);
    let document = failed.document();
    let steps: Vec<(&str, bool)> =
        document.as_array().unwrap().iter().map(|step| (text(step, "step"), step["error"].is_string())).collect();
    assert!(steps.contains(&("compiled", false)) && steps.contains(&("failed", true)), "{document}");
}

#[tokio::test]
async fn a_push_and_a_rollback_at_a_server_have_its_correlation_id() {
    let key = "0123456789abcdef0123456789abcdef";
    let (server, use_cases) = (Server::builder().key(key).test_clock().start().await, UseCases::new());
    let variables = [("POSTDATE_API_KEY", key), ("POSTDATE_URL", server.api.url.as_str())];
    let push = async || {
        let bundle = use_cases.bundle("minimal");
        cli_with(&variables, &["use-case", "push", path(&bundle), "--to", &server.api.url, "--json"]).await.expect(0).document()
    };
    write(&use_cases, "one");
    let one = push().await;
    write(&use_cases, "two");
    let two = push().await;
    assert_eq!((&two["former"], &two["useCase"]), (&one["version"], &json!("minimal")));
    let back = cli_with(&variables, &["use-case", "rollback", "minimal", "--json"]).await.expect(0).document();
    assert_eq!((&back["version"], &back["former"], &back["useCase"]), (&one["version"], &two["version"], &json!("minimal")));
    for document in [&one, &two, &back] {
        assert_eq!(text(document, "correlationId").len(), 36, "{document}");
    }
}

#[tokio::test]
async fn a_backup_its_restore_and_the_ledger_have_numbers() {
    let mut server = Server::builder().use_case("puppet", PUPPET).test_clock().start().await;
    server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    let (data, place) = (path(server.data()).to_owned(), tempfile::tempdir().unwrap());
    let backup = path(&place.path().join("backup")).to_owned();
    let written = cli(&["backup", "--data", &data, "--to", &backup, "--json"]).await.expect(0).document();
    let bytes = fs::metadata(&backup).unwrap().len();
    assert_eq!((&written["to"], &written["requests"], &written["bytes"]), (&json!(backup), &json!(1), &json!(bytes)), "{written}");
    let again = cli(&["backup", "--data", &data, "--to", &backup, "--json"]).await.expect(1);
    again.complains(&["exists already"]);
    assert_eq!(again.stdout, "");
    server.stop().await;
    let restored = cli(&["restore", "--from", &backup, "--data", &data, "--overwrite", "--json"]).await.expect(0).document();
    assert_eq!((&restored["data"], &restored["requests"], &restored["held"]), (&json!(data), &json!(1), &json!(0)), "{restored}");
    assert_eq!(restored["storeFiles"], written["storeFiles"]);
    assert!(restored["madeAt"].is_string() && Path::new(text(&restored, "former")).join("ledger.sqlite").is_file(), "{restored}");
    let compacted = cli(&["ledger", "compact", "--data", &data, "--json"]).await.expect(0).document();
    assert!(compacted["oldBytes"].as_u64() >= compacted["newBytes"].as_u64() && compacted["newBytes"].is_u64(), "{compacted}");
    assert_eq!(cli(&["ledger", "resume", "--data", &data, "--json"]).await.expect(0).document(), json!({ "resumed": 0 }));
}

#[tokio::test]
async fn a_new_key_has_its_token_and_what_it_may() {
    let place = tempfile::tempdir().unwrap();
    let file = path(&place.path().join("keys.toml")).to_owned();
    let keys = async |arguments: &[&str]| cli(&[&["api-key", "--keys-file", &file], arguments, &["--json"]].concat()).await;
    let made = keys(&["new", "shop", "--use-cases", "puppet"]).await.expect(0).document();
    let token = text(&made, "token").to_owned();
    assert_eq!((&made["keysFile"], &made["useCases"], &made["sees"]), (&json!(file), &json!(["puppet"]), &json!("own")));
    assert_eq!((&made["may"], &made["expires"]), (&json!(["submit", "read", "change"]), &Value::Null));
    let server = Server::builder().use_case("puppet", PUPPET).arguments(&["--keys-file", &file]).start().await;
    server.api.with_key(Some(&token)).get("/requests").await.expect(200);
    let listed = keys(&["list"]).await.expect(0);
    assert!(listed.document()[0]["name"] == "shop" && !listed.stdout.contains(&token), "{listed:?}");
    assert_eq!(keys(&["revoke", "shop"]).await.expect(0).document(), json!({ "name": "shop", "keysFile": file }));
    assert_eq!(keys(&["revoke", "shop"]).await.expect(1).stdout, "");

    let private = path(&place.path().join("postdate.key")).to_owned();
    let new = cli(&["key", "new", &private, "--json"]).await.expect(0).document();
    assert!(text(&new, "publicKey").starts_with("ed25519:") && text(&new, "keyId").len() == 16, "{new}");
    assert_eq!(cli(&["key", "show", &private, "--json"]).await.expect(0).document(), new);
}

#[tokio::test]
async fn a_cache_is_filled_with_a_line_of_progress_and_an_entry_for_each_version() {
    let (use_cases, data) = (UseCases::new(), tempfile::tempdir().unwrap());
    write(&use_cases, "one");
    let fill = async || cli(&["compile-cache", "--data", path(data.path()), "--use-cases", path(use_cases.path()), "--json"]).await;
    let filled = fill().await.expect(0);
    filled.complains(&["compiled  minimal "]);
    let document = filled.document();
    assert_eq!(
        (&document[0]["useCase"], &document[0]["isCompiled"], &document[0]["error"]),
        (&json!("minimal"), &json!(true), &Value::Null)
    );
    use_cases.write("broken", "[process]\nplugin = 'wrong-version.wasm'\n");
    let failed = fill().await.expect(1);
    failed.complains(&["1 of 2 versions were not compiled"]);
    let document = failed.document();
    let broken = document.as_array().unwrap().iter().find(|version| version["useCase"] == "broken").expect("the broken one");
    assert!(broken["isCompiled"] == false && text(broken, "error").contains("wrong-version.wasm"), "{broken}");
}

#[tokio::test]
async fn the_commands_for_authors_have_files_cases_and_findings() {
    let place = tempfile::tempdir().unwrap();
    let dir = path(&place.path().join("reminders")).to_owned();
    let new = cli(&["plugin", "new", "reminders", "--lang", "js", "--dir", &dir, "--json"]).await.expect(0).document();
    assert_eq!((&new["useCase"], &new["dir"]), (&json!("reminders"), &json!(dir)));
    let files = new["files"].as_array().unwrap();
    assert!(files.contains(&json!("use-case.toml")) && files.iter().all(|file| Path::new(&dir).join(file.as_str().unwrap()).is_file()));

    let use_cases = UseCases::new();
    use_cases.write("puppet", PUPPET);
    let bundle = use_cases.bundle("puppet");
    fs::create_dir(bundle.join("cases")).unwrap();
    for (case, result) in [("good", "ok"), ("bad", "other")] {
        let body = "{\"process\":{\"do\":\"succeed\",\"result\":\"ok\"}}";
        let case_text = format!("call = 'process'\nbody = '{body}'\n[expect]\nresult = '{result}'\n");
        fs::write(bundle.join(format!("cases/{case}.toml")), case_text).unwrap();
    }
    let run = cli(&["plugin", "test", path(&bundle), "--json"]).await.expect(1);
    run.complains(&["running 2 tests of use case puppet", "test good ... ok", "test bad ... FAILED"]);
    let tested = run.document();
    assert_eq!((&tested["passed"], &tested["failed"], &tested["filteredOut"]), (&json!(1), &json!(1), &json!(0)), "{tested}");
    let bad = tested["cases"].as_array().unwrap().iter().find(|case| case["name"] == "bad").expect("the case");
    assert!(bad["passed"] == false && bad["complaints"][0].is_string() && text(bad, "diff").contains("expected"), "{bad}");
    let good = cli(&["plugin", "test", path(&bundle), "good", "--json"]).await.expect(0).document();
    assert_eq!((&good["failed"], &good["filteredOut"]), (&json!(0), &json!(1)));
    cli(&["plugin", "test", path(&bundle), "--json", "--watch"]).await.expect(2);

    let checked = cli(&["plugin", "check", path(&bundle), "--json"]).await.expect(0).document();
    assert_eq!((&checked["isLoadable"], &checked["problems"], &checked["caseCount"]), (&json!(true), &json!([]), &json!(2)));
    assert_eq!((&checked["useCase"], &checked["version"]), (&json!("puppet"), &tested["version"]));
    let exports = checked["plugins"][0]["exports"].as_array().unwrap();
    assert!(exports.iter().any(|export| export["role"] == "process" && export["isSupported"] == true), "{checked}");
    let refused: Run = cli(&["plugin", "check", path(&guest("wrong-version")), "--json"]).await.expect(1);
    let document = refused.document();
    assert!(document["isLoadable"] == false && document["problems"][0].as_str().is_some_and(|told| told.contains("2.0.0")), "{document}");

    let out = path(&place.path().join("compiled")).to_owned();
    let compile = ["plugin", "compile", path(&bundle), "--arch", "x86_64", "--out", &out, "--json"];
    let compiled = cli(&compile).await.expect(0).document();
    assert_eq!((&compiled["file"], &compiled["version"]), (&json!(format!("{out}/artifacts.json")), &tested["version"]));
    let roles: Vec<&str> = compiled["compiled"].as_array().unwrap().iter().map(|new| text(new, "role")).collect();
    assert_eq!((roles, &compiled["kept"]), (vec!["validate", "process"], &json!(0)), "{compiled}");
}
