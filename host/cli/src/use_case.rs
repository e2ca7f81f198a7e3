//! `postdate use-case …`: what serves, in which version, and what served before.

mod diff;
mod list;
mod place;
mod prune;
mod push;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use postdate_store::{AnyObjects, By, Versions};

use crate::output::out;
use crate::request::client::Connection;
use place::Place;

const EXAMPLES: &str = "\
Examples:
  postdate use-case push use-cases/orders --to s3://bucket/use-cases --arch arm64 --key postdate.key
  postdate use-case push use-cases/orders --to http://127.0.0.1:8080      to `postdate serve`
  postdate use-case list --store s3://bucket/use-cases                    or `list orders`: its versions
  postdate use-case diff orders --store s3://bucket/use-cases
  postdate use-case rollback orders --store s3://bucket/use-cases
A store is a prefix of an S3 bucket or a directory. That of `postdate serve` is DATA/store.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct UseCaseCommand {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: UseCaseAction,
}

#[derive(Debug, Subcommand)]
enum UseCaseAction {
    /// List the use cases of a server or a store; or the versions of one
    List(list::List),
    /// Check, test and compile a bundle, bring it to a store or a server, and make it the version that serves
    Push(push::Push),
    /// Show a version: its files, plugins, grants and signatures
    Show(show::Show),
    /// Show what differs between two versions: manifest, files, and what the plugins import
    Diff(diff::Diff),
    /// Make a former version the one that serves
    Rollback(Rollback),
    /// Delete versions that neither serve nor are needed by a request
    Prune(prune::Prune),
}

/// Where the versions are.
#[derive(Debug, Args)]
pub struct StoreArgument {
    #[arg(long = "store", env = "POSTDATE_STORE", value_name = "STORE", value_parser = place::store, help = "Where the versions are: s3://bucket/prefix, or a directory")]
    place: Place,
}

impl StoreArgument {
    fn is_bucket(&self) -> bool {
        matches!(self.place, Place::S3 { .. })
    }

    async fn open(&self) -> anyhow::Result<Versions<AnyObjects>> {
        open(&self.place).await
    }
}

/// Only for what [`place::store`] has passed.
async fn open(place: &Place) -> anyhow::Result<Versions<AnyObjects>> {
    place.open().await?.ok_or_else(|| anyhow::anyhow!("a server is not a store"))
}

#[derive(Debug, Args)]
pub struct Rollback {
    name: String,
    /// The version to go back to; by default the one that served before
    version: Option<String>,
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    who: Who,
}

/// Who is said to have done it.
#[derive(Debug, Args)]
pub struct Who {
    /// Who you are, for `list`
    #[arg(long, env = "POSTDATE_BY", value_name = "NAME", default_value_t = user_at_host())]
    by: String,
}

impl Who {
    fn now(&self) -> By<'_> {
        By { name: &self.by, now: chrono::Utc::now() }
    }
}

fn user_at_host() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host}")
}

pub async fn run(command: UseCaseCommand) -> anyhow::Result<ExitCode> {
    crate::logging::init("warn,postdate::plugin=off")?;
    let connection = &command.connection;
    match command.action {
        UseCaseAction::List(arguments) => list::run(arguments, connection).await,
        UseCaseAction::Push(arguments) => push::run(arguments, connection).await,
        UseCaseAction::Show(arguments) => show::run(arguments).await,
        UseCaseAction::Diff(arguments) => diff::run(arguments).await,
        UseCaseAction::Rollback(arguments) => roll_back(arguments).await,
        UseCaseAction::Prune(arguments) => prune::run(arguments, connection).await,
    }
}

async fn roll_back(arguments: Rollback) -> anyhow::Result<ExitCode> {
    let store = arguments.store.open().await?;
    let moved = store.roll_back(&arguments.name, arguments.version.as_deref(), arguments.who.now()).await?;
    let from = moved.from.unwrap_or_default();
    out(&if from == moved.to {
        format!("{} serves version {from} already\n", arguments.name)
    } else {
        format!("{} serves version {} again; it was {from}\n", arguments.name, moved.to)
    });
    Ok(ExitCode::SUCCESS)
}
