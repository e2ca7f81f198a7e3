//! The command line of `postdate request`.

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
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
  postdate request move 01980000-0000-7000-8000-000000000000 --in 1h

With --json, the API's answer is printed unchanged. An error answer is printed as well, with exit code 1.";

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
    /// List requests, ordered by trigger time
    List(List),
    /// Cancel a scheduled request: it never runs
    Cancel {
        /// Correlation id of the request
        id: String,
    },
    /// Give a scheduled request another time
    Move {
        /// Correlation id of the request
        id: String,
        #[command(flatten)]
        to: To,
        /// Zone of a time without an offset, such as Europe/Berlin
        #[arg(long, value_name = "ZONE", requires = "at")]
        zone: Option<String>,
    },
    /// Run a request again that failed or expired, now
    Retry {
        /// Correlation id of the request
        id: String,
    },
}

/// The new time: exactly one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct To {
    /// New time: RFC 3339 with an offset, or with --zone such as "2027-03-28 09:00"
    #[arg(long, value_name = "TIME", value_parser = when::at)]
    pub at: Option<At>,

    /// Delay from now: 90s, 1h30m, or ISO 8601 such as P7D
    #[arg(long = "in", value_name = "DELAY", value_parser = when::delay)]
    pub delay: Option<String>,
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

    /// Wait until the request has ended; the exit code is 0 only if it succeeded
    #[arg(long)]
    pub wait: bool,

    /// Longest wait
    #[arg(long, default_value = "60s", value_parser = when::duration, requires = "wait")]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub struct List {
    /// Only requests of this use case
    #[arg(long, value_name = "NAME")]
    pub use_case: Option<String>,

    /// Only requests with this status
    #[arg(long, value_parser = PossibleValuesParser::new(Status::ALL.map(Status::as_str)))]
    pub status: Option<String>,

    /// Only requests due at this time or later: RFC 3339
    #[arg(long, value_name = "TIME", value_parser = when::instant)]
    pub from: Option<String>,

    /// Only requests due before this time: RFC 3339
    #[arg(long, value_name = "TIME", value_parser = when::instant)]
    pub to: Option<String>,

    /// Requests per page
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,

    /// Cursor that the previous page ended with
    #[arg(long)]
    pub cursor: Option<String>,

    /// Print all pages; with --json, one answer per line
    #[arg(long)]
    pub all: bool,
}
