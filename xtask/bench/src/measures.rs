//! The measures, each with its baseline in the same run.

mod accepted_posts;
mod bulk;
mod flow;
mod lambda_start;
mod lambda_warm;
mod lambda_zip;
mod languages;
pub mod lateness;
mod lists;
mod load_compiled;
mod operated;
mod pending_million;
mod pending_ten_million;
mod retention;
mod signature;
mod start;
mod switch;
mod validate_call;

use clap::ValueEnum;

use crate::fixture::Bench;
use crate::row::Row;

/// A measure. The comments of the variants are help texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// The host's complete validate call, and bare wasmtime's
    ValidateCall,
    /// Calls and memory of equivalent plugins in Rust, JavaScript and Python
    Languages,
    /// Accepted POSTs per second, validated by a plugin and fsynced
    AcceptedPosts,
    /// Lateness of requests that are due in quick succession
    Lateness,
    /// Labels, limits, metrics and retention: accepted POSTs and lateness with all of them, beside none
    Operated,
    /// Lateness of a free target beside a backlog of a limited one
    Flow,
    /// Requests that `postdate request cancel` changes in a second
    Bulk,
    /// Pages of a list over 256 use cases
    Lists,
    /// Memory, start, accepted POSTs and lateness with 10,000,000 pending requests; 1,000,000 with --quick
    PendingTenMillion,
    /// Memory and start time with 1,000,000 pending requests
    PendingMillion,
    /// Latency of POSTs while old requests are deleted
    Retention,
    /// Loading precompiled plugins in Rust and JavaScript
    LoadCompiled,
    /// Time from spawn to the first answer
    Start,
    /// Changes of the version under load
    Switch,
    /// Checks of signatures and digests
    Signature,
    /// Lambda: cold starts
    LambdaStart,
    /// Lambda: warm requests, memory, calls of AWS
    LambdaWarm,
    /// Lambda: sizes of the zips
    LambdaZip,
}

impl Measure {
    /// Takes the measure. Fails if it cannot be taken; a missed target is no failure.
    pub async fn take(self, bench: &Bench) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::ValidateCall => validate_call::measure(bench).await,
            Self::Languages => languages::measure(bench).await,
            Self::AcceptedPosts => accepted_posts::measure(bench).await,
            Self::Lateness => lateness::measure(bench).await,
            Self::Operated => operated::measure(bench).await,
            Self::Flow => flow::measure(bench).await,
            Self::Bulk => bulk::measure(bench).await,
            Self::Lists => lists::measure(bench).await,
            Self::PendingTenMillion => pending_ten_million::measure(bench).await,
            Self::PendingMillion => pending_million::measure(bench).await,
            Self::Retention => retention::measure(bench).await,
            Self::LoadCompiled => load_compiled::measure(bench).await,
            Self::Start => start::measure(bench).await,
            Self::Switch => switch::measure(bench).await,
            Self::Signature => signature::measure(bench),
            Self::LambdaStart => lambda_start::measure(bench).await,
            Self::LambdaWarm => lambda_warm::measure(bench).await,
            Self::LambdaZip => lambda_zip::measure(bench),
        }
    }
}
