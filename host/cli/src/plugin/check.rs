//! `postdate plugin check FILE|DIR`: shows the exports and imports of a plugin, or of each plugin of a bundle, and the reasons
//! why a host would refuse it. For a bundle, it checks the manifest and the test cases as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use postdate_cases::cases;
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Role;
use postdate_core::use_case::MANIFEST_FILE;
use postdate_runtime::inspect::{Inspection, Kind, Verdict, inspect};
use postdate_runtime::{LoadError, Secrets, read_bundle_dir};

use super::runtime::runtime;
use crate::compiler::AuthorCompiler;
use crate::output::{columns, indented, out, printable, size_text};

const NOTES: &str = "\
An import is one of
  given          every host provides it
  needs a grant  works only with this key in the plugin's table of use-case.toml
  refused        no host provides it; the text says how to avoid it
For a bundle, the manifest, its grants and its test cases are checked as well.
The exit code is 0 only if a host can load the plugin or the bundle.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Check {
    /// The component or the bundle to check
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
}

pub async fn run(arguments: Check, compiler: &AuthorCompiler) -> anyhow::Result<ExitCode> {
    let path = arguments.path;
    let loads = if path.is_dir() { check_bundle(&path, compiler).await? } else { check_file(&path, compiler).await? };
    Ok(if loads { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the findings of a component. Returns `true` if a host can load it.
async fn check_file(file: &Path, compiler: &AuthorCompiler) -> anyhow::Result<bool> {
    let wasm = Bytes::from(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?);
    let inspection = inspect(&wasm);
    out(&findings(&file.display().to_string(), wasm.len() as u64, &inspection));
    let mut problems = inspection.problems(None);
    if problems.is_empty() {
        problems = load_problems(&wasm, &inspection.roles(), compiler).await?;
    }
    out(&conclusion(&inspection.roles(), &problems));
    Ok(problems.is_empty())
}

/// Prints the findings of a bundle. Returns `true` if a host can load it.
async fn check_bundle(dir: &Path, compiler: &AuthorCompiler) -> anyhow::Result<bool> {
    let source = read_bundle_dir(dir)?;
    let use_case = source.use_case()?;
    let files: BTreeSet<&str> =
        [Role::Validate, Role::Process].into_iter().filter_map(|role| use_case.plugin(role)).map(|spec| spec.plugin.as_str()).collect();
    for file in files {
        let wasm = &source.files[file];
        out(&findings(&dir.join(file).display().to_string(), wasm.len() as u64, &inspect(wasm)));
    }
    // Every secret has an empty value, since only the host has the real values.
    let loaded = runtime(compiler)?.load(&source, &Secrets::of(|_| Some(String::new()))).await;
    let mut problems: Vec<String> = loaded.err().map(|error| format!("{:#}", anyhow::Error::from(error))).into_iter().collect();
    let cases = match cases::read_dir(&dir.join(cases::DIR)) {
        Ok(cases) => cases.len(),
        Err(error) => {
            problems.push(format!("{error:#}"));
            0
        }
    };
    out(&if problems.is_empty() {
        let plural = if cases == 1 { "" } else { "s" };
        format!("ok: a host can load the use case {} (version {}); it has {cases} case{plural}\n", use_case.name, source.version())
    } else {
        conclusion(&[], &problems)
    });
    Ok(problems.is_empty())
}

/// Returns the problems that only compiling and linking find: invalid code, and an interface whose type does not fit its name.
async fn load_problems(wasm: &Bytes, roles: &[Role], compiler: &AuthorCompiler) -> anyhow::Result<Vec<String>> {
    let runtime = runtime(compiler)?;
    let mut problems = Vec::new();
    for role in roles {
        match runtime.load(&bundle_for(*role, wasm), &Secrets::none()).await {
            Ok(_) => {}
            Err(LoadError::Plugin { reason, .. }) => problems.push(reason),
            Err(other) => return Err(other.into()),
        }
    }
    Ok(problems)
}

/// Returns the smallest bundle with this plugin.
fn bundle_for(role: Role, wasm: &Bytes) -> BundleSource {
    let manifest =
        format!("name = 'check'\n[{role}]\nplugin = 'plugin.wasm'\n[targets]\nout = {{ kind = 'http', url = 'http://localhost/' }}\n");
    BundleSource { files: BTreeMap::from([(MANIFEST_FILE.to_owned(), manifest.into()), ("plugin.wasm".to_owned(), wasm.clone())]) }
}

fn findings(file: &str, size: u64, inspection: &Inspection) -> String {
    let Kind::Component { .. } = inspection.kind else { return format!("{file} ({})\n", size_text(size)) };
    let mut text = format!("{file}: a component of {}\n", size_text(size));
    let exports: Vec<Vec<String>> = inspection
        .exports
        .iter()
        .map(|export| {
            let role = match (export.role, export.supported) {
                (Some(role), true) => format!("the {role} plugin"),
                (Some(role), false) => format!("a {role} plugin for a version of the contract that this host does not support"),
                (None, _) => "not used by Postdate".to_owned(),
            };
            vec![printable(&export.name), role]
        })
        .collect();
    let imports: Vec<Vec<String>> = inspection
        .imports
        .iter()
        .map(|import| {
            let (answer, note) = match &import.verdict {
                Verdict::Given { note } => ("given", (*note).to_owned()),
                Verdict::NeedsGrant { key, note } => ("needs a grant", format!("{key}: {note}")),
                Verdict::Refused { why, fix } => ("refused", format!("{why}: {fix}")),
            };
            vec![printable(&import.name), answer.to_owned(), note]
        })
        .collect();
    for (label, rows) in [("exports", exports), ("imports", imports)] {
        let _ = if rows.is_empty() { writeln!(text, "{label} nothing") } else { write!(text, "{label}\n{}", columns(&rows, "  ")) };
    }
    text
}

fn conclusion(roles: &[Role], problems: &[String]) -> String {
    if problems.is_empty() {
        let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
        return format!("ok: a host can load it as the {} plugin of a use case\n", roles.join(" and as the "));
    }
    problems.iter().fold("no host can load it:\n".to_owned(), |text, problem| text + &indented(&printable(problem), "  "))
}

#[cfg(test)]
mod tests;
