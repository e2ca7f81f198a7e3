//! `postdate use-case diff NAME [OLD] [NEW]`.

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

use super::StoreArgument;
use crate::output::{out, printable};

#[derive(Debug, Args)]
pub struct Diff {
    name: String,
    /// By default the version that served before the one that serves
    old: Option<String>,
    /// By default the version that serves
    new: Option<String>,
    #[command(flatten)]
    store: StoreArgument,
}

pub async fn run(arguments: Diff) -> anyhow::Result<ExitCode> {
    let store = arguments.store.open().await?;
    let name = &arguments.name;
    let (current, _) = store.current(name).await?;
    let former = current.former.first().map(|former| former.version.clone());
    let old = arguments.old.or(former).context("nothing served before this version: name the versions to compare")?;
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

/// What a plugin imports, by name.
pub fn imports(source: &BundleSource, use_case: &UseCase, role: Role) -> Vec<String> {
    let file = use_case.plugin(role).and_then(|spec| source.files.get(&spec.plugin));
    file.map(|wasm| inspect(wasm).imports.into_iter().map(|import| import.name).collect()).unwrap_or_default()
}

fn changes(was: &[String], is: &[String]) -> BTreeMap<String, char> {
    let gone = was.iter().filter(|import| !is.contains(import)).map(|import| (import.clone(), '-'));
    let new = is.iter().filter(|import| !was.contains(import)).map(|import| (import.clone(), '+'));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(max_ahead: &str, plugin: &'static [u8]) -> BundleSource {
        let manifest = format!(
            "name = 'x'\n[validate]\nplugin = 'v.wasm'\n[schedule]\nmax-ahead = '{max_ahead}'\n[targets]\ndefault = 'o'\no = {{ kind = 'http', url = 'http://h/' }}\n"
        );
        let files = [(MANIFEST_FILE.to_owned(), manifest.into()), ("v.wasm".to_owned(), bytes::Bytes::from_static(plugin))];
        BundleSource { files: files.into() }
    }

    #[test]
    fn manifests_are_compared_by_line_and_plugins_by_size() {
        let text = text("old", &bundle("1d", b"\0asm"), "new", &bundle("2d", b"\0asm\xff")).unwrap();
        for line in
            ["--- old/use-case.toml", "+++ new/use-case.toml", "-max-ahead = '1d'", "+max-ahead = '2d'", "v.wasm: 4 bytes → 5 bytes"]
        {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert_eq!(super::text("a", &bundle("1d", b""), "b", &bundle("1d", b"")).unwrap(), "a and b are the same\n");
    }

    #[test]
    fn imports_that_came_and_went_are_marked() {
        let (was, is) = (["a", "b"].map(str::to_owned), ["b", "c"].map(str::to_owned));
        assert_eq!(changes(&was, &is), BTreeMap::from([("a".to_owned(), '-'), ("c".to_owned(), '+')]));
    }
}
