//! `postdate compile-cache`: compiles the plugins of a server before it is started or upgraded.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use postdate_local::{CacheOptions, Prepared, fill_cache};
use serde_json::json;

use crate::compiler::{CacheQuota, CompileArguments};
use crate::logging;
use crate::output::{json_line, out, printable, progress};
use crate::serve::Files;

const NOTES: &str = "\
Run the new version's binary with the data directory of the server, which may go on running: the
first start of the new version then compiles nothing. Machine code in the cache belongs to one
version of wasmtime, and each version of Postdate finds its own.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct CompileCache {
    #[command(flatten)]
    files: Files,

    #[command(flatten)]
    limits: CompileArguments,

    #[command(flatten)]
    cache: CacheQuota,

    /// Print a JSON array of the versions
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: CompileCache) -> anyhow::Result<ExitCode> {
    // The lines of the compiler are the progress of this command.
    logging::init("warn,postdate::plugin=off,postdate_runtime::code::compile=info")?;
    let options = CacheOptions {
        data: arguments.files.data,
        use_cases: arguments.files.use_cases,
        trust: arguments.files.trusted_keys.unwrap_or_default(),
        compiler: arguments.limits.compiler(),
        cache_quota: arguments.cache.cache_quota,
    };
    let (json, mut documents, mut failed) = (arguments.json, Vec::new(), 0);
    fill_cache(options, |Prepared { use_case, version, outcome }| {
        let error = outcome.err().map(|error| format!("{error:#}"));
        progress(
            json,
            &match &error {
                None => format!("compiled  {use_case} {version}\n"),
                Some(error) => format!("failed    {use_case} {version}: {}\n", printable(error)),
            },
        );
        failed += usize::from(error.is_some());
        documents.push(json!({ "useCase": use_case, "version": version, "isCompiled": error.is_none(), "error": error }));
    })
    .await?;
    if json {
        out(&json_line(&documents)?);
    }
    if failed > 0 {
        bail!("{failed} of {} versions were not compiled", documents.len());
    }
    Ok(ExitCode::SUCCESS)
}
