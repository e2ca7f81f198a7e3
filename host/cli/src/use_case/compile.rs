//! `postdate use-case compile --to STORE --arch ARCH`: compiles versions that a store has already, for hosts with another engine or
//! architecture.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use postdate_runtime::artifacts::Arch;
use postdate_runtime::trust::{SecretKey, Trust};
use postdate_runtime::{Precompiled, Runtime};
use postdate_store::{AnyObjects, PrecompiledCode, StoreError, StoreLocation, Versions};
use serde_json::{Value, json};

use super::arguments::{open, store};
use super::pinned;
use crate::compiler::AuthorCompiler;
use crate::key;
use crate::output::{json_line, out, printable, progress, size_text};
use crate::plugin::compiled;
use crate::plugin::runtime::runtime;

pub const NOTES: &str = "\
Machine code fits one version of wasmtime and one architecture. Run this command with the new program
before you update the functions of a deployment on AWS to a Postdate with another wasmtime, or to
another architecture. A request runs the version that validated it, so old versions are compiled as
well: with --table those that a scheduled, running, failed or expired request is pinned to, and every
current one; without it every version of the store. Machine code that the store has stays.

With --key, only versions that this key, or one of --trusted-keys, has signed are compiled: your
signature would make the hosts trust the files of anybody else.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Compile {
    /// Use cases to compile [default: all of the store]
    names: Vec<String>,

    #[arg(
        long = "to",
        visible_alias = "store",
        env = "POSTDATE_STORE",
        value_name = "STORE",
        value_parser = store,
        help = "Store with the versions: s3://bucket/prefix, or a directory"
    )]
    location: StoreLocation,

    #[arg(long, required = true, help = "Architecture of the hosts, as AWS Lambda names it: x86_64 or arm64; may be given twice")]
    arch: Vec<Arch>,

    /// DynamoDB table of the deployment: compile only versions that are current or that its requests need
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,

    /// Sign the lists of machine code with this private key: see `postdate key new`
    #[arg(long, env = "POSTDATE_KEY_FILE", value_name = "FILE")]
    key: Option<PathBuf>,

    /// Public keys, separated by commas, one of which must have signed a version [default: that of --key]
    #[arg(long, env = "POSTDATE_TRUSTED_KEYS", value_name = "KEYS", value_parser = Trust::parse)]
    trusted_keys: Option<Trust>,

    #[command(flatten)]
    compiler: AuthorCompiler,

    /// List the versions that would be compiled, and compile none
    #[arg(long)]
    dry_run: bool,

    /// Print a JSON array of the versions
    #[arg(long)]
    json: bool,
}

/// The result for a version and an architecture.
enum Step {
    /// The store has the machine code.
    Known,
    /// It would be compiled.
    Missing,
    Compiled(Vec<Precompiled>),
    Failed(String),
}

/// The store, and how to compile for it.
struct Compiler {
    store: Versions<AnyObjects>,
    runtime: Runtime,
    key: Option<SecretKey>,
    /// The keys that must have signed a version, and those that must have signed its machine code.
    trust: Trust,
    signed: Trust,
    dry_run: bool,
}

