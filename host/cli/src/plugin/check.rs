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
use postdate_runtime::inspect::{ImportVerdict, Inspection, Kind, inspect};
use postdate_runtime::{LoadError, Secrets, read_bundle_dir};
use serde_json::{Value, json};

use super::runtime::runtime;
use crate::compiler::AuthorCompiler;
use crate::output::{columns, counted, indented, json_line, out, path_text, printable, size_text};

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

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The findings about a file or a bundle.
struct Checked {
    plugins: Vec<Plugin>,
    /// Each keeps a host from loading it.
    problems: Vec<String>,
    /// `None` for a file.
    bundle: Option<Bundle>,
}

struct Plugin {
    file: PathBuf,
    bytes: u64,
    inspection: Inspection,
}

struct Bundle {
    name: String,
    version: String,
    /// Number of test cases.
    cases: usize,
}

pub async fn run(arguments: Check, compiler: &AuthorCompiler) -> anyhow::Result<ExitCode> {
    let Check { path, json } = arguments;
    let checked = if path.is_dir() { check_bundle(&path, compiler).await? } else { check_file(&path, compiler).await? };
    out(&if json { json_line(&checked.document())? } else { checked.text() });
    Ok(if checked.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check_file(file: &Path, compiler: &AuthorCompiler) -> anyhow::Result<Checked> {
    let wasm = Bytes::from(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?);
    let inspection = inspect(&wasm);
    let mut problems = inspection.problems(None);
    if problems.is_empty() {
        problems = load_problems(&wasm, &inspection.roles(), compiler).await?;
    }
    let plugin = Plugin { file: file.to_owned(), bytes: wasm.len() as u64, inspection };
    Ok(Checked { plugins: vec![plugin], problems, bundle: None })
}

async fn check_bundle(dir: &Path, compiler: &AuthorCompiler) -> anyhow::Result<Checked> {
    let source = read_bundle_dir(dir)?;
    let use_case = source.use_case()?;
    let files: BTreeSet<&str> =
        [Role::Validate, Role::Process].into_iter().filter_map(|role| use_case.plugin(role)).map(|spec| spec.plugin.as_str()).collect();
    let plugin = |file: &str| {
        let wasm = &source.files[file];
        Plugin { file: dir.join(file), bytes: wasm.len() as u64, inspection: inspect(wasm) }
    };
    let plugins = files.into_iter().map(plugin).collect();
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
    Ok(Checked { plugins, problems, bundle: Some(Bundle { name: use_case.name, version: source.version(), cases }) })
}

impl Checked {
    fn text(&self) -> String {
        let Self { plugins, problems, bundle } = self;
        let text = plugins.iter().map(|plugin| findings(&plugin.file.display().to_string(), plugin.bytes, &plugin.inspection));
        let conclusion = match bundle {
            Some(Bundle { name, version, cases }) if problems.is_empty() => {
                format!("ok: a host can load the use case {name} (version {version}); it has {}\n", counted(*cases, "case"))
            }
            Some(_) => conclusion(&[], problems),
            None => conclusion(&self.roles(), problems),
        };
        text.collect::<String>() + &conclusion
    }

    fn document(&self) -> Value {
        let Self { plugins, problems, bundle } = self;
        let mut document = json!({
            "isLoadable": problems.is_empty(),
            "problems": problems,
            "plugins": plugins.iter().map(Plugin::document).collect::<Vec<_>>(),
        });
        if let Some(Bundle { name, version, cases }) = bundle {
            document["useCase"] = json!(name);
            document["version"] = json!(version);
            document["caseCount"] = json!(cases);
        }
        document
    }

    fn roles(&self) -> Vec<Role> {
        self.plugins.iter().flat_map(|plugin| plugin.inspection.roles()).collect()
    }
}

impl Plugin {
    fn document(&self) -> Value {
        let Inspection { exports, imports, .. } = &self.inspection;
        let exports = exports.iter().map(|export| json!({ "name": export.name, "role": export.role, "isSupported": export.supported }));
        let imports = imports.iter().map(|import| {
            let mut document = match &import.verdict {
                ImportVerdict::Given { note } => json!({ "verdict": "given", "note": note }),
                ImportVerdict::NeedsGrant { key, note } => json!({ "verdict": "needs-grant", "grant": key, "note": note }),
                ImportVerdict::Refused { why, fix } => json!({ "verdict": "refused", "why": why, "fix": fix }),
            };
            document["name"] = json!(import.name);
            document
        });
        json!({
            "file": path_text(&self.file),
            "bytes": self.bytes,
            "exports": exports.collect::<Vec<_>>(),
            "imports": imports.collect::<Vec<_>>(),
        })
    }
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
                ImportVerdict::Given { note } => ("given", (*note).to_owned()),
                ImportVerdict::NeedsGrant { key, note } => ("needs a grant", format!("{key}: {note}")),
                ImportVerdict::Refused { why, fix } => ("refused", format!("{why}: {fix}")),
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
