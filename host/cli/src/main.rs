//! `postdate`: the server, the tools for plugins, and a client of the API, in one binary.

mod api_key;
mod aws;
mod backup;
mod body;
mod client;
mod compile_cache;
mod compiler;
mod confirm;
mod dead_letter;
mod health;
mod init;
mod key;
mod ledger;
mod listen;
mod logging;
mod loopback;
mod man_pages;
mod new_file;
mod output;
mod plugin;
mod request;
mod schema;
mod serve;
mod ui;
mod use_case;
mod when;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  postdate serve                                    start a server on http://127.0.0.1:8080
  postdate init                                     a first use case, which sends a webhook
  postdate request post orders --in 5s --body '{\"item\":\"book\",\"quantity\":2}'
  postdate request list --status failed
  postdate plugin new reminders --lang js           a use case with sources; also rust, python
  postdate plugin test use-cases/orders
  postdate use-case push use-cases/orders --to s3://bucket/use-cases --arch arm64
  postdate ui --url https://postdate.example.com    its page, on this machine
  postdate listen --port 9000                       print the requests of a webhook

Each command has its own --help.";

/// Send an API request now, have it processed once, later, by a sandboxed plugin.
#[derive(Debug, Parser)]
#[command(name = "postdate", version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server on this machine
    Serve(serve::Serve),
    /// Write a use case that needs no plugin: it sends a webhook
    Init(init::Init),
    /// Compile all plugins of a server ahead of its start, for example before an upgrade
    CompileCache(compile_cache::CompileCache),
    /// Ask a server whether it takes requests
    Health(health::Health),
    /// Write a backup of a server's data directory, also while the server runs
    Backup(backup::Backup),
    /// Restore a data directory from a backup
    Restore(backup::Restore),
    /// Measure, compact and resume the ledger of a data directory
    Ledger(ledger::LedgerCommand),
    /// Check, test and try plugins, without a server
    Plugin(plugin::PluginCommand),
    /// Post, follow and list requests; cancel, move, retry and erase one or many
    Request(request::RequestCommand),
    /// Push and pause use cases, and list, compare, roll back and delete their versions
    UseCase(use_case::UseCaseCommand),
    /// Make, list and revoke keys of a server's API
    ApiKey(api_key::ApiKeyCommand),
    /// Make keys that sign bundles
    Key(key::KeyCommand),
    /// List the dead letters of a deployment on AWS, and send them again
    DeadLetter(dead_letter::DeadLetterCommand),
    /// Show the page of a server or a deployment on this machine
    Ui(ui::Ui),
    /// Receive HTTP requests on this machine and print them, to try webhooks
    Listen(listen::Listen),
    /// Compile a plugin under limits; started by this program only
    #[command(name = compiler::COMMAND, hide = true)]
    CompilePlugin(compiler::CompilePlugin),
    /// Print the JSON Schema of use-case.toml or of a test case, for an editor
    Schema(schema::Schema),
    /// Print a completion script for a shell, as in `source <(postdate completions bash)`
    Completions { shell: clap_complete::Shell },
    /// Write the man pages of all commands to a directory
    ManPages(man_pages::ManPages),
}

fn main() -> ExitCode {
    install_tls_provider();
    run(Cli::parse().command).unwrap_or_else(|error| {
        output::err(&output::error_text(&error));
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::CompileCache(arguments) => async_runtime()?.block_on(compile_cache::run(arguments)),
        Command::Serve(arguments) => {
            let runtime = async_runtime()?;
            let served = runtime.block_on(serve::run(arguments));
            // A blocking task, such as a look-up of a name, must not delay the end.
            runtime.shutdown_timeout(Duration::from_secs(1));
            served
        }
        Command::Init(arguments) => init::run(arguments),
        Command::Health(arguments) => async_runtime()?.block_on(health::run(arguments)),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => backup::run_restore(arguments),
        Command::Ledger(command) => ledger::run(command),
        Command::Plugin(command) => async_runtime()?.block_on(plugin::run(command)),
        Command::Request(command) => async_runtime()?.block_on(request::run(command)),
        Command::UseCase(command) => async_runtime()?.block_on(use_case::run(command)),
        Command::ApiKey(command) => api_key::run(command),
        Command::Key(command) => key::run(command),
        Command::DeadLetter(command) => async_runtime()?.block_on(dead_letter::run(command)),
        Command::Ui(arguments) => async_runtime()?.block_on(ui::run(arguments)),
        Command::Listen(arguments) => async_runtime()?.block_on(listen::run(arguments)),
        Command::CompilePlugin(arguments) => Ok(compiler::run(&arguments)),
        Command::Schema(arguments) => Ok(schema::run(&arguments)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "postdate", &mut script);
            output::out(&String::from_utf8_lossy(&script));
            Ok(ExitCode::SUCCESS)
        }
        Command::ManPages(arguments) => man_pages::run(&arguments, Cli::command()),
    }
}

fn async_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the async runtime")
}

/// Makes rustls with ring the TLS provider of the whole process; reqwest is built without one.
fn install_tls_provider() {
    // The only error is that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests;
