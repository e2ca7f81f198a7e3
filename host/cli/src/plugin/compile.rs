//! `postdate plugin compile BUNDLE_DIR --arch ARCH`: compiles for hosts without a compiler, such as AWS Lambda.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use postdate_core::plugin::Role;
use postdate_runtime::artifacts::{ARTIFACTS_DIR, ARTIFACTS_FILE, Arch, Artifact, Artifacts};
use postdate_runtime::{Precompiled, Secrets, read_bundle_dir, write_artifacts};
use serde_json::{Value, json};

use super::runtime::runtime;
use crate::compiler::AuthorCompiler;
use crate::key;
use crate::output::{columns, json_line, milliseconds, out, path_text};

const NOTES: &str = "\
The machine code runs on every processor of its architecture, but only in hosts with exactly this
program's version of wasmtime: compile again after an update of Postdate. Machine code is not part
of the bundle's version. A host without trusted keys loads any machine code in this directory:
never give it machine code from a stranger.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Compile {
    /// The bundle: a directory with use-case.toml and its plugins
    #[arg(value_name = "BUNDLE_DIR")]
    dir: PathBuf,

    #[arg(long, required = true, help = "Architecture of the hosts, as AWS Lambda names it: x86_64 or arm64; may be given twice")]
    arch: Vec<Arch>,

    #[arg(long, value_name = "DIR", help = "Directory to write machine code and artifacts.json to [default: BUNDLE_DIR/compiled]")]
    out: Option<PathBuf>,

    /// Sign the list of machine code with this private key: see `postdate key new`
    #[arg(long, env = "POSTDATE_KEY_FILE", value_name = "FILE")]
    key: Option<PathBuf>,

    /// Print JSON, with sizes in bytes
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Compile, compiler: &AuthorCompiler) -> anyhow::Result<ExitCode> {
    let Compile { dir, mut arch, out: target, key, json } = arguments;
    let key = key.as_deref().map(key::read).transpose()?;
    arch.sort_unstable();
    arch.dedup();
    let source = read_bundle_dir(&dir)?;
    // Loads the bundle on this machine first, since only linking finds an interface whose type does not fit its name.
    let runtime = runtime(compiler)?;
    runtime.load(&source, &Secrets::of(|_| Some(String::new()))).await?;

    let use_case = source.use_case()?;
    let mut new = Vec::new();
    for arch in arch {
        new.extend(runtime.precompile(&source, &use_case, arch).await?);
    }
    let target = target.unwrap_or_else(|| dir.join(ARTIFACTS_DIR));
    let artifacts = write_artifacts(&target, &source, &use_case, &new, key.as_ref())?;
    out(&if json { json_line(&document(&target, &artifacts, &new))? } else { table(&new) + &conclusion(&target, &artifacts, new.len()) });
    Ok(ExitCode::SUCCESS)
}

fn document(target: &Path, artifacts: &Artifacts, new: &[Precompiled]) -> Value {
    json!({
        "version": artifacts.version,
        "file": path_text(&target.join(ARTIFACTS_FILE)),
        "compiled": new.iter().map(compiled).collect::<Vec<_>>(),
        "kept": artifacts.artifacts.len() - new.len(),
    })
}

/// Returns a plugin's machine code for JSON, without the code.
pub fn compiled(new: &Precompiled) -> Value {
    let Artifact { role, arch, bytes, .. } = &new.artifact;
    json!({ "role": role, "arch": arch, "bytes": bytes, "elapsedMs": milliseconds(new.elapsed) })
}

fn table(compiled: &[Precompiled]) -> String {
    let rows = compiled.iter().map(|new| row(new.artifact.role, new.artifact.arch, new.artifact.bytes, new.elapsed));
    let header = ["role", "arch", "bytes", "time"].map(str::to_owned).to_vec();
    if compiled.is_empty() { String::new() } else { columns(&std::iter::once(header).chain(rows).collect::<Vec<_>>(), "") }
}

fn row(role: Role, arch: Arch, bytes: u64, elapsed: Duration) -> Vec<String> {
    vec![role.to_string(), arch.to_string(), bytes.to_string(), format!("{} ms", elapsed.as_millis())]
}

fn conclusion(target: &Path, artifacts: &Artifacts, new: usize) -> String {
    let Artifacts { version, artifacts, .. } = artifacts;
    let kept = match artifacts.len() - new {
        0 => String::new(),
        kept => format!(", with {kept} compiled before"),
    };
    let none = if artifacts.is_empty() { "; the use case has no plugins to compile" } else { "" };
    format!("wrote {} (version {version}{kept}){none}\n", target.join(ARTIFACTS_FILE).display())
}

#[cfg(test)]
mod tests;
