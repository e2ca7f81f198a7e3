//! `postdate request …`: a client for any Postdate API.

pub mod client;
mod problem;
pub mod show;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::{Args, Subcommand};
use reqwest::Method;

use crate::body::{self, Overrides};
use crate::output::out;
use crate::when;
use client::{Answer, Call, Client, Connection};
use problem::Problem;

const EXAMPLES: &str = "\
Examples:
  postdate request post orders --in 5s --body '{\"item\":\"book\",\"quantity\":2}'
  postdate request post orders --at 2027-03-01T09:00:00+01:00 --body order.json --idempotency-key order-17
  postdate request get 01980000-0000-7000-8000-000000000000 --wait
  postdate request list --use-case orders --status failed --all
  postdate request move 01980000-0000-7000-8000-000000000000 --in 1h

With --json the API's answer is printed as it came, also when it is an error; the exit code is 1 then.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RequestCommand {
    #[command(flatten)]
    connection: Connection,

    /// Print the API's answer as it came
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send a request to be processed later
    Post(Post),
    /// Show one request with its history
    Get(Get),
    /// List requests in order of their time
    List(List),
    /// Cancel a scheduled request: it will not run
    Cancel { id: String },
    /// Give a scheduled request another time
    Move {
        id: String,
        #[command(flatten)]
        to: To,
    },
    /// Run a failed request again, now
    Retry { id: String },
}

/// Exactly one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct To {
    /// The time: RFC 3339 with an offset
    #[arg(long, value_name = "TIME", value_parser = when::at)]
    at: Option<String>,

    /// The time from now: 90s, 1h30m or ISO 8601 such as P7D
    #[arg(long = "in", value_name = "DELAY", value_parser = when::delay)]
    delay: Option<String>,
}

#[derive(Debug, Args)]
struct Post {
    /// Name of the use case
    use_case: String,

    /// When: RFC 3339 with an offset, such as 2027-03-01T09:00:00+01:00. Wins over "triggerAt" in the body
    #[arg(long, value_name = "TIME", value_parser = when::at, conflicts_with = "delay")]
    at: Option<String>,

    /// How long from now: 90s, 1h30m, or ISO 8601 such as PT90S. Wins over "delay" in the body
    #[arg(long = "in", value_name = "DELAY", value_parser = when::delay)]
    delay: Option<String>,

    /// The body: a file, "-" for stdin, or a JSON object
    #[arg(long, value_name = "FILE|-|JSON", default_value = "{}")]
    body: String,

    /// Alias of the target, if not the use case's default
    #[arg(long)]
    target: Option<String>,

    /// Makes a repeat of this post safe: the same key and body give the first answer again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
struct Get {
    id: String,

    /// Wait until the request has ended. The exit code is 0 only if it succeeded
    #[arg(long)]
    wait: bool,

    /// How long to wait
    #[arg(long, default_value = "60s", value_parser = when::duration, requires = "wait")]
    timeout: Duration,
}

#[derive(Debug, Args)]
struct List {
    #[arg(long)]
    use_case: Option<String>,

    #[arg(long, value_parser = ["scheduled", "running", "succeeded", "failed", "cancelled"])]
    status: Option<String>,

    /// Due at this time or later: RFC 3339
    #[arg(long, value_name = "TIME", value_parser = when::at)]
    from: Option<String>,

    /// Due before this time: RFC 3339
    #[arg(long, value_name = "TIME", value_parser = when::at)]
    to: Option<String>,

    /// Requests a page
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,

    /// Where a page begins: what the page before it ended with
    #[arg(long)]
    cursor: Option<String>,

