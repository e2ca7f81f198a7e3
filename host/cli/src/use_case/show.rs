//! `postdate use-case show NAME [VERSION]`: shows a version's files, plugins, grants and signatures.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Role;
use postdate_core::time::rfc3339;
use postdate_core::use_case::UseCase;
use postdate_runtime::trust::Trust;
use postdate_store::{AnyObjects, Versions};

use super::arguments::StoreArgument;
use super::diff::imports;
use crate::output::{columns, out, printable, size_text};

#[derive(Debug, Args)]
pub struct Show {
    /// Name of the use case
    name: String,
    /// Version to show [default: the current one]
    version: Option<String>,
    #[command(flatten)]
    store: StoreArgument,
    /// Public keys, separated by commas, one of which must have signed the version; without, signatures are shown, not checked
    #[arg(long, env = "POSTDATE_TRUSTED_KEYS", value_name = "KEYS", value_parser = Trust::parse)]
    trusted_keys: Option<Trust>,
}

pub async fn run(arguments: Show) -> anyhow::Result<ExitCode> {
    let store = arguments.store.open().await?;
    let trust = arguments.trusted_keys.unwrap_or_default();
    out(&text(&store, &arguments.name, arguments.version, &trust).await?);
    Ok(ExitCode::SUCCESS)
}

async fn text(store: &Versions<AnyObjects>, name: &str, version: Option<String>, trust: &Trust) -> anyhow::Result<String> {
    let current = store.current_if_any(name).await?.map(|current| current.version);
    let version = version.or_else(|| current.clone()).context("no version is current in this store: name one")?;
    let (statement, envelope) = store.statement(name, &version, trust).await?;
    let source = store.source(name, &version, trust).await?;
    let use_case = source.use_case()?;
    let signers = envelope.signers();
    let row = |label: &str, text: String| vec![label.to_owned(), printable(&text)];
    let mut rows = vec![
        row("use case", name.to_owned()),
        row("version", if Some(&version) == current.as_ref() { format!("{version} (current)") } else { version.clone() }),
        row("description", use_case.description.clone()),
        row("pushed", format!("{} by {}", rfc3339(statement.pushed_at), statement.pushed_by)),
        row(
            "signed by",
            match (signers.as_slice(), trust.is_required()) {
                ([], _) => "nobody".to_owned(),
                (keys, true) => format!("{}; one of them is trusted", keys.join(", ")),
                (keys, false) => format!("{} (not checked: no --trusted-keys)", keys.join(", ")),
            },
        ),
        row("compiled for", store.precompiled_for(name, &version).await?.join(", ")),
        row("targets", use_case.targets.aliases().join(", ")),
    ];
    rows.extend([Role::Validate, Role::Process].into_iter().flat_map(|role| plugin_rows(&source, &use_case, role)));
    let files =
        statement.files.iter().map(|(file, entry)| vec![printable(file), size_text(entry.bytes), entry.sha256.clone()]).collect::<Vec<_>>();
    Ok(format!("{}files\n{}", columns(&rows, ""), columns(&files, "  ")))
}

/// Returns a plugin's limits, grants and imports.
fn plugin_rows(source: &BundleSource, use_case: &UseCase, role: Role) -> Vec<Vec<String>> {
    let Some(spec) = use_case.plugin(role) else { return Vec::new() };
    let none = |list: &[String]| if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    let limits = format!("{}, memory {}, timeout {:?}", spec.plugin, size_text(spec.memory), spec.timeout(role));
    vec![
        vec![role.to_string(), printable(&limits)],
        vec!["  may call".to_owned(), printable(&none(&spec.allow_http))],
        vec!["  secrets".to_owned(), printable(&none(&spec.secrets))],
        vec!["  imports".to_owned(), printable(&none(&imports(source, use_case, role)))],
    ]
}
