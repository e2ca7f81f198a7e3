//! `postdate use-case show NAME [VERSION]`: shows a version's files, plugins, grants and signatures.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use postdate_core::plugin::Role;
use postdate_core::time::rfc3339;
use postdate_core::use_case::{PluginGrants, PluginSpec, UseCase};
use postdate_runtime::trust::Trust;
use postdate_store::{AnyObjects, Statement, Versions};
use serde_json::{Value, json};

use super::arguments::StoreArgument;
use super::diff::imports;
use crate::output::{columns, json_line, out, printable, size_text};

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
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Show) -> anyhow::Result<ExitCode> {
    let store = arguments.store.open().await?;
    let trust = arguments.trusted_keys.unwrap_or_default();
    let shown = read(&store, &arguments.name, arguments.version, &trust).await?;
    out(&if arguments.json { json_line(&shown.document())? } else { shown.text(&trust) });
    Ok(ExitCode::SUCCESS)
}

/// A version of a use case in a store.
struct Shown {
    version: String,
    is_current: bool,
    statement: Statement,
    use_case: UseCase,
    signers: Vec<String>,
    compiled_for: Vec<String>,
    plugins: Vec<Plugin>,
}

/// A plugin of a version.
struct Plugin {
    role: Role,
    spec: PluginSpec,
    imports: Vec<String>,
}

async fn read(store: &Versions<AnyObjects>, name: &str, version: Option<String>, trust: &Trust) -> anyhow::Result<Shown> {
    let current = store.current_if_any(name).await?.map(|current| current.version);
    let version = version.or_else(|| current.clone()).context("no version is current in this store: name one")?;
    let (statement, envelope) = store.statement(name, &version, trust).await?;
    let source = store.source(name, &version, trust).await?;
    let use_case = source.use_case()?;
    let plugin = |role| {
        let spec = use_case.plugin(role)?.clone();
        Some(Plugin { role, spec, imports: imports(&source, &use_case, role) })
    };
    Ok(Shown {
        is_current: Some(&version) == current.as_ref(),
        compiled_for: store.precompiled_for(name, &version).await?,
        signers: envelope.signers(),
        plugins: [Role::Validate, Role::Process].into_iter().filter_map(plugin).collect(),
        version,
        statement,
        use_case,
    })
}

impl Shown {
    fn document(&self) -> Value {
        let Self { version, is_current, statement, use_case, signers, compiled_for, plugins } = self;
        let plugins = plugins.iter().map(|Plugin { role, spec, imports }| {
            let mut document = json!(PluginGrants::of(*role, spec));
            document["imports"] = json!(imports);
            document
        });
        json!({
            "useCase": statement.use_case,
            "version": version,
            "isCurrent": is_current,
            "description": use_case.description,
            "pushedAt": rfc3339(statement.pushed_at),
            "pushedBy": statement.pushed_by,
            "signedBy": signers,
            "compiledFor": compiled_for,
            "targets": use_case.targets.aliases(),
            "reach": use_case.reach(),
            "plugins": plugins.collect::<Vec<_>>(),
            "files": statement.files,
        })
    }

    fn text(&self, trust: &Trust) -> String {
        let Self { version, is_current, statement, use_case, signers, compiled_for, plugins } = self;
        let row = |label: &str, text: String| vec![label.to_owned(), printable(&text)];
        let mut rows = vec![
            row("use case", statement.use_case.clone()),
            row("version", if *is_current { format!("{version} (current)") } else { version.clone() }),
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
            row("compiled for", compiled_for.join(", ")),
            row("targets", use_case.targets.aliases().join(", ")),
        ];
        rows.extend(plugins.iter().flat_map(Plugin::rows));
        let files = statement.files.iter();
        let files = files.map(|(file, entry)| vec![printable(file), size_text(entry.bytes), entry.sha256.clone()]).collect::<Vec<_>>();
        format!("{}files\n{}", columns(&rows, ""), columns(&files, "  "))
    }
}

impl Plugin {
    /// Returns limits, grants and imports.
    fn rows(&self) -> Vec<Vec<String>> {
        let Self { role, spec, imports } = self;
        let none = |list: &[String]| if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
        let limits = format!("{}, memory {}, timeout {:?}", spec.plugin, size_text(spec.memory), spec.timeout(*role));
        vec![
            vec![role.to_string(), printable(&limits)],
            vec!["  may call".to_owned(), printable(&none(&spec.allow_http))],
            vec!["  secrets".to_owned(), printable(&none(&spec.secrets))],
            vec!["  imports".to_owned(), printable(&none(imports))],
        ]
    }
}
