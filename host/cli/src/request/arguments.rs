//! The command line of `postdate request`.

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use postdate_core::limits::Rate;
use postdate_core::request::Status;

use crate::client::Connection;
use crate::when::{self, At};

const EXAMPLES: &str = "\
Examples:
  postdate request post orders --in 5s --body '{\"item\":\"book\",\"quantity\":2}'
  postdate request post orders --at 2027-03-01T09:00:00+01:00 --body order.json --idempotency-key order-17
  postdate request post orders --at \"2027-03-28 09:00\" --zone Europe/Berlin --body order.json
  postdate request get 01980000-0000-7000-8000-000000000000 --wait
  postdate request list --use-case orders --status failed --all
  postdate request list --due-from now --due-to +1h --label customer=42
  postdate request move 01980000-0000-7000-8000-000000000000 --in 1h
  postdate request retry --use-case orders --ended-from -1d --dry-run

With --json, the API's answer is printed unchanged. An error answer is printed as well, with exit code 1.";

const MANY: &str = "\
Without an id, the filters select the requests. The command lists them first, shows how many there are
and a sample, and asks before it changes any. Up to 32 calls run at a time. Run the same command again
after an interruption: it goes on with the requests that are left. Requests that another call changed
meanwhile are counted, and are no failure. With --json, the result is one object.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RequestCommand {
    /// Print the API's answer unchanged
    #[arg(long, global = true)]
    pub json: bool,

    #[command(flatten)]
    pub connection: Connection,

    #[command(subcommand)]
    pub action: RequestAction,
}

#[derive(Debug, Subcommand)]
pub enum RequestAction {
    /// Post a request, to be processed later
    Post(Post),
    /// Show one request with its history
    Get(Get),
    /// List requests, ordered by trigger time, or by the time of the filter
    List(List),
    /// Cancel scheduled requests: they never run
    #[command(after_help = MANY)]
    Cancel(Which),
    /// Give scheduled requests another time
    #[command(after_help = MANY)]
    Move {
        #[command(flatten)]
        to: NewTime,
        #[command(flatten)]
        which: Which,
    },
    /// Run requests again that failed or expired, now
    #[command(after_help = MANY)]
    Retry(Which),
    /// Erase body, result, failure, labels and details of requests; scheduled ones are cancelled
    #[command(after_help = MANY)]
    Erase(Which),
}

/// The new time: exactly one of `at` and `delay`.
#[derive(Debug, Args)]
pub struct NewTime {
    /// New time: RFC 3339 with an offset, or with --zone such as "2027-03-28 09:00"
    #[arg(long, value_name = "TIME", value_parser = when::at, required_unless_present = "delay", conflicts_with = "delay")]
    pub at: Option<At>,

    /// Delay from now: 90s, 1h30m, or ISO 8601 such as P7D. Several requests get the same time
    #[arg(long = "in", value_name = "DELAY", value_parser = when::delay)]
    pub delay: Option<String>,

    /// Zone of a time without an offset, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", requires = "at")]
    pub zone: Option<String>,
}

/// The requests that a command changes.
#[derive(Debug, Args)]
pub struct Which {
    /// Correlation ids of the requests
    #[arg(value_name = "ID", conflicts_with = "Filters")]
    pub ids: Vec<String>,

    /// Do not ask before requests are changed that filters select
    #[arg(long)]
    pub yes: bool,

    /// Show how many requests would be changed and a sample, and change nothing
    #[arg(long, conflicts_with_all = ["yes", "ids"])]
    pub dry_run: bool,

    /// Limit of calls, such as 500/s or 100/m; without it, as many as 32 at a time make
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,

    #[command(flatten)]
    pub filters: Filters,
}

