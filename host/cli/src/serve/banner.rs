//! The text that a server prints once it is ready: its URL and directories, and command lines to try it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use postdate_cases::cases::{self, Expected};
use postdate_core::time::rfc3339;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use postdate_local::{ServeOptions, TestClockStart};
use serde_json::{Value, json};

use crate::client::DEFAULT_URL;
use crate::init;

/// Name of the use case that the example prefers.
const PREFERRED: &str = "orders";
/// Directory of the data directory with the versions of use cases.
const STORE: &str = "store";
/// Delay of the example.
const DELAY: &str = "PT5S";

pub struct Banner {
    data: String,
    use_cases: String,
    clock: Option<String>,
    has_key: bool,
    has_page: bool,
    /// `true` if there is a use case, also one that does not load.
    has_use_case: bool,
    /// Name of a use case, and a body that it accepts.
    example: Option<(String, String)>,
}

impl Banner {
    /// Looks for an example in the directory of use cases, which may have none.
    pub fn new(options: &ServeOptions) -> Self {
        Self {
            data: options.data.display().to_string(),
            use_cases: options.use_cases.display().to_string(),
            clock: options.test_clock.map(clock_text),
            has_key: options.api_key.is_some() || options.keys_file.is_some(),
            has_page: postdate_page::is_built(),
            has_use_case: has_entry(&options.use_cases) || has_entry(&options.data.join(STORE)),
            example: example(&options.use_cases),
        }
    }

    /// Returns the text for a terminal.
    pub fn text(&self, address: SocketAddr) -> String {
        let url = url(address);
        let mut text = format!("\nPostdate answers on {url}\n  data       {}\n  use cases  {}\n", self.data, self.use_cases);
        if self.has_page {
            let _ = writeln!(text, "  page       {url}{}", postdate_page::PATH);
        }
        if let Some(clock) = &self.clock {
            let _ = writeln!(text, "  clock      {clock}");
        }
        if let Some((use_case, body)) = &self.example {
            let _ = writeln!(text, "\nTry it:\n  {}", self.curl(&format!("{url}/requests/{use_case}"), body));
            if self.clock.is_some() {
                let _ = writeln!(text, "  {}", self.curl(&format!("{url}/test-clock"), &json!({ "advance": DELAY }).to_string()));
            }
            let _ = writeln!(text, "  postdate request{} list", if url == DEFAULT_URL { String::new() } else { format!(" --url {url}") });
        }
        if !self.has_use_case {
            let _ = writeln!(text, "\nThere is no use case yet. In this directory:\n{}", init::text(&init::offer(&url)).trim_end());
        }
        text + "\nCtrl-C stops it.\n\n"
    }

    /// Writes the log line.
    pub fn log(&self, address: SocketAddr) {
        let url = url(address);
        tracing::info!(url, data = self.data, use_cases = self.use_cases, test_clock = self.clock, "ready");
        if !self.has_use_case {
            let next: Vec<String> = init::offer(&url).into_iter().map(|(command, _)| command).collect();
            tracing::info!(next = next.join("\n"), "there is no use case yet");
        }
    }

    fn curl(&self, url: &str, body: &str) -> String {
        let key = if self.has_key { " -H \"authorization: Bearer $POSTDATE_API_KEY\"" } else { "" };
        // Not --json, which needs curl 7.82 of 2022.
        format!("curl {url}{key} -H 'content-type: application/json' -d {}", quoted(body))
    }
}

/// Returns the clock's description.
fn clock_text(start: TestClockStart) -> String {
    match start {
        TestClockStart::Resume => "a test clock, from where it stopped".to_owned(),
        TestClockStart::At(at) => format!("a test clock, from {}", rfc3339(at)),
    }
}

/// Returns the server's URL for a client on this machine.
fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Returns `true` if a directory has a visible directory in it.
fn has_entry(dir: &Path) -> bool {
    let mut entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries.any(|entry| entry.path().is_dir() && !entry.file_name().to_string_lossy().starts_with('.'))
}

/// Returns a use case and a body that it accepts, from the first of its test cases that expects an acceptance. A use case without a
/// validator accepts any body.
fn example(use_cases: &Path) -> Option<(String, String)> {
    let entries = std::fs::read_dir(use_cases).ok()?.filter_map(Result::ok);
    let mut bundles: Vec<_> = entries.map(|entry| entry.path()).filter(|dir| dir.join(MANIFEST_FILE).is_file()).collect();
    bundles.sort_by_key(|dir| (dir.file_name().is_none_or(|name| name != PREFERRED), dir.clone()));
    bundles.iter().find_map(|dir| Some((dir.file_name()?.to_str()?.to_owned(), accepted_body(dir)?)))
}

fn accepted_body(bundle: &Path) -> Option<String> {
    let accepts_all = |manifest: &String| UseCase::parse_stored(manifest).is_ok_and(|use_case| use_case.validate.is_none());
    if std::fs::read_to_string(bundle.join(MANIFEST_FILE)).is_ok_and(|manifest| accepts_all(&manifest)) {
        return Some(json!({ "message": "hello", "delay": DELAY }).to_string());
    }
    let cases = cases::read_dir(&bundle.join(cases::DIR)).ok()?;
    let case = cases.iter().find(|case| matches!(case.expect, Expected::Accepted(_)) && case.headers.is_empty())?;
    let mut body: Value = serde_json::from_str(&case.body).ok()?;
    let members = body.as_object_mut()?;
    members.remove("triggerAt");
    members.insert("delay".to_owned(), json!(DELAY));
    Some(body.to_string())
}

/// Quotes text for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
