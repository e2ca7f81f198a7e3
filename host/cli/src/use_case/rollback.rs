//! `postdate use-case rollback NAME [VERSION]`: makes a former version the current one.

use std::process::ExitCode;

use clap::Args;

use super::arguments::{ByArgument, StoreArgument};
use crate::output::out;

#[derive(Debug, Args)]
pub struct Rollback {
    /// Name of the use case
    name: String,
    /// Version to go back to [default: the one that served before]
    version: Option<String>,
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    by: ByArgument,
}

pub async fn run(arguments: Rollback) -> anyhow::Result<ExitCode> {
    let store = arguments.store.open().await?;
    let moved = store.roll_back(&arguments.name, arguments.version.as_deref(), arguments.by.now()).await?;
    let from = moved.from.unwrap_or_default();
    out(&if from == moved.to {
        format!("{} serves version {from} already\n", arguments.name)
    } else {
        format!("{} serves version {} again, instead of {from}\n", arguments.name, moved.to)
    });
    Ok(ExitCode::SUCCESS)
}
