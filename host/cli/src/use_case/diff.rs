//! `postdate use-case diff NAME [OLD] [NEW]`: compares two versions by file, and by the imports of their plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Role;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use postdate_runtime::inspect::inspect;
use postdate_runtime::trust::Trust;
use serde_json::{Value, json};
use similar::TextDiff;

use super::arguments::StoreArgument;
use crate::output::{json_line, out, printable};

#[derive(Debug, Args)]
pub struct Diff {
    /// Name of the use case
    name: String,
    /// Older version [default: the one that served before the current one]
    old: Option<String>,
    /// Newer version [default: the current one]
    new: Option<String>,
    #[command(flatten)]
    store: StoreArgument,
    /// Print JSON: the files and imports that differ, without their content
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Diff) -> anyhow::Result<ExitCode> {
    let store = arguments.store.open().await?;
    let name = &arguments.name;
    let (current, _) = store.current(name).await?;
    let former = current.former.first().map(|former| former.version.clone());
    let old = arguments.old.or(former).context("no version served before the current one: name two versions to compare")?;
    let new = arguments.new.unwrap_or(current.version);
    let (before, after) = (store.source(name, &old, &Trust::default()).await?, store.source(name, &new, &Trust::default()).await?);
    out(&if arguments.json { json_line(&document(&old, &before, &new, &after)?)? } else { text(&old, &before, &new, &after)? });
    Ok(ExitCode::SUCCESS)
}

fn text(old: &str, before: &BundleSource, new: &str, after: &BundleSource) -> anyhow::Result<String> {
    if before == after {
        return Ok(format!("{old} and {new} are the same\n"));
    }
    let mut text = String::new();
    for (name, old_file, new_file) in changed_files(before, after) {
        let as_text = |file: Option<&bytes::Bytes>| file.map_or(Some(String::new()), |file| String::from_utf8(file.to_vec()).ok());
        if let (Some(old_text), Some(new_text)) = (as_text(old_file), as_text(new_file)) {
            let diff = TextDiff::from_lines(&old_text, &new_text);
            text += &printable(&diff.unified_diff().header(&format!("{old}/{name}"), &format!("{new}/{name}")).to_string());
        } else {
            let size = |file: Option<&bytes::Bytes>| file.map_or("not there".to_owned(), |file| format!("{} bytes", file.len()));
            writeln!(text, "{}: {} → {}", printable(name), size(old_file), size(new_file))?;
        }
    }
    for (role, import, change) in changed_imports(before, after)? {
        writeln!(text, "{role} imports: {change}{}", printable(&import))?;
    }
    Ok(text)
}

fn document(old: &str, before: &BundleSource, new: &str, after: &BundleSource) -> anyhow::Result<Value> {
    let bytes = |file: Option<&bytes::Bytes>| file.map(bytes::Bytes::len);
    let files = changed_files(before, after);
    let files = files.map(|(name, old, new)| json!({ "name": name, "oldBytes": bytes(old), "newBytes": bytes(new) }));
    let imports = changed_imports(before, after)?.into_iter();
    let imports = imports.map(|(role, import, change)| json!({ "role": role.to_string(), "import": import, "isNew": change == '+' }));
    Ok(json!({ "old": old, "new": new, "files": files.collect::<Vec<_>>(), "imports": imports.collect::<Vec<_>>() }))
}

/// Returns the name of each file that differs, and its content in both versions.
fn changed_files<'a>(
    before: &'a BundleSource,
    after: &'a BundleSource,
) -> impl Iterator<Item = (&'a String, Option<&'a bytes::Bytes>, Option<&'a bytes::Bytes>)> {
    let names: BTreeSet<&String> = before.files.keys().chain(after.files.keys()).collect();
    let files = names.into_iter().map(|name| (name, before.files.get(name), after.files.get(name)));
    files.filter(|(_, old, new)| old != new)
}

/// Returns each import that only one of the versions has, see [`changes`].
fn changed_imports(before: &BundleSource, after: &BundleSource) -> anyhow::Result<Vec<(Role, String, char)>> {
    let (was, is) = (before.use_case().context(MANIFEST_FILE)?, after.use_case().context(MANIFEST_FILE)?);
    let mut all = Vec::new();
    for role in [Role::Validate, Role::Process] {
        let (was, is) = (imports(before, &was, role), imports(after, &is, role));
        all.extend(changes(&was, &is).into_iter().map(|(import, change)| (role, import, change)));
    }
    Ok(all)
}

/// Returns the names of a plugin's imports.
pub fn imports(source: &BundleSource, use_case: &UseCase, role: Role) -> Vec<String> {
    let file = use_case.plugin(role).and_then(|spec| source.files.get(&spec.plugin));
    file.map(|wasm| inspect(wasm).imports.into_iter().map(|import| import.name).collect()).unwrap_or_default()
}

/// Returns each import that only one of the two has: `-` for the old one, `+` for the new one.
fn changes(was: &[String], is: &[String]) -> BTreeMap<String, char> {
    let gone = was.iter().filter(|import| !is.contains(import)).map(|import| (import.clone(), '-'));
    let new = is.iter().filter(|import| !was.contains(import)).map(|import| (import.clone(), '+'));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests;
