//! `postdate use-case pause NAME` and `resume NAME`: hold back the requests of a use case or one target, and let them run again.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value};

use super::list::pauses_text;
use crate::client::{Client, Connection, HttpCall};
use crate::output::{out, printable};
use crate::when;

#[derive(Debug, Args)]
pub struct Pause {
    #[command(flatten)]
    paused: Paused,

    /// End of the pause: RFC 3339, or from now as in +1h; without it, `resume` ends it
    #[arg(long, value_name = "TIME", value_parser = when::instant)]
    until: Option<String>,
}

#[derive(Debug, Args)]
pub struct Resume {
    #[command(flatten)]
    paused: Paused,
}

/// The use case, or the one target of it.
#[derive(Debug, Args)]
struct Paused {
    /// Name of the use case
    name: String,

    /// Alias of a target; without it, all targets
    #[arg(long)]
    target: Option<String>,

    /// Print the API's answer unchanged
    #[arg(long)]
    json: bool,
}

pub async fn pause(arguments: Pause, connection: &Connection) -> anyhow::Result<ExitCode> {
    call("pause", &arguments.paused, arguments.until, connection).await
}

pub async fn resume(arguments: Resume, connection: &Connection) -> anyhow::Result<ExitCode> {
    call("resume", &arguments.paused, None, connection).await
}

async fn call(act: &str, paused: &Paused, until: Option<String>, connection: &Connection) -> anyhow::Result<ExitCode> {
    let members = [("target", paused.target.clone()), ("until", until)];
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))));
    let body = Some(Value::Object(members.collect::<Map<_, _>>()).to_string());
    let path = &["use-cases", paused.name.as_str(), act];
    let answer = Client::new(connection)?.call(HttpCall { method: Method::POST, path, body, ..HttpCall::default() }).await?;
    out(&if paused.json { format!("{}\n", answer.text) } else { text(&paused.name, &answer.json) });
    Ok(ExitCode::SUCCESS)
}

/// Returns the pauses that a use case has after a call.
fn text(name: &str, document: &Value) -> String {
    let mut text = pauses_text(name, &document["paused"]);
    if text.is_empty() {
        let _ = writeln!(text, "{}: not paused; requests that waited run, the oldest first", printable(name));
    }
    text
}

#[cfg(test)]
mod tests;
