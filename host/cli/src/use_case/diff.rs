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
use similar::TextDiff;

use super::arguments::StoreArgument;
use crate::output::{out, printable};

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
}

pub async fn run(arguments: Diff) -> anyhow::Result<ExitCode> {
    let store = arguments.store.open().await?;
    let name = &arguments.name;
    let (current, _) = store.current(name).await?;
    let former = current.former.first().map(|former| former.version.clone());
    let old = arguments.old.or(former).context("no version served before the current one: name two versions to compare")?;
    let new = arguments.new.unwrap_or(current.version);
    let (before, after) = (store.source(name, &old, &Trust::default()).await?, store.source(name, &new, &Trust::default()).await?);
    out(&text(&old, &before, &new, &after)?);
    Ok(ExitCode::SUCCESS)
}

fn text(old: &str, before: &BundleSource, new: &str, after: &BundleSource) -> anyhow::Result<String> {
    if before == after {
        return Ok(format!("{old} and {new} are the same\n"));
    }
    let mut text = String::new();
    let names: BTreeSet<&String> = before.files.keys().chain(after.files.keys()).collect();
    for name in names {
        let (old_file, new_file) = (before.files.get(name), after.files.get(name));
        if old_file == new_file {
            continue;
        }
        let as_text = |file: Option<&bytes::Bytes>| file.map_or(Some(String::new()), |file| String::from_utf8(file.to_vec()).ok());
        if let (Some(old_text), Some(new_text)) = (as_text(old_file), as_text(new_file)) {
            let diff = TextDiff::from_lines(&old_text, &new_text);
            text += &printable(&diff.unified_diff().header(&format!("{old}/{name}"), &format!("{new}/{name}")).to_string());
        } else {
            let size = |file: Option<&bytes::Bytes>| file.map_or("not there".to_owned(), |file| format!("{} bytes", file.len()));
            writeln!(text, "{}: {} → {}", printable(name), size(old_file), size(new_file))?;
        }
    }
    let (was, is) = (before.use_case().context(MANIFEST_FILE)?, after.use_case().context(MANIFEST_FILE)?);
    for role in [Role::Validate, Role::Process] {
        let (was, is) = (imports(before, &was, role), imports(after, &is, role));
        for (import, change) in changes(&was, &is) {
            writeln!(text, "{role} imports: {change}{}", printable(&import))?;
        }
    }
    Ok(text)
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
