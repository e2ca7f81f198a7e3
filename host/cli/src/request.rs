//! `postdate request …`: posts, follows, lists and changes requests through the API of any deployment.

mod arguments;
mod bulk;
mod change;
mod show;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use postdate_core::request::Status;
use reqwest::Method;
use tokio::time::Instant;

use crate::body::{self, Overrides};
use crate::client::{Answer, Client, Connection, DEFAULT_URL, HttpCall, ProblemReport};
use crate::output::{out, out_bytes, text_of};
use crate::when;
pub use arguments::RequestCommand;
use arguments::{Get, List, Post, RequestAction, Which};
use change::ChangeCall;

pub async fn run(command: RequestCommand) -> anyhow::Result<ExitCode> {
    let json = command.json;
    match act(command).await {
        Err(error) if json => {
            out(&format!("{}\n", error.downcast::<ProblemReport>()?.text));
            Ok(ExitCode::FAILURE)
        }
        done => done,
    }
}

async fn act(command: RequestCommand) -> anyhow::Result<ExitCode> {
    let client = Client::new(&command.connection)?;
    let print = |answer: &Answer, human: String| out(&if command.json { format!("{}\n", answer.text) } else { human });
    match command.action {
        RequestAction::Post(arguments) => {
            let answer = post(&client, &arguments).await?;
            print(&answer, show::acknowledgement(&answer.json, &get_command(&command.connection)));
        }
        RequestAction::Get(arguments) if arguments.body => out_bytes(&client.body_of(&arguments.id).await?),
        RequestAction::Get(arguments) => {
            let answer = get(&client, &arguments).await?;
            print(&answer, show::request(&answer.text, &answer.json));
            if arguments.wait.is_some() && answer.json["status"] != "succeeded" {
                return Ok(ExitCode::FAILURE);
            }
        }
        RequestAction::List(arguments) => list(&client, &arguments, command.json).await?,
        RequestAction::Cancel(which) => return make(client, ChangeCall::Cancel, which, command.json).await,
        RequestAction::Move { to, which } => return make(client, ChangeCall::to(&to)?, which, command.json).await,
        RequestAction::Retry(which) => return make(client, ChangeCall::Retry, which, command.json).await,
        RequestAction::Erase(which) => return make(client, ChangeCall::Erase, which, command.json).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a change of one request, or of many.
async fn make(client: Client, change: ChangeCall, which: Which, json: bool) -> anyhow::Result<ExitCode> {
    let [id] = which.ids.as_slice() else { return bulk::run(client, change, which, json).await };
    let answer = change.make(&client, id).await?;
    out(&if json { format!("{}\n", answer.text) } else { show::changed(&answer.json) });
    Ok(ExitCode::SUCCESS)
}

async fn post(client: &Client, arguments: &Post) -> anyhow::Result<Answer> {
    let at = arguments.at.as_ref().map(|at| when::trigger_at(at, arguments.zone.as_deref())).transpose()?;
    let overrides = Overrides { trigger_at: at.as_deref(), delay: arguments.delay.as_deref(), target: arguments.target.as_deref() };
    let body = body::compose(&body::read(&arguments.body)?, overrides)?;
    let path = &["requests", arguments.use_case.as_str()];
    let idempotency_key = arguments.idempotency_key.as_deref();
    client.call(HttpCall { method: Method::POST, path, body: Some(body), idempotency_key, ..HttpCall::default() }).await
}

/// Returns the command line that shows a request of this server, without the request's id.
fn get_command(connection: &Connection) -> String {
    let url = connection.url.as_str().trim_end_matches('/');
    // A variable that is set now is set for the next command of the same shell.
    if url == DEFAULT_URL || std::env::var_os("POSTDATE_URL").is_some() {
        "postdate request get".to_owned()
    } else {
        format!("postdate request --url {url} get")
    }
}

/// Returns a request; with `--wait`, once it has ended. Each call waits at the server. Fails at the end of the time.
async fn get(client: &Client, arguments: &Get) -> anyhow::Result<Answer> {
    /// Longest wait of one call: the least that a deployment allows.
    const LONGEST_CALL: Duration = Duration::from_secs(20);
    /// Pause where a server answers early, such as one that stops.
    const PAUSE: Duration = Duration::from_millis(250);
    let path = &["requests", arguments.id.as_str()];
    let Some(patience) = arguments.wait else { return client.call(HttpCall { path, ..HttpCall::default() }).await };
    let until = Instant::now().checked_add(patience).context("the time of --wait is too long")?;
    loop {
        let begun = Instant::now();
        let wait = until.saturating_duration_since(begun).min(LONGEST_CALL);
        let query = &[("wait", format!("{}ms", wait.as_millis()))];
        let answer = client.call(HttpCall { path, query, ..HttpCall::default() }).await?;
        let status = text_of(&answer.json, "status");
        if status.parse().is_ok_and(Status::is_end) {
            return Ok(answer);
        }
        if Instant::now() >= until {
            bail!(
                "request {} is still {status} after {} (trigger at {}): wait longer, as with --wait=1h",
                arguments.id,
                humantime::format_duration(patience),
                text_of(&answer.json, "triggerAt"),
            );
        }
        tokio::time::sleep_until((begun + PAUSE).min(until)).await;
    }
}

async fn list(client: &Client, arguments: &List, json: bool) -> anyhow::Result<()> {
    let mut query = vec![("limit", arguments.limit.to_string())];
    query.extend(arguments.filters.query());
    let mut cursor = arguments.cursor.clone();
    let mut first = true;
    loop {
        let page: Vec<_> = query.iter().cloned().chain(cursor.map(|cursor| ("cursor", cursor))).collect();
        let answer = client.call(HttpCall { path: &["requests"], query: &page, ..HttpCall::default() }).await?;
        let requests = answer.json["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
        if json {
            out(&format!("{}\n", answer.text));
        } else if first && requests.is_empty() {
            out("no request matches\n");
        } else {
            out(&show::list(requests, first));
        }
        cursor = answer.json["nextCursor"].as_str().map(str::to_owned);
        first = false;
        match &cursor {
            Some(_) if arguments.all => {}
            Some(next) if !json => {
                out(&format!("more: add --all, or --cursor {next}\n"));
                return Ok(());
            }
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
