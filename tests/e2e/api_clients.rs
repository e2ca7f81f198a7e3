//! Clients that others' tools make from the description of the API: they compile, type-check, and work on a server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use postdate_tests::tools::{api_clients, api_tool};
use tempfile::TempDir;

use crate::harness::{Server, root, text};

const KEY: &str = "key-of-the-clients";

/// Returns a file of the clients' sources.
fn source(name: &str) -> PathBuf {
    root().join("tests/api-clients").join(name)
}

fn copy(name: &str, to: &Path) {
    std::fs::copy(source(name), to.join(name)).expect("a copy of the source");
}

/// Runs a program to its end. Panics with its output if it fails. Returns its standard output.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Runs a client, which prints the id of the request that it has cancelled.
async fn check(mut client: Command) {
    let server = Server::builder().sample("orders", 9000).key(KEY).start().await;
    client.arg(&server.api.url).arg(KEY);
    let id = tokio::task::spawn_blocking(move || run(&mut client)).await.unwrap();
    let request = server.api.request(id.trim()).await;
    assert_eq!((text(&request, "status"), text(&request, "useCase")), ("cancelled", "orders"), "{request}");
}

#[tokio::test]
async fn a_client_in_typescript_is_made_checked_and_works() {
    // Node.js searches for packages in the directories above.
    let directory = tempfile::tempdir_in(api_clients()).expect("a directory");
    let (place, modules) = (directory.path(), api_clients().join("node_modules"));
    for name in ["client.ts", "tsconfig.json", "package.json"] {
        copy(name, place);
    }
    let script = |path: &str| {
        let mut node = Command::new("node");
        node.arg(modules.join(path)).current_dir(place);
        node
    };
    run(script("openapi-typescript/bin/cli.js").arg(root().join("schemas/openapi.json")).args(["--output", "postdate.d.ts"]));
    run(&mut script("typescript/bin/tsc"));
    let mut client = Command::new("node");
    client.arg(place.join("client.js"));
    check(client).await;
}

/// Makes the client in Python. Fails if the generator leaves anything out.
fn make_python() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut generate = Command::new(api_tool("openapi-python-client"));
    generate.args(["generate", "--meta", "none", "--fail-on-warning", "--path"]).arg(root().join("schemas/openapi.json"));
    generate.arg("--config").arg(source("openapi-python-client.yml")).arg("--output-path").arg(directory.path().join("postdate_client"));
    // The generator calls `ruff`, which is beside it.
    let programs = api_tool("ruff").parent().expect("a directory").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path))).expect("a path");
    run(generate.env("PATH", path));
    for name in ["client.py", "mypy.ini"] {
        copy(name, directory.path());
    }
    directory
}

#[tokio::test]
async fn a_client_in_python_is_made_checked_and_works() {
    let directory = make_python();
    run(Command::new(api_tool("mypy")).args(["client.py", "postdate_client"]).current_dir(directory.path()));
    let mut client = Command::new(api_tool("python"));
    client.arg(directory.path().join("client.py"));
    check(client).await;
}
