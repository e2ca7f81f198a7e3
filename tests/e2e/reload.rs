//! Changes in the directory of use cases while the server runs: a changed bundle is loaded whole or not at all.

use serde_json::{Value, json};

use crate::harness::{PUPPET, Server, eventually, guest, text};

/// Returns a manifest whose processor can return `word`, so that a test can tell the versions apart.
fn says(word: &str) -> String {
    format!("{PUPPET}config = {{ word = '{word}' }}\n")
}

fn asks() -> Value {
    json!({ "delay": "PT1S", "process": { "do": "config", "key": "word" } })
}

/// Waits until a version other than `not` serves, and returns that version.
async fn version(server: &Server, name: &str, not: &str) -> String {
    eventually("another version to serve", async || {
        let info = server.api.use_case(name).await?;
        info["version"].as_str().filter(|version| *version != not).map(str::to_owned)
    })
    .await
}

/// Waits until the use case has an error that contains `hint`, and returns its entry of `GET /use-cases`.
async fn broken(server: &Server, name: &str, hint: &str) -> Value {
    eventually(&format!("{name} to be reported with {hint:?}"), async || {
        server.api.use_case(name).await.filter(|info| info["error"].as_str().is_some_and(|error| error.contains(hint)))
    })
    .await
}

#[tokio::test]
async fn a_changed_bundle_serves_new_requests_and_pinned_requests_run_their_version() {
    let mut server = Server::builder().use_case("puppet", &says("old")).test_clock().start().await;
    let before = version(&server, "puppet", "").await;
    let old = server.api.submit("puppet", asks()).await;
    let old_after_restart = server.api.submit("puppet", json!({ "delay": "PT1H", "process": { "do": "config", "key": "word" } })).await;

    server.use_cases().write("puppet", &says("new"));
    let after = version(&server, "puppet", &before).await;
    let new = server.api.submit("puppet", asks()).await;
    server.api.advance("PT1S").await;
    let (old, new) = (server.api.request(&old).await, server.api.request(&new).await);
    assert_eq!((text(&old, "result"), text(&old, "version")), ("old", &*before), "{old}");
    assert_eq!((text(&new, "result"), text(&new, "version")), ("new", &*after), "{new}");

    server.kill();
    server.set_arguments(&["--test-clock"]);
    server.start().await;
    server.api.advance("PT1H").await;
    let late = server.api.request(&old_after_restart).await;
    assert_eq!(text(&late, "result"), "old", "a pinned version survives a restart: {late}");
}

#[tokio::test]
async fn requests_of_the_latest_policy_run_the_newest_version() {
    let latest = |word: &str| format!("{}[schedule]\nversion = 'latest'\n", says(word));
    let server = Server::builder().use_case("puppet", &latest("old")).test_clock().start().await;
    let before = version(&server, "puppet", "").await;
    let id = server.api.submit("puppet", asks()).await;
    server.use_cases().write("puppet", &latest("new"));
    version(&server, "puppet", &before).await;
    server.api.advance("PT1S").await;
    assert_eq!(text(&server.api.request(&id).await, "result"), "new");
}

#[tokio::test]
async fn a_broken_bundle_is_reported_and_the_former_version_serves() {
    let server = Server::builder().use_case("puppet", &says("old")).test_clock().start().await;
    let before = version(&server, "puppet", "").await;
    for (manifest, hint) in [
        ("this is not = = toml".to_owned(), "use-case.toml"),
        (format!("{}[retry]\nmax-attempts = 0\n", says("new")), "retry.max-attempts"),
        (says("new").replace("puppet.wasm", "gone.wasm"), "gone.wasm"),
        (format!("{}secrets = ['NOT_SET']\n", says("new")), "NOT_SET"),
    ] {
        server.use_cases().write("puppet", &manifest);
        let info = broken(&server, "puppet", hint).await;
        assert_eq!(text(&info, "version"), before, "{info}");
        let health = server.api.get("/health").await.expect(200);
        assert_eq!(health["brokenUseCases"], json!([{ "useCase": "puppet", "error": info["error"] }]));
        let done = server.api.run("puppet", asks()).await;
        assert_eq!(text(&done, "result"), "old", "{done}");
    }
    server.use_cases().write("puppet", &says("mended"));
    version(&server, "puppet", &before).await;
    assert_eq!(text(&server.api.run("puppet", asks()).await, "result"), "mended");
    assert_eq!(server.api.get("/health").await.expect(200)["brokenUseCases"], json!([]));
}

/// A directory named `current` is the fault here, because a test that runs as root can read any file.
#[tokio::test]
async fn an_unreadable_current_does_not_stop_the_reload_of_other_use_cases() {
    let server = Server::builder().use_case("puppet", &says("old")).test_clock().start().await;
    let before = version(&server, "puppet", "").await;
    std::fs::create_dir_all(server.use_cases().bundle("puppet").with_file_name("other").join("current")).unwrap();
    server.use_cases().write("puppet", &says("new"));
    version(&server, "puppet", &before).await;
}

#[tokio::test]
async fn a_bundle_copied_in_pieces_never_serves_incomplete() {
    let server = Server::builder().use_case("puppet", &says("old")).test_clock().start().await;
    let before = version(&server, "puppet", "").await;
    // The manifest first, then its plugin in pieces, as a slow copy would do it.
    server.use_cases().write_file(
        "puppet",
        "use-case.toml",
        format!("name = 'puppet'\n{}", says("new").replace("puppet.wasm", "next.wasm")),
    );
    let component = std::fs::read(guest("puppet")).unwrap();
    let place = server.use_cases().bundle("puppet").join("next.wasm");
    for part in 1..=8 {
        std::fs::write(&place, &component[..component.len() * part / 8]).unwrap();
        if part < 8 {
            let done = server.api.run("puppet", asks()).await;
            assert_eq!((text(&done, "result"), text(&done, "version")), ("old", &*before), "{part}/8: {done}");
            // The duration of a slow copy: long enough for the server to look at some of the pieces.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    }
    version(&server, "puppet", &before).await;
    assert_eq!(text(&server.api.run("puppet", asks()).await, "result"), "new");
    assert_eq!(server.api.use_case("puppet").await.unwrap()["error"], json!(null));
}

#[tokio::test]
async fn a_removed_use_case_accepts_no_requests_and_its_pending_ones_still_run() {
    let server = Server::builder().use_case("puppet", &says("old")).test_clock().start().await;
    let id = server.api.submit("puppet", asks()).await;
    server.use_cases().remove("puppet");
    eventually("the use case to go", async || server.api.use_case("puppet").await.is_none().then_some(())).await;
    server.api.post("/requests/puppet", &asks()).await.expect_fault(404, "unknown-use-case");
    server.api.patch(&format!("/requests/{id}"), &json!({ "delay": "PT2S" })).await.expect(200);
    server.api.advance("PT2S").await;
    let done = server.api.request(&id).await;
    assert_eq!((text(&done, "status"), text(&done, "result")), ("succeeded", "old"), "{done}");
}

#[tokio::test]
async fn a_new_directory_is_a_new_use_case_if_its_name_equals_the_manifests() {
    let server = Server::builder().use_case("puppet", PUPPET).test_clock().start().await;
    server.use_cases().write("fresh", &says("fresh"));
    version(&server, "fresh", "").await;
    assert_eq!(text(&server.api.run("fresh", asks()).await, "result"), "fresh");
    std::fs::rename(server.use_cases().bundle("fresh"), server.use_cases().bundle("renamed")).unwrap();
    let info = broken(&server, "renamed", "fresh").await;
    assert_eq!(info["version"], json!(null), "{info}");
}
