//! `postdate use-case …`: pushes and pauses use cases, and lists, compares, compiles, rolls back and deletes their versions.

mod arguments;
mod compile;
mod diff;
mod list;
mod pause;
mod pinned;
mod prune;
mod push;
mod rollback;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::client::Connection;

const EXAMPLES: &str = "\
Examples:
  postdate use-case push use-cases/orders --to s3://bucket/use-cases --arch arm64 --key postdate.key
  postdate use-case push use-cases/orders --to http://127.0.0.1:8080      to `postdate serve`
  postdate use-case list                                                  of a server; or `list orders`: its versions
  postdate use-case list orders --store s3://bucket/use-cases             of a store
  postdate use-case diff orders --store s3://bucket/use-cases
  postdate use-case compile --to s3://bucket/use-cases --arch arm64 --table postdate      before an update
  postdate use-case rollback orders --store s3://bucket/use-cases
  postdate use-case pause orders --target hook --until +1h

A store is a prefix of an S3 bucket, or a directory. `postdate serve` has its store in DATA/store.";

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
    /// List the use cases of a server or a store, or the versions of one use case
    List(list::List),
    /// Check, test and compile a bundle, copy it to a store or a server, and make it the current version
    Push(push::Push),
    /// Compile the versions of a store for hosts of another version of Postdate, or of another architecture
    Compile(compile::Compile),
    /// Show a version: its files, plugins, grants and signatures
    Show(show::Show),
    /// Compare two versions: manifest, files, and the imports of the plugins
    Diff(diff::Diff),
    /// Make a former version the current one
    Rollback(rollback::Rollback),
    /// Hold back the requests of a use case, or of one target: they are accepted, and wait
    Pause(pause::Pause),
    /// End a pause: requests that waited run, the oldest first
    Resume(pause::Resume),
    /// Delete versions that neither serve nor are needed by a request
    Prune(prune::Prune),
}

pub async fn run(command: UseCaseCommand) -> anyhow::Result<ExitCode> {
    crate::logging::init("warn,postdate::plugin=off")?;
    let connection = &command.connection;
    match command.action {
        UseCaseAction::List(arguments) => list::run(arguments, connection).await,
        UseCaseAction::Push(arguments) => push::run(arguments, connection).await,
        UseCaseAction::Compile(arguments) => compile::run(arguments).await,
        UseCaseAction::Show(arguments) => show::run(arguments).await,
        UseCaseAction::Diff(arguments) => diff::run(arguments).await,
        UseCaseAction::Rollback(arguments) => rollback::run(arguments, connection).await,
        UseCaseAction::Pause(arguments) => pause::pause(arguments, connection).await,
        UseCaseAction::Resume(arguments) => pause::resume(arguments, connection).await,
        UseCaseAction::Prune(arguments) => prune::run(arguments, connection).await,
    }
}
