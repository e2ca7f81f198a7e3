//! `postdate plugin …`: writes, builds, checks, tests, compiles and calls plugins, as a server does under the manifest's limits.

mod build;
mod check;
mod compile;
mod new;
mod report;
mod run;
pub mod runtime;
mod template;
mod test;
mod watch;

pub use compile::compiled;
pub use report::diff;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::compiler::AuthorCompiler;
use crate::logging;

const EXAMPLES: &str = "\
Examples:
  postdate plugin new reminders --lang js
  postdate plugin new events --lang rust --template json-schema
  postdate plugin build reminders
  postdate plugin test reminders --watch
  postdate plugin check use-cases/orders/validate.wasm
  postdate plugin test use-cases/orders
  postdate plugin run validate use-cases/orders --body '{\"item\":\"book\",\"quantity\":2}'
  postdate plugin compile use-cases/orders --arch arm64";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PluginCommand {
    #[command(flatten)]
    compiler: AuthorCompiler,

    #[command(subcommand)]
    action: PluginAction,
}

#[derive(Debug, Subcommand)]
enum PluginAction {
    /// Write a new use case: sources in a language, a manifest, and test cases that pass
    New(new::New),
    /// Build the components of a bundle from its sources
    Build(build::Build),
    /// Show exports and imports of a plugin, or of each plugin of a bundle, and why a host would refuse it
    Check(check::Check),
    /// Run the test cases of a bundle
    Test(test::Test),
    /// Compile the plugins of a bundle ahead of time, for hosts without a compiler
    Compile(compile::Compile),
    /// Call a plugin once, and show its answer, time, memory and log
    Run(run::Run),
}

pub async fn run(command: PluginCommand) -> anyhow::Result<ExitCode> {
    // The commands show a plugin's own output with its result, not as log lines.
    logging::init("warn,postdate::plugin=off")?;
    let compiler = &command.compiler;
    match command.action {
        PluginAction::New(arguments) => new::run(arguments),
        PluginAction::Build(arguments) => build::run(&arguments),
        PluginAction::Check(arguments) => check::run(arguments, compiler).await,
        PluginAction::Test(arguments) => test::run(arguments, compiler).await,
        PluginAction::Compile(arguments) => compile::run(arguments, compiler).await,
        PluginAction::Run(arguments) => run::run(arguments, compiler).await,
    }
}