/// Filters of a list. A request must pass all of them.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub struct Filters {
    /// Requests of this use case
    #[arg(long, value_name = "NAME")]
    pub use_case: Option<String>,

    /// Requests with this status
    #[arg(long, value_parser = PossibleValuesParser::new(Status::ALL.map(Status::as_str)))]
    pub status: Option<String>,

    /// Requests with this label; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    pub labels: Vec<Label>,

    /// Requests for this time or later: RFC 3339, now, or from now as in -1d or +1h, by this machine's clock. --since is the same
    #[arg(long, visible_alias = "since", value_name = "TIME", value_parser = when::instant, allow_hyphen_values = true)]
    pub from: Option<String>,

    /// Requests for a time before this one
    #[arg(long, value_name = "TIME", value_parser = when::instant, allow_hyphen_values = true)]
    pub to: Option<String>,

    /// Scheduled requests whose next attempt is due at this time or later
    #[arg(long, value_name = "TIME", value_parser = when::instant, allow_hyphen_values = true)]
    pub due_from: Option<String>,

    /// Scheduled requests whose next attempt is due before this time
    #[arg(long, value_name = "TIME", value_parser = when::instant, allow_hyphen_values = true)]
    pub due_to: Option<String>,

    /// Requests that ended at this time or later
    #[arg(long, value_name = "TIME", value_parser = when::instant, allow_hyphen_values = true)]
    pub ended_from: Option<String>,

    /// Requests that ended before this time
    #[arg(long, value_name = "TIME", value_parser = when::instant, allow_hyphen_values = true)]
    pub ended_to: Option<String>,
}

/// A label's parameter of the API, such as `label.customer`, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    parameter: String,
    value: String,
}

fn label(text: &str) -> Result<Label, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(Label { parameter: format!("label.{name}"), value: value.to_owned() }),
        _ => Err("write it as NAME=VALUE, such as customer=42".to_owned()),
    }
}

impl Filters {
    /// Returns the filters as parameters of `GET /requests`; none if no filter is set.
    pub fn query(&self) -> Vec<(&str, String)> {
        let named = [
            ("useCase", &self.use_case),
            ("status", &self.status),
            ("from", &self.from),
            ("to", &self.to),
            ("dueFrom", &self.due_from),
            ("dueTo", &self.due_to),
            ("endedFrom", &self.ended_from),
            ("endedTo", &self.ended_to),
        ];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        named.chain(self.labels.iter().map(|label| (label.parameter.as_str(), label.value.clone()))).collect()
    }
}

#[derive(Debug, Args)]
pub struct Post {
    /// Name of the use case
    pub use_case: String,

    /// Trigger time: RFC 3339 with an offset, such as 2027-03-01T09:00:00+01:00, or with --zone such as "2027-03-28 09:00". Overrides
    /// "triggerAt" in the body
    #[arg(long, value_name = "TIME", value_parser = when::at, conflicts_with = "delay")]
    pub at: Option<At>,

    /// Zone of a time without an offset, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", requires = "at")]
    pub zone: Option<String>,

    /// Delay from now: 90s, 1h30m, or ISO 8601 such as PT90S. Overrides "delay" in the body
    #[arg(long = "in", value_name = "DELAY", value_parser = when::delay)]
    pub delay: Option<String>,

    /// The body: a file, "-" for stdin, or a JSON object
    #[arg(long, value_name = "FILE|-|JSON", default_value = "{}")]
    pub body: String,

    /// Alias of the target; without it, the use case's default
    #[arg(long)]
    pub target: Option<String>,

    /// Makes the post idempotent: a repeat with the same key and body returns the first answer
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub struct Get {
    /// Correlation id of the request
    pub id: String,

    /// Wait until the request has ended, for this long at most; the exit code is 0 only if it succeeded
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60s",
        value_parser = when::duration
    )]
    pub wait: Option<Duration>,

    /// Print the accepted body, byte for byte
    #[arg(long, conflicts_with = "wait")]
    pub body: bool,
}

#[derive(Debug, Args)]
pub struct List {
    /// Requests per page
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,

    /// Cursor that the previous page ended with
    #[arg(long)]
    pub cursor: Option<String>,

    /// Print all pages; with --json, one answer per line
    #[arg(long)]
    pub all: bool,

    #[command(flatten)]
    pub filters: Filters,
}
