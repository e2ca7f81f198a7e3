//! Invariants of ARCHITECTURE.md that a test can check on the source tree.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use postdate_tests::files::texts;

use crate::harness::{cli, root};

/// Returns the names of a package and its normal dependencies, direct and indirect, from `cargo tree`.
fn dependencies(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["tree", "--offline", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}"]);
    let output = command.current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_core_depends_on_no_runtime_no_cloud_and_no_engine() {
    let crates = dependencies("postdate-core");
    assert!(crates.contains("serde_json"), "cargo tree lists no serde_json: {crates:?}");
    let foreign: Vec<&String> = crates
        .iter()
        .filter(|name| {
            ["tokio", "async-std", "smol", "rusqlite", "axum", "reqwest", "hyper"].contains(&name.as_str())
                || ["aws-", "lambda", "wasmtime", "cranelift"].iter().any(|start| name.starts_with(start))
        })
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[test]
fn the_core_reads_no_clock_and_draws_no_random_number() {
    for (path, text) in texts(&root().join("host/core/src"), &["rs"]) {
        for call in ["Utc::now", "Local::now", "SystemTime::now", "Instant::now", "rand::", "getrandom", "now_v7", "new_v4"] {
            assert!(!text.contains(call), "{} has {call}", path.display());
        }
    }
}

#[test]
fn a_single_function_builds_the_engines_configuration() {
    let makers: Vec<PathBuf> = texts(&root().join("host"), &["rs"])
        .into_iter()
        .filter(|(_, text)| text.contains("wasmtime") && text.contains("= Config::new()"))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(makers, [root().join("host/runtime/src/engine/config.rs")]);
}

#[tokio::test]
async fn the_commands_that_the_documents_show_exist() {
    let tasks = std::fs::read_to_string(root().join("xtask/src/main.rs")).expect("the tasks");
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        let mut seen = 0;
        for line in commands(&text) {
            // Variables that are set for the command come first.
            let words: Vec<&str> = line.split_whitespace().skip_while(|word| word.contains('=')).collect();
            match words.as_slice() {
                ["cargo", "xtask", task, ..] => assert!(tasks.contains(&format!("\"{task}\" =>")), "{}: {line}", document.display()),
                ["postdate" | "target/debug/postdate", rest @ ..] => {
                    // Names of commands are plain words; the first option or argument ends them.
                    let plain = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
                    let names: Vec<&str> = rest.iter().take(2).take_while(plain).copied().collect();
                    let group =
                        names.first().is_some_and(|name| ["plugin", "request", "use-case", "key", "dead-letter", "ledger"].contains(name));
                    let names = if group { &names[..] } else { &names[..names.len().min(1)] };
                    cli(&[names, &["--help"]].concat()).await.expect(0);
                }
                _ => continue,
            }
            seen += 1;
        }
        let least = if SHOWS_NO_COMMAND.iter().any(|name| document.ends_with(name)) { 0 } else { 2 };
        assert!(seen >= least, "{} shows {seen} commands of this project", document.display());
    }
}

/// Pages that show files and calls, and no command.
const SHOWS_NO_COMMAND: [&str; 6] =
    ["docs/SUMMARY.md", "docs/alternatives.md", "docs/api.md", "docs/dependencies.md", "docs/manifest.md", "docs/security.md"];

/// Returns README, CONTRIBUTING and each page of `docs/`.
fn documents() -> Vec<PathBuf> {
    let pages = std::fs::read_dir(root().join("docs")).expect("docs/").map(|entry| entry.expect("an entry").path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    [root().join("README.md"), root().join("CONTRIBUTING.md")].into_iter().chain(pages).collect()
}

/// Returns every line of a document's code blocks, without indentation and prompt.
fn commands(document: &str) -> Vec<&str> {
    let blocks = document.split("```").skip(1).step_by(2);
    blocks.flat_map(str::lines).map(|line| line.trim().trim_start_matches("$ ")).collect()
}
