//! What the bench needs of Node.js: a guest in JavaScript, and a Lambda in it. Installed below `target/bench/js` once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use postdate_toolchains::javascript::{Component, Modules, install};

use crate::fixture::root;

/// Where the modules are, beside copies of the sources.
pub struct JavaScript {
    pub node: PathBuf,
    directory: PathBuf,
    /// What builds the guest: the examples' own.
    builder: Modules,
}

const SOURCES: [(&str, &str); 3] = [
    ("package.json", include_str!("../../js/package.json")),
    ("validate.js", include_str!("../../js/validate.js")),
    ("node-lambda.mjs", include_str!("../../js/node-lambda.mjs")),
];

impl JavaScript {
    /// None, with a word to whoever reads the table, where there is no Node.js or nothing can be installed.
    pub fn install(place: &Path) -> Option<Self> {
        match Self::try_install(place) {
            Ok(it) => Some(it),
            Err(error) => {
                eprintln!("    SKIPPED what needs Node.js: {error:#}");
                None
            }
        }
    }

    fn try_install(place: &Path) -> anyhow::Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let node = std::env::split_paths(&path).map(|part| part.join("node")).find(|path| path.is_file());
        let node = node.context("there is no `node` on the PATH")?;
        let directory = place.join("js");
        std::fs::create_dir_all(&directory)?;
        for (name, content) in SOURCES {
            std::fs::write(directory.join(name), content)?;
        }
        if !directory.join("node_modules/@aws-sdk/client-eventbridge").is_dir() {
            run(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(&directory))?;
        }
        let builder = install(&root().join("plugins/examples/orders-js"), &root().join("target/plugin-tools/javascript"))?;
        Ok(Self { node, directory, builder })
    }

    /// The Lambda that is a baseline.
    pub fn lambda(&self) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.directory.join("node-lambda.mjs"));
        command
    }

    /// A bundle whose validator is in JavaScript. Takes some seconds, once.
    pub fn bundle(&self, wit: &Path, to: &Path) -> anyhow::Result<()> {
        let component = self.directory.join("validate.wasm");
        if !component.is_file() {
            let source = self.directory.join("validate.js");
            self.builder.componentize(Component { source: &source, wit, world: "validator", http: false, to: &component })?;
        }
        std::fs::create_dir_all(to)?;
        std::fs::copy(&component, to.join("validate.wasm"))?;
        let manifest =
            "name = \"js\"\n[validate]\nplugin = \"validate.wasm\"\n[targets]\nout = { kind = \"http\", url = \"https://example.com/\" }\n";
        std::fs::write(to.join("use-case.toml"), manifest)?;
        Ok(())
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().display().to_string();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().with_context(|| format!("cannot start {name}"))?;
    ensure!(status.success(), "{name} failed: {status}");
    Ok(())
}
