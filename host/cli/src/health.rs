//! `postdate health`: asks a server whether it takes requests, for the health check of an image or a supervisor.

use std::process::ExitCode;

use clap::Args;

use crate::client::{Client, Connection, HttpCall};
use crate::output::{out, text_of};

const EXAMPLES: &str = "\
Examples:
  postdate health
  postdate health --url https://postdate.example.com --json

The exit code is 0 while the server takes new requests, and 1 if it does not, or does not answer.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Health {
    #[command(flatten)]
    connection: Connection,

    /// Print the API's answer unchanged
    #[arg(long)]
    json: bool,
}

/// Fails with the server's reason if it takes no requests.
pub async fn run(arguments: Health) -> anyhow::Result<ExitCode> {
    let client = Client::new(&arguments.connection)?;
    let answer = client.call(HttpCall { path: &["health"], ..HttpCall::default() }).await?;
    out(&if arguments.json {
        answer.text + "\n"
    } else {
        let warning = Some(text_of(&answer.json["ledger"], "warning")).filter(|text| !text.is_empty());
        let warning = warning.map(|text| format!("warning: {text}\n")).unwrap_or_default();
        format!("{} is {}\n{warning}", arguments.connection.url.as_str().trim_end_matches('/'), text_of(&answer.json, "status"))
    });
    Ok(ExitCode::SUCCESS)
}
