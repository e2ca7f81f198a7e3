//! The first minute: `postdate serve` in an empty directory, and the commands that it and `postdate init` print.

use std::path::Path;
use std::process::{Command, Stdio};

use postdate_tests::process::{Lines, Process, free_port, postdate};
use postdate_tests::tools::host;
use serde_json::Value;

use crate::harness::{events, eventually};

/// A terminal: commands run in this directory, with `postdate` on the search path, for this server.
struct Terminal<'a> {
    directory: &'a Path,
    url: String,
}

impl Terminal<'_> {
    /// Returns a shell that runs a line as it was printed.
    fn shell(&self, line: &str) -> Command {
        let mut shell = postdate(Path::new("sh"));
        let programs = host().parent().expect("a directory").to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&path))).expect("a search path");
        shell.args(["-c", &format!("exec {line}")]).current_dir(self.directory).env("PATH", path).env("POSTDATE_URL", &self.url);
        shell
    }

    /// Runs a line to its end. Returns its stdout, or its stderr if it fails.
    fn try_run(&self, line: &str) -> Result<String, String> {
        let output = self.shell(line).stdin(Stdio::null()).output().expect("the command runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Runs a line to its end, and returns its stdout. Panics if it fails.
    #[track_caller]
    fn run(&self, line: &str) -> String {
        self.try_run(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }
}

/// Returns the first line of a log that has this message, or `None` if there is none yet.
fn logged(log: &Lines, message: &str) -> Option<Value> {
    let mut lines = log.all().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    lines.find(|line| line["message"] == message)
}

fn serve(directory: &Path, log: &Lines) -> Process {
    let mut command = postdate(&host());
    // Any port is free for the test; the other settings are the defaults.
    command.arg("serve").current_dir(directory).env("POSTDATE_LISTEN", "127.0.0.1:0");
    Process::start(&mut command, log)
}

#[tokio::test]
async fn a_server_in_an_empty_directory_offers_init_and_the_printed_commands_work() {
    let directory = tempfile::tempdir().unwrap();
    let (log, received) = (Lines::default(), Lines::default());
    let _server = serve(directory.path(), &log);
    let ready = eventually("the server to be ready", async || logged(&log, "ready")).await;
    let offer = eventually("the offer", async || logged(&log, "there is no use case yet")).await;
    let next = offer["next"].as_str().unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let url = ready["url"].as_str().unwrap().to_owned();
    assert_eq!(next.len(), 4, "{next:?}");
    assert_eq!(next[0], "postdate init");
    assert!(next[2].starts_with(&format!("postdate request --url {url} post ")), "{next:?}");

    let terminal = Terminal { directory: directory.path(), url };
    // The default port of the receiver may be taken on this machine.
    let port = free_port();
    let made = terminal.run(&format!("{} --json --to http://127.0.0.1:{port}/hook", next[0]));
    let made: Value = serde_json::from_str(&made).unwrap();
    let commands: Vec<&str> = made["next"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let [listen, submit, list] = commands[..] else { panic!("{commands:?}") };
    assert_eq!(listen, format!("postdate listen --port {port}"));
    // At once, as a shell runs pasted lines.
    let posted = terminal.run(submit);
    let _receiver = Process::start(&mut terminal.shell(listen), &received);
    eventually("the receiver", async || received.text().contains("listening on").then_some(())).await;

    let id = posted.lines().find_map(|line| line.trim().strip_prefix("id:")).expect("the id").trim().to_owned();
    let shown = terminal.run(&format!("postdate request --json get {id} --wait"));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((shown["status"].as_str(), events(&shown)), (Some("succeeded"), vec!["accepted", "started", "succeeded"]), "{shown}");
    let shown = terminal.run(list);
    assert!(shown.contains(&id) && shown.contains("succeeded"), "{shown}");
    assert!(received.text().contains("\"message\": \"hello\""), "{}", received.text());
}

#[tokio::test]
async fn the_use_case_of_init_is_served_after_a_start_without_arguments() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = Terminal { directory: directory.path(), url: String::new() };
    let said = nowhere.run("postdate init");
    assert!(said.contains("wrote the use case webhook to use-cases/webhook") && said.contains("postdate listen"), "{said}");
    nowhere.run("postdate plugin check use-cases/webhook");

    let log = Lines::default();
    let _server = serve(directory.path(), &log);
    let ready = eventually("the server to be ready", async || logged(&log, "ready")).await;
    let terminal = Terminal { directory: directory.path(), url: ready["url"].as_str().unwrap().to_owned() };
    assert!(terminal.run("postdate use-case list").contains("webhook"));
    assert_eq!(logged(&log, "there is no use case yet"), None);
}

#[tokio::test]
async fn a_missing_directory_of_use_cases_that_was_named_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = postdate(&host());
    command.args(["serve", "--listen", "127.0.0.1:0", "--use-cases", "use-case"]).current_dir(directory.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("use-case is not there; name it with --use-cases"), "{said}");
    assert!(!directory.path().join("use-case").exists());
}
