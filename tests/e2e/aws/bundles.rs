//! Bundles as the Lambdas want them.

use crate::harness::{UseCases, cli};

/// Compiles the plugins of every bundle for this machine, into the bundle.
pub async fn compile(use_cases: &UseCases) {
    let architecture = if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH };
    for bundle in std::fs::read_dir(use_cases.path()).expect("the use cases") {
        let bundle = bundle.expect("a bundle").path();
        cli(&["plugin", "compile", &bundle.display().to_string(), "--arch", architecture]).await.expect(0);
    }
}
