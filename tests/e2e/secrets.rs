//! Secrets on one machine: read from the environment or a file, rotated without a restart, shown in no answer and no log line.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, PUPPET, Receiver, SECRET, Server, cli, eventually, text};

/// Returns the puppet's manifest with the secret `GRANTED` granted to both roles.
fn granted() -> String {
    PUPPET.replace("timeout", "secrets = ['GRANTED']\ntimeout")
}

/// A secrets file with mode 600 in a temporary directory.
struct SecretsFile(TempDir);

impl SecretsFile {
    fn new(text: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("secrets.toml")
    }

    /// Replaces the file atomically.
    fn write(&self, text: &str) {
        let draft = self.0.path().join("draft");
        std::fs::write(&draft, text).unwrap();
        allow(&draft, 0o600);
        std::fs::rename(draft, self.path()).unwrap();
    }
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn file_arguments(file: &SecretsFile) -> Vec<String> {
    ["--secrets-file", &file.path().display().to_string(), "--secrets-lifetime", "1s"].map(str::to_owned).into()
}

/// Returns the value that the puppet reads under the config key.
async fn seen(server: &Server, key: &str) -> Value {
    server.api.run("puppet", json!({ "process": { "do": "config", "key": key } })).await["result"].clone()
}

#[tokio::test]
async fn a_secret_from_the_file_reaches_the_plugin_and_is_rotated_without_a_restart() {
    let file = SecretsFile::new(&format!("GRANTED = '{SECRET}-shared'\n[puppet]\nGRANTED = '{SECRET}-1'\n"));
    let arguments = file_arguments(&file);
    let builder = Server::builder().use_case("puppet", &granted()).test_clock();
    let builder = builder.arguments(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).variable("GRANTED", "of the environment");
    let server = builder.start().await;
    assert_eq!(seen(&server, "GRANTED").await, format!("{SECRET}-1"));
    file.write(&format!("GRANTED = '{SECRET}-2'\n"));
    eventually("the rotated secret", async || (seen(&server, "GRANTED").await == format!("{SECRET}-2")).then_some(())).await;

    // Invalid TOML in the file: the last good value stays in use, and the log reports the failed refresh without a value.
    file.write(&format!("GRANTED = {SECRET}-3\n"));
    let told = server.logged("about the refresh", |line| text(line, "message").contains("secrets not refreshed"));
    let (line, ()) = tokio::join!(told, async {
        eventually("the refresh", async || {
            assert_eq!(seen(&server, "GRANTED").await, format!("{SECRET}-2"));
            server.log.text().contains("secrets not refreshed").then_some(())
        })
        .await;
    });
    assert_eq!((text(&line, "use_case"), text(&line, "secrets")), ("puppet", "GRANTED"), "{line}");
    assert!(text(&line, "error").contains("is not TOML at line 1"), "{line}");
}

#[tokio::test]
async fn a_use_case_with_a_missing_secret_serves_once_the_file_has_it() {
    let file = SecretsFile::new("");
    let arguments = file_arguments(&file);
    let builder = Server::builder().use_case("puppet", &granted()).test_clock();
    let server = builder.arguments(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).start().await;
    let health = server.api.get("/health").await.expect(200);
    let error = text(&health["brokenUseCases"][0], "error");
    assert!(error.contains("GRANTED, which is not set: write GRANTED = \"...\" into the secrets file"), "{error}");
    file.write(&format!("[puppet]\nGRANTED = '{SECRET}'\n"));
    eventually("the use case to serve", async || {
        (server.api.post("/requests/puppet", &json!({ "delay": "PT1S" })).await.status == 202).then_some(())
    })
    .await;
    assert_eq!(seen(&server, "GRANTED").await, SECRET);
}

#[tokio::test]
async fn a_secrets_file_that_others_may_read_is_refused_at_start() {
    let file = SecretsFile::new(&format!("GRANTED = '{SECRET}'\n"));
    allow(&file.path(), 0o644);
    let path = file.path().display().to_string();
    let said = Server::builder().arguments(&["--secrets-file", &path]).refused().await;
    assert!(said.contains("may be read or written by others (mode 644): chmod 600"), "{said}");
    allow(&file.path(), 0o600);
    file.write(&format!("GRANTED = ['{SECRET}']\n"));
    let said = Server::builder().variable("POSTDATE_SECRETS_FILE", &path).refused().await;
    assert!(said.contains("has a list for GRANTED") && !said.contains(SECRET), "{said}");
}

#[tokio::test]
async fn a_manifest_gets_only_variables_that_the_operator_allows_or_that_begin_with_secret() {
    let builder = ["POSTDATE_API_KEY", "DATABASE_PASSWORD", "GRANTED", "SECRET_OF_ALL", "LISTED_TOO"]
        .iter()
        .enumerate()
        .fold(Server::builder(), |builder, (index, name)| builder.use_case(&format!("case-{index}"), &granted().replace("GRANTED", name)));
    let builder = builder.variable("DATABASE_PASSWORD", SECRET).variable("SECRET_OF_ALL", SECRET).variable("LISTED_TOO", SECRET);
    let server = builder.key(SECRET).secret("GRANTED", SECRET).arguments(&["--allow-secret", "OTHER,LISTED_TOO"]).start().await;
    let list = server.api.get("/use-cases").await.expect(200);
    let error = |index: usize| list["useCases"][index]["error"].as_str().unwrap_or_default().to_owned();
    for (index, name) in [(0, "POSTDATE_API_KEY"), (1, "DATABASE_PASSWORD")] {
        let refusal =
            format!("{name}, which this host gives to no use case: name the secret SECRET_…, or allow it with --allow-secret {name}");
        assert!(error(index).contains(&refusal), "{}", error(index));
    }
    assert_eq!([2, 3, 4].map(error), ["", "", ""], "{list}");
}

#[tokio::test]
async fn the_servers_own_variables_cannot_be_allowed() {
    let run = cli(&["serve", "--allow-secret", "POSTDATE_API_KEY"]).await.expect(2);
    run.complains(&["POSTDATE_API_KEY", "the host's own"]);
}

/// Has a plugin write its secret into every message it can. No API answer may contain the value. The harness searches the log.
#[tokio::test]
async fn no_answer_and_no_log_line_shows_a_secret() {
    let receiver = Receiver::accepting().await;
    let builder = Server::builder().use_case("puppet", &granted()).test_clock().secret("GRANTED", SECRET);
    let server = builder.variable("POSTDATE_LOG", "trace").start().await;
    let check = |what: &str, answer: &Answer| assert!(!answer.body.to_string().contains(SECRET), "{what}: {}", answer.body);
    for script in [
        json!({ "do": "fail", "messageFrom": "GRANTED" }),
        json!({ "do": "retry", "messageFrom": "GRANTED" }),
        json!({ "do": "trap", "messageFrom": "GRANTED" }),
        json!({ "do": "stderr", "lines": 3, "messageFrom": "GRANTED" }),
        json!({ "do": "http", "url": receiver.url("/") }),
        json!({ "do": "config", "key": "ANOTHER" }),
    ] {
        let rejected = server.api.post("/requests/puppet", &json!({ "delay": "PT1S", "validate": script })).await;
        check("validate", &rejected);
        let done = server.api.run("puppet", json!({ "process": script })).await;
        assert!(!done.to_string().contains(SECRET), "{done}");
        if script["do"] == "fail" {
            assert_eq!(text(&done, "failure"), "[secret GRANTED]", "{done}");
        }
    }
    for path in ["/requests?useCase=puppet&limit=100", "/use-cases", "/health"] {
        check(path, &server.api.get(path).await);
    }
    server.logged("of the plugin, with the secret's name for its value", |line| text(line, "message").contains("[secret GRANTED]")).await;
}