    /// Every page, one after the other; with --json an answer a line
    #[arg(long)]
    all: bool,
}

pub async fn run(command: RequestCommand) -> anyhow::Result<ExitCode> {
    let json = command.json;
    match act(command).await {
        Err(error) if json && error.downcast_ref::<Problem>().is_some() => {
            let problem = error.downcast_ref::<Problem>().map(|problem| problem.text.as_str()).unwrap_or_default();
            out(&format!("{problem}\n"));
            Ok(ExitCode::FAILURE)
        }
        other => other,
    }
}

async fn act(command: RequestCommand) -> anyhow::Result<ExitCode> {
    let client = Client::new(&command.connection)?;
    let print = |answer: &Answer, human: String| out(&if command.json { format!("{}\n", answer.text) } else { human });
    match command.action {
        Action::Post(arguments) => {
            let answer = post(&client, &arguments).await?;
            print(&answer, show::acknowledgement(&answer.json, &get_command(&command.connection)));
        }
        Action::Get(arguments) => {
            let answer = get(&client, &arguments).await?;
            print(&answer, show::request(&answer.json));
            if arguments.wait && answer.json["status"] != "succeeded" {
                return Ok(ExitCode::FAILURE);
            }
        }
        Action::List(arguments) => list(&client, &arguments, command.json).await?,
        Action::Cancel { id } => {
            let answer = client.call(Call { method: Method::DELETE, path: &["requests", &id], ..Call::default() }).await?;
            print(&answer, show::changed(&answer.json));
        }
        Action::Move { id, to } => {
            let overrides = Overrides { trigger_at: to.at.as_deref(), delay: to.delay.as_deref(), target: None };
            let body = Some(body::compose("{}", overrides)?);
            let answer = client.call(Call { method: Method::PATCH, path: &["requests", &id], body, ..Call::default() }).await?;
            print(&answer, show::changed(&answer.json));
        }
        Action::Retry { id } => {
            let answer = client.call(Call { method: Method::POST, path: &["requests", &id, "retry"], ..Call::default() }).await?;
            print(&answer, show::changed(&answer.json));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn post(client: &Client, arguments: &Post) -> anyhow::Result<Answer> {
    let overrides =
        Overrides { trigger_at: arguments.at.as_deref(), delay: arguments.delay.as_deref(), target: arguments.target.as_deref() };
    let body = body::compose(&body::read(&arguments.body)?, overrides)?;
    let path = &["requests", arguments.use_case.as_str()];
    let idempotency_key = arguments.idempotency_key.as_deref();
    client.call(Call { method: Method::POST, path, body: Some(body), idempotency_key, ..Call::default() }).await
}

/// The command that shows a request of this server.
fn get_command(connection: &Connection) -> String {
    let url = connection.url.as_str().trim_end_matches('/');
    // The variable is set for the next command too, as far as we can know.
    if url == "http://127.0.0.1:8080" || std::env::var_os("POSTDATE_URL").is_some() {
        "postdate request get".to_owned()
    } else {
        format!("postdate request --url {url} get")
    }
}

async fn get(client: &Client, arguments: &Get) -> anyhow::Result<Answer> {
    /// Longest pause between two looks.
    const MAX_PAUSE: Duration = Duration::from_secs(2);
    let begun = Instant::now();
    let mut pause = Duration::from_millis(100);
    loop {
        let answer = client.call(Call { path: &["requests", &arguments.id], ..Call::default() }).await?;
        let status = show::text_of(&answer.json, "status");
        if !arguments.wait || ["succeeded", "failed", "cancelled"].contains(&status.as_str()) {
            return Ok(answer);
        }
        let left = arguments.timeout.saturating_sub(begun.elapsed());
        if left.is_zero() {
            bail!(
                "request {} is still {status} after {} (trigger at {}): wait longer with --timeout",
                arguments.id,
                humantime::format_duration(arguments.timeout),
                show::text_of(&answer.json, "triggerAt"),
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
        let answer = client.call(Call { path: &["requests"], query: &page, ..Call::default() }).await?;
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

/// `postdate use-case …`
#[derive(Debug, Args)]
pub struct UseCaseCommand {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    action: UseCaseAction,
}

#[derive(Debug, Subcommand)]
enum UseCaseAction {
    /// List the use cases of a server, with their versions, targets and faults
    List {
        /// Print the API's answer as it came
        #[arg(long)]
        json: bool,
    },
}

pub async fn run_use_case(command: UseCaseCommand) -> anyhow::Result<ExitCode> {
    let UseCaseAction::List { json } = command.action;
    let answer = Client::new(&command.connection)?.call(Call { path: &["use-cases"], ..Call::default() }).await?;
    out(&if json { format!("{}\n", answer.text) } else { show::use_cases(&answer.json) });
    Ok(ExitCode::SUCCESS)
}
