//! `postdate use-case …`: what a server serves.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::output::out;
use crate::request::client::{Call, Client, Connection};
use crate::request::show;

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

pub async fn run(command: UseCaseCommand) -> anyhow::Result<ExitCode> {
    let UseCaseAction::List { json } = command.action;
    let answer = Client::new(&command.connection)?.call(Call { path: &["use-cases"], ..Call::default() }).await?;
    out(&if json { format!("{}\n", answer.text) } else { show::use_cases(&answer.json) });
    Ok(ExitCode::SUCCESS)
}
