//! `postdate compile-cache`: compiles the plugins of a server before it is started or upgraded.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use postdate_local::{CacheOptions, Prepared, fill_cache};

use crate::compiler::{CacheQuota, Limits};
use crate::logging;
use crate::output::{out, printable};
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
    limits: Limits,

    #[command(flatten)]
    cache: CacheQuota,
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
    let (mut all, mut failed) = (0, 0);
    fill_cache(options, |Prepared { use_case, version, outcome }| {
        all += 1;
        match outcome {
            Ok(()) => out(&format!("compiled  {use_case} {version}\n")),
            Err(error) => {
                failed += 1;
                out(&format!("failed    {use_case} {version}: {}\n", printable(&format!("{error:#}"))));
            }
        }
    })
    .await?;
    if failed > 0 {
        bail!("{failed} of {all} versions were not compiled");
    }
    Ok(ExitCode::SUCCESS)
}
