//! The Lambda binaries as they ship, on cargo-lambda's emulator of the Runtime API.

mod function;
mod relay;

use std::collections::HashMap;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::clock::Clock;
use crate::moto::listens;
use crate::process::{Lines, Process, free_port};
use crate::tools;
use crate::wait::eventually;
use relay::Relay;

pub use function::{Failure, Function};

/// A second target host. The roles of a deployment invoke functions whose names begin with the prefix and `target`.
pub const BIG: &str = "postdate-target-big";

/// The emulator's functions, and the binary of each.
const FUNCTIONS: [(&str, &str); 4] = [("processor", "processor"), ("target", "target"), ("janitor", "janitor"), (BIG, "target")];

/// Maximum of processes of one function that take events at the same time.
pub const CONCURRENCY: u32 = 16;

/// The emulator, with a relay that corrects its answers. Stops with the last clone.
#[derive(Debug, Clone)]
pub struct Emulator(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    port: u16,
    relay: Relay,
    clock: Clock,
    _process: Process,
    _manifest: TempDir,
}

impl Emulator {
    pub async fn start(clock: &Clock, account: &str) -> Self {
        let manifest = manifest();
        let port = free_port();
        let lines = Lines::default();
        let mut command = Command::new(tools::tool("cargo-lambda"));
        command.current_dir(manifest.path()).args(["lambda", "watch", "--only-lambda-apis", "--offline", "--disable-cors", "--quiet"]);
        command.args(["--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string(), "--concurrency", &CONCURRENCY.to_string()]);
        // cargo-lambda builds a function that is called while no process of it runs. A target directory of its own keeps that
        // build away from the Lambdas under test.
        command.env("CARGO_TARGET_DIR", manifest.path().join("target"));
        let mut process = Process::start(&mut command, &lines);
        eventually("cargo-lambda to listen", async || {
            assert!(process.exited().is_none(), "cargo-lambda ended:\n{}", lines.text());
            listens(port).then_some(())
        })
        .await;
        let relay = Relay::start(port, clock.clone(), account).await;
        Self(Arc::new(Parts { port, relay, clock: clock.clone(), _process: process, _manifest: manifest }))
    }

    /// Returns a process, not started, of `processor`, `target`, `janitor` or [`BIG`]. Its environment
    /// has these variables and those that AWS sets.
    pub fn function(&self, name: &str, variables: &[(String, String)]) -> Function {
        let found = FUNCTIONS.iter().find(|(function, _)| *function == name);
        let (_, binary) = found.unwrap_or_else(|| panic!("there is no function {name}"));
        Function::new(self, name, binary, variables.iter().cloned().collect::<HashMap<_, _>>())
    }

    /// Sets X-Ray's header of the invocations from now on, of all functions.
    pub fn set_trace(&self, header: &str) {
        self.0.relay.set_trace(header);
    }

    /// Returns the URL of a function. The function gets an HTTP request to it as a function URL's event.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/lambda-url/{name}", self.0.port)
    }
}

/// Writes a package with binaries of the functions' names. The emulator reads the names and builds none of them.
fn manifest() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut manifest = "[package]\nname = \"emulated\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n".to_owned();
    for (name, _) in FUNCTIONS {
        manifest = format!("{manifest}\n[[bin]]\nname = \"{name}\"\npath = \"main.rs\"\n");
    }
    let write = |name: &str, content: &str| std::fs::write(directory.path().join(name), content).expect("a file");
    write("Cargo.toml", &manifest);
    write("main.rs", "fn main() {}\n");
    directory
}
