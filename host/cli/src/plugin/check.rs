//! `postdate plugin check FILE|DIR`: what a plugin file is, what it exports and imports, and what keeps it from being
//! loaded; of a bundle, that of each of its plugins, and whether manifest and cases are right.

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

use super::size_text;
use crate::compiler::Limits;
use crate::output::{columns, indented, out, printable};

const NOTES: &str = "\
Each import is one of: given (always there), needs a grant (add the key to the plugin's table in
use-case.toml, or it is of no use), refused (with what to do about it).
Of a bundle, the manifest, its grants and its cases are looked at as well.
The exit code is 0 only if the plugin, or the bundle, can be loaded.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Check {
    /// The component, or the bundle, to look at
    #[arg(value_name = "FILE|DIR")]
    place: PathBuf,
}

pub async fn run(arguments: Check, limits: Limits) -> anyhow::Result<ExitCode> {
    let place = arguments.place;
    let good = if place.is_dir() { check_bundle(&place, limits).await? } else { check_file(&place, limits).await? };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check_file(file: &Path, limits: Limits) -> anyhow::Result<bool> {
    let wasm = Bytes::from(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?);
    let inspection = inspect(&wasm);
    out(&findings(&file.display().to_string(), wasm.len() as u64, &inspection));
    let mut problems = inspection.problems(None);
    if problems.is_empty() {
        problems = load_problems(&wasm, &inspection.roles(), limits).await?;
    }
    out(&conclusion(&inspection.roles(), &problems));
    Ok(problems.is_empty())
}

async fn check_bundle(dir: &Path, limits: Limits) -> anyhow::Result<bool> {
    let source = read_bundle_dir(dir)?;
    let use_case = source.use_case()?;
    let files: BTreeSet<&str> =
        [Role::Validate, Role::Process].into_iter().filter_map(|role| use_case.plugin(role)).map(|spec| spec.plugin.as_str()).collect();
    for file in files {
        let wasm = &source.files[file];
        out(&findings(&dir.join(file).display().to_string(), wasm.len() as u64, &inspect(wasm)));
    }
    // Its secrets are the host's business.
    let loaded = super::runtime(limits)?.load(&source, &Secrets::of(|_| Some(String::new()))).await;
    let mut problems: Vec<String> = loaded.err().map(|error| error.to_string()).into_iter().collect();
    let cases = match cases::read_dir(&dir.join(cases::DIR)) {
        Ok(cases) => cases.len(),
        Err(error) => {
            problems.push(format!("{error:#}"));
            0
        }
    };
    out(&if problems.is_empty() {
        let plural = if cases == 1 { "" } else { "s" };
        format!("ok: it can be loaded as the use case {} (version {}), and has {cases} case{plural}\n", use_case.name, source.version())
    } else {
        conclusion(&[], &problems)
    });
    Ok(problems.is_empty())
}

/// What only compiling and linking finds: code that is not valid, an interface of another type than its name says.
async fn load_problems(wasm: &Bytes, roles: &[Role], limits: Limits) -> anyhow::Result<Vec<String>> {
    let runtime = super::runtime(limits)?;
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

/// The least bundle around a plugin.
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
                (Some(role), false) => format!("a {role} plugin of a version that this host does not speak"),
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
        return format!("ok: it can be loaded as the {} plugin of a use case\n", roles.join(" and as the "));
    }
    problems.iter().fold("it cannot be loaded:\n".to_owned(), |text, problem| text + &indented(&printable(problem), "  "))
}

#[cfg(test)]
mod tests;
