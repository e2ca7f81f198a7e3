//! The programs that need Node.js: a guest in JavaScript, and a baseline Lambda. Installed once below `target/bench/js`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use postdate_tests::tools::root;
use postdate_toolchains::javascript::{Component, Modules, install};

use crate::fixture::{Bench, Effort};

/// An installation of the modules, with copies of the sources.
pub struct JavaScript {
    pub node: PathBuf,
    directory: PathBuf,
    /// Packages that build the guest, shared with the examples.
    builder: Modules,
}

const SOURCES: [(&str, &str); 3] = [
    ("package.json", include_str!("../../js/package.json")),
    ("validate.js", include_str!("../../js/validate.js")),
    ("node-lambda.mjs", include_str!("../../js/node-lambda.mjs")),
];

impl JavaScript {
    /// Installs the modules. Returns `None`, and prints the reason, if Node.js is missing or the installation fails.
    pub fn install(parent: &Path) -> Option<Self> {
        match Self::try_install(parent) {
            Ok(javascript) => Some(javascript),
            Err(error) => {
                eprintln!("    SKIPPED the values that need Node.js: {error:#}");
                None
            }
        }
    }

    fn try_install(parent: &Path) -> anyhow::Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let node = std::env::split_paths(&path).map(|part| part.join("node")).find(|path| path.is_file());
        let node = node.context("there is no `node` on the PATH")?;
        let directory = parent.join("js");
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

    /// Returns the command of the baseline Lambda.
    pub fn lambda(&self) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.directory.join("node-lambda.mjs"));
        command
    }

    /// Returns the component of a validator in JavaScript. The first call builds it, in some seconds. With [`Effort::Smoke`], returns
    /// one in Rust: a debug build compiles an interpreter for a minute each time.
    pub fn validator(&self, bench: &Bench) -> anyhow::Result<PathBuf> {
        if bench.effort == Effort::Smoke {
            return Ok(bench.guest("minimal-validate"));
        }
        let component = self.directory.join("validate.wasm");
        if !component.is_file() {
            let (source, wit) = (self.directory.join("validate.js"), root().join("wit"));
            self.builder.componentize(Component { source: &source, wit: &wit, world: "validator", http: false, to: &component })?;
        }
        Ok(component)
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().display().to_string();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().with_context(|| format!("cannot start {name}"))?;
    ensure!(status.success(), "{name} failed: {status}");
    Ok(())
}
