//! `postdate request …`: posts, follows, lists and changes requests through the API of any deployment.

mod arguments;
mod show;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use postdate_core::request::Status;
use reqwest::Method;

use crate::body::{self, Overrides};
use crate::client::{Answer, Client, Connection, DEFAULT_URL, HttpCall, ProblemReport};
use crate::output::{out, text_of};
use crate::when;
pub use arguments::RequestCommand;
use arguments::{Get, List, Post, RequestAction};

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
        RequestAction::Get(arguments) => {
            let answer = get(&client, &arguments).await?;
            print(&answer, show::request(&answer.text, &answer.json));
            if arguments.wait && answer.json["status"] != "succeeded" {
                return Ok(ExitCode::FAILURE);
            }
        }
        RequestAction::List(arguments) => list(&client, &arguments, command.json).await?,
        RequestAction::Cancel { id } => {
            let answer = client.call(HttpCall { method: Method::DELETE, path: &["requests", &id], ..HttpCall::default() }).await?;
            print(&answer, show::changed(&answer.json));
        }
        RequestAction::Move { id, to, zone } => {
            let at = to.at.map(|at| when::trigger_at(&at, zone.as_deref())).transpose()?;
            let overrides = Overrides { trigger_at: at.as_deref(), delay: to.delay.as_deref(), target: None };
            let body = Some(body::compose("{}", overrides)?);
            let answer = client.call(HttpCall { method: Method::PATCH, path: &["requests", &id], body, ..HttpCall::default() }).await?;
            print(&answer, show::changed(&answer.json));
        }
        RequestAction::Retry { id } => {
            let answer = client.call(HttpCall { method: Method::POST, path: &["requests", &id, "retry"], ..HttpCall::default() }).await?;
            print(&answer, show::changed(&answer.json));
        }
    }
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

async fn get(client: &Client, arguments: &Get) -> anyhow::Result<Answer> {
    /// Longest pause between two polls.
    const MAX_PAUSE: Duration = Duration::from_secs(2);
    let begun = Instant::now();
    let mut pause = Duration::from_millis(100);
    loop {
        let answer = client.call(HttpCall { path: &["requests", &arguments.id], ..HttpCall::default() }).await?;
        let status = text_of(&answer.json, "status");
        if !arguments.wait || status.parse().is_ok_and(Status::is_end) {
            return Ok(answer);
        }
        let left = arguments.timeout.saturating_sub(begun.elapsed());
        if left.is_zero() {
            bail!(
                "request {} is still {status} after {} (trigger at {}): wait longer with --timeout",
                arguments.id,
                humantime::format_duration(arguments.timeout),
                text_of(&answer.json, "triggerAt"),
            );
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 3 / 2).min(MAX_PAUSE);
    }
}

async fn list(client: &Client, arguments: &List, json: bool) -> anyhow::Result<()> {
    let mut query = vec![("limit", arguments.limit.to_string())];
    let filters = [("useCase", &arguments.use_case), ("status", &arguments.status), ("from", &arguments.from), ("to", &arguments.to)];
    query.extend(filters.into_iter().filter_map(|(name, value)| value.clone().map(|value| (name, value))));
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
