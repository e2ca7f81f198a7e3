//! The measures, each with its baseline in the same run.

mod accepted_posts;
mod lambda_start;
mod lambda_warm;
mod lambda_zip;
mod languages;
pub mod lateness;
mod load_compiled;
mod pending_million;
mod signature;
mod start;
mod switch;
mod validate_call;

use clap::ValueEnum;

use crate::fixture::Bench;
use crate::row::Row;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// The host's whole validate call, beside bare wasmtime
    ValidateCall,
    /// Calls and memory of the same plugins in Rust, JavaScript and Python
    Languages,
    /// Accepted POSTs a second, validated by a plugin and fsynced
    AcceptedPosts,
    /// How late requests end that are due evenly over some seconds
    Lateness,
    /// Memory and start with 1,000,000 requests pending
    PendingMillion,
    /// Loading machine code that was compiled before, in Rust and JavaScript
    LoadCompiled,
    /// From spawn to the first answer
    Start,
    /// A version that changes under load
    Switch,
    /// Checking signatures
    Signature,
    /// Lambda: cold starts
    LambdaStart,
    /// Lambda: warm requests, memory, calls of AWS
    LambdaWarm,
    /// Lambda: sizes of what is uploaded
    LambdaZip,
}

impl Measure {
    /// Takes the measure. An error means that there is none; a missed target is not one.
    pub async fn take(self, bench: &Bench) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::ValidateCall => validate_call::measure(bench).await,
            Self::Languages => languages::measure(bench).await,
            Self::AcceptedPosts => accepted_posts::measure(bench).await,
            Self::Lateness => lateness::measure(bench).await,
            Self::PendingMillion => pending_million::measure(bench).await,
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
