//! Bundles for the Lambdas: compiled ahead of time, and pushed to the bucket.

use std::path::Path;

use postdate_tests::aws::REGION;
use postdate_tests::stack::Stack;

use crate::harness::{Run, UseCases, cli, cli_with};

/// Compiles the plugins of every bundle for this machine, into the bundle.
pub async fn compile(use_cases: &UseCases) {
    for bundle in std::fs::read_dir(use_cases.path()).expect("the use cases") {
        let bundle = bundle.expect("a bundle").path();
        cli(&["plugin", "compile", &bundle.display().to_string(), "--arch", architecture()]).await.expect(0);
    }
}

/// Pushes a bundle, compiled for this machine, to the bucket that the stack's hosts read.
pub async fn push(stack: &Stack, bundle: &Path, more: &[&str]) -> Run {
    let (dir, to) = (bundle.display().to_string(), store(stack));
    with_credentials(stack, &[&["use-case", "push", &dir, "--to", &to, "--arch", architecture()], more].concat()).await
}

/// Returns the URL of the store that the stack's functions read use cases from.
pub fn store(stack: &Stack) -> String {
    format!("s3://postdate-{}/use-cases", stack.aws.account)
}

/// Runs `postdate` with credentials for the stack's account.
pub async fn with_credentials(stack: &Stack, arguments: &[&str]) -> Run {
    let url = stack.proxy.url();
    let variables =
        [("AWS_ENDPOINT_URL", url.as_str()), ("AWS_REGION", REGION), ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    cli_with(&variables, arguments).await
}

/// Returns this machine's architecture by its name in AWS Lambda.
fn architecture() -> &'static str {
    if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH }
}
