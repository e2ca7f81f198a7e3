//! Runs commands of the `postdate` binary that end by themselves.

use std::process::Stdio;

use postdate_tests::process::postdate;
use postdate_tests::tools::{host, root, scratch};
use serde_json::Value;

/// The result of a command.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Returns the one JSON document on stdout.
    #[track_caller]
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not one JSON document ({error}): {self:#?}"))
    }

    /// Fails unless each text is on stdout.
    #[track_caller]
    pub fn says(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.stdout.contains(text), "{text:?} is not in {self:#?}");
        }
    }

    /// Fails unless each text is on stderr.
    #[track_caller]
    pub fn complains(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in {self:#?}");
        }
    }
}

pub async fn cli(arguments: &[&str]) -> Run {
    cli_with(&[], arguments).await
}

/// Runs a command with these variables, and without any other `POSTDATE_*` variable.
pub async fn cli_with(variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = postdate(&host());
    command.env("XDG_CACHE_HOME", scratch()).args(arguments).envs(variables.iter().copied()).current_dir(root()).stdin(Stdio::null());
    // On a thread of its own, so that a receiver in the same test can answer meanwhile.
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("the command's thread").expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    Run { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}
