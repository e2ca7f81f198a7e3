//! `postdate init`: writes a use case that needs no plugin, so that a new server has one to try.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use reqwest::Url;
use serde_json::json;

use crate::client::DEFAULT_URL;
use crate::new_file;
use crate::output::{columns, json_line, out, path_text};

/// Directory of use cases, where `serve` looks by default.
pub const USE_CASES: &str = "use-cases";
/// Name of the use case.
const NAME: &str = "webhook";
const MANIFEST: &str = include_str!("../templates/init/use-case.toml");
/// URL of the receiver in the manifest, which [`manifest`] replaces.
const TO: &str = "http://127.0.0.1:9000/hook";
/// Body of the request that is shown.
const BODY: &str = r#"{"message":"hello"}"#;
/// Port of the default receiver, and of `postdate listen`.
const PORT: u16 = 9000;

const EXAMPLES: &str = "\
Examples:
  postdate init                                     writes use-cases/webhook, for the receiver `postdate listen`
  postdate init --to https://example.com/hook";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Init {
    /// Directory of the server's use cases
    #[arg(long, env = "POSTDATE_USE_CASES", value_name = "DIR", default_value = USE_CASES)]
    use_cases: PathBuf,

    /// URL that each request's body is posted to
    #[arg(long, value_name = "URL", default_value = TO)]
    to: Url,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Commands to try the use case, and their descriptions.
pub type Commands = Vec<(String, &'static str)>;

pub fn run(arguments: Init) -> anyhow::Result<ExitCode> {
    let Init { use_cases, to, json } = arguments;
    let manifest = manifest(&to);
    UseCase::parse(&manifest).with_context(|| format!("{to} cannot be the URL of a target"))?;
    let dir = use_cases.join(NAME);
    if !new_file::is_free(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        bail!("{} is there already, and no file is overwritten: name another directory with --use-cases", dir.display());
    }
    new_file::write(&dir.join(MANIFEST_FILE), &manifest)?;
    let commands = commands(DEFAULT_URL, listen_port(&to));
    out(&if json {
        let next: Vec<&str> = commands.iter().map(|(command, _)| command.as_str()).collect();
        json_line(&json!({ "useCase": NAME, "dir": path_text(&dir), "next": next }))?
    } else {
        format!("wrote the use case {NAME} to {} (1 file)\n\nWhile `postdate serve` runs here:\n{}", dir.display(), text(&commands))
    });
    Ok(ExitCode::SUCCESS)
}

/// Returns the commands to make the use case and try it on a server that has none. `server` is the server's URL.
pub fn offer(server: &str) -> Commands {
    let init = ("postdate init".to_owned(), "a use case that sends a webhook; this server loads it at once");
    std::iter::once(init).chain(commands(server, Some(PORT))).collect()
}

/// Returns commands as lines, with their descriptions beside them.
pub fn text(commands: &[(String, &str)]) -> String {
    let rows: Vec<Vec<String>> = commands.iter().map(|(command, says)| vec![command.clone(), (*says).to_owned()]).collect();
    columns(&rows, "  ")
}

/// Returns the commands to try the use case. `port` is that of a receiver on this machine.
fn commands(server: &str, port: Option<u16>) -> Commands {
    let listen = port.map(|port| if port == PORT { "postdate listen".to_owned() } else { format!("postdate listen --port {port}") });
    let request = if server == DEFAULT_URL { "postdate request".to_owned() } else { format!("postdate request --url {server}") };
    let listen = listen.map(|command| (command, "its receiver, in another terminal"));
    let submit = (format!("{request} post {NAME} --in 5s --body '{BODY}'"), "accepted now, sent in 5 seconds");
    let list = (format!("{request} list --use-case {NAME}"), "what became of it");
    listen.into_iter().chain([submit, list]).collect()
}

/// Returns the port of a URL that `postdate listen` can receive, or `None` for any other URL.
fn listen_port(to: &Url) -> Option<u16> {
    let is_here = to.scheme() == "http" && matches!(to.host_str(), Some("127.0.0.1" | "localhost"));
    to.port_or_known_default().filter(|_| is_here)
}

fn manifest(to: &Url) -> String {
    MANIFEST.replace(&format!("\"{TO}\""), &toml::Value::from(to.as_str()).to_string())
}

#[cfg(test)]
mod tests;