pub async fn run(mut arguments: Compile) -> anyhow::Result<ExitCode> {
    arguments.arch.sort_unstable();
    arguments.arch.dedup();
    let key = arguments.key.as_deref().map(key::read).transpose()?;
    let signed = Trust::new(key.as_ref().map(SecretKey::public).into_iter().collect());
    let trust = arguments.trusted_keys.unwrap_or_else(|| signed.clone());
    let store = open(&arguments.location).await?;
    let wanted = wanted(&store, &arguments.names, arguments.table.as_deref()).await?;
    let compiler = Compiler { store, runtime: runtime(&arguments.compiler)?, key, trust, signed, dry_run: arguments.dry_run };
    let (json, mut documents, mut failed) = (arguments.json, Vec::new(), 0);
    for (name, version) in wanted.iter().flat_map(|(name, versions)| versions.iter().map(move |version| (name, version))) {
        for arch in &arguments.arch {
            let step = compiler.compile(name, version, *arch).await.unwrap_or_else(|error| Step::Failed(format!("{error:#}")));
            failed += usize::from(matches!(step, Step::Failed(_)));
            progress(json, &step.text(name, version, *arch));
            documents.push(step.document(name, version, *arch));
        }
    }
    if json {
        out(&json_line(&documents)?);
    }
    if failed > 0 {
        bail!("{failed} of {} were not compiled: requests that need them wait until they are", documents.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the versions to compile, by use case: with a table those that are current or needed, else all of the store.
async fn wanted(store: &Versions<AnyObjects>, names: &[String], table: Option<&str>) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut wanted = BTreeMap::new();
    for name in store.names().await? {
        let versions = match (table, store.current_if_any(&name).await) {
            (Some(table), Ok(current)) => {
                let mut needed = pinned::in_table(table, &name, store.versions(&name).await?).await?;
                needed.extend(current.map(|current| current.version));
                needed
            }
            (None, Ok(_)) => complete(store, &name).await?,
            // A directory of another kind.
            (_, Err(StoreError::NoSuchUseCase(_))) => continue,
            (_, Err(error)) => return Err(error.into()),
        };
        wanted.insert(name, versions);
    }
    if let Some(unknown) = names.iter().find(|name| !wanted.contains_key(*name)) {
        return Err(StoreError::NoSuchUseCase(printable(unknown)).into());
    }
    wanted.retain(|name, _| names.is_empty() || names.contains(name));
    Ok(wanted)
}

/// Returns the versions of a use case whose push is complete.
async fn complete(store: &Versions<AnyObjects>, name: &str) -> Result<BTreeSet<String>, StoreError> {
    let mut complete = BTreeSet::new();
    for version in store.versions(name).await? {
        match store.statement(name, &version, &Trust::default()).await {
            Err(StoreError::NoSuchVersion { .. }) => {}
            // A damaged statement is reported with the version.
            _ => drop(complete.insert(version)),
        }
    }
    Ok(complete)
}

impl Compiler {
    /// Compiles a version for an architecture unless the store has its machine code.
    async fn compile(&self, name: &str, version: &str, arch: Arch) -> anyhow::Result<Step> {
        let Self { store, runtime, key, trust, signed, dry_run } = self;
        let use_case = store.use_case(name, version, trust).await?;
        if store.is_precompiled(&use_case, version, arch, signed).await? {
            return Ok(Step::Known);
        }
        if *dry_run {
            return Ok(Step::Missing);
        }
        let source = store.source(name, version, trust).await?;
        let new = runtime.precompile(&source, &use_case, arch).await?;
        store.publish_precompiled(&use_case, &source, arch, &codes(&new), key.as_ref()).await?;
        Ok(Step::Compiled(new))
    }
}

impl Step {
    fn text(&self, name: &str, version: &str, arch: Arch) -> String {
        let (step, details) = match self {
            Self::Known => ("known", String::new()),
            Self::Missing => ("missing", ": would be compiled".to_owned()),
            Self::Compiled(new) => ("compiled", format!(": {}", details(new))),
            Self::Failed(error) => ("failed", format!(": {}", printable(error))),
        };
        format!("{step:<9}  {name} {version} {arch}{details}\n")
    }

    fn document(&self, name: &str, version: &str, arch: Arch) -> Value {
        let mut document = json!({ "useCase": name, "version": version, "arch": arch });
        document["step"] = json!(match self {
            Self::Known => "known",
            Self::Missing => "missing",
            Self::Compiled(_) => "compiled",
            Self::Failed(_) => "failed",
        });
        match self {
            Self::Compiled(new) => document["compiled"] = new.iter().map(compiled).collect(),
            Self::Failed(error) => document["error"] = json!(error),
            Self::Known | Self::Missing => {}
        }
        document
    }
}

/// Returns machine code in the form that a store takes.
pub fn codes(new: &[Precompiled]) -> Vec<PrecompiledCode> {
    new.iter().map(|new| PrecompiledCode { artifact: new.artifact.clone(), code: new.code.clone() }).collect()
}

/// Returns sizes and times of machine code for the terminal.
pub fn details(new: &[Precompiled]) -> String {
    let line = |new: &Precompiled| format!("{} {} in {} ms", new.artifact.role, size_text(new.artifact.bytes), new.elapsed.as_millis());
    if new.is_empty() { "no plugins".to_owned() } else { new.iter().map(line).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests;
