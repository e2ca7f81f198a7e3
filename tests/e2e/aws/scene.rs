//! A stack with running processor and target functions, and the test's own bundle `puppet`.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use postdate_tests::aws::{Aws, REGION};
use postdate_tests::driver::Delivered;
use postdate_tests::lambda::Function;
use postdate_tests::stack::{GROUP, Options, Stack};
use serde_json::{Value, json};

use crate::harness::{Client, PUPPET, Run, UseCases, cli, cli_with, time};

/// The retry policy of the bundle `puppet`: three attempts, back-off of 30 s and 60 s.
pub const RETRY: &str = "
[retry]
max-attempts = 3
backoff = { initial = '30s', factor = 2, max = '1h', jitter = 0 }
";

/// The fields are dropped in this order, the functions first.
pub struct Scene {
    pub processor: Function,
    pub target: Function,
    pub api: Client,
    pub stack: Stack,
    _use_cases: UseCases,
}

impl Scene {
    /// Starts a scene with EventBridge rules, the delay queue, and the bundle `puppet`.
    pub async fn new() -> Self {
        Self::start(Options::default()).await
    }

    pub async fn start(options: Options) -> Self {
        Self::with("", options).await
    }

    /// Starts a scene with these lines, such as targets, added to the manifest of `puppet`.
    pub async fn with(manifest: &str, options: Options) -> Self {
        Self::in_account(async |_| manifest.to_owned(), options).await
    }

    /// As [`Self::with`]; the closure can create the targets in the stack's account first.
    pub async fn in_account(manifest: impl AsyncFnOnce(&Aws) -> String, options: Options) -> Self {
        Self::made(async |aws| format!("{PUPPET}{RETRY}{}", manifest(aws).await), options).await
    }

    /// Starts a scene with this as the whole manifest of `puppet`.
    pub async fn of(manifest: &str, options: Options) -> Self {
        Self::made(async |_| manifest.to_owned(), options).await
    }

    async fn made(manifest: impl AsyncFnOnce(&Aws) -> String, options: Options) -> Self {
        let use_cases = UseCases::new();
        let stack = Stack::start(Options { use_cases: Some(use_cases.path().to_owned()), ..options }).await;
        let manifest = manifest(&stack.aws).await;
        use_cases.write("puppet", &manifest);
        compile(&use_cases).await;
        let (processor, target) = tokio::join!(stack.processor(), stack.target());
        let api = Client::new(&processor.url(), None);
        Self { processor, target, api, stack, _use_cases: use_cases }
    }

    /// Posts to `puppet`. Returns the request's id and its `triggerAt`.
    pub async fn post(&self, mut body: Value, delay: &str) -> (String, DateTime<Utc>) {
        body["delay"] = json!(delay);
        let id = self.api.submit("puppet", body).await;
        let due = time(&self.api.request(&id).await["triggerAt"]);
        (id, due)
    }

    /// Advances the clock and delivers until nothing is pending. Returns the deliveries.
    pub async fn settle(&self) -> Vec<Delivered> {
        self.stack.driver.settle(&[&self.target]).await
    }

    /// Advances the clock by `after` and runs the janitor once. Returns its report.
    pub async fn sweep(&self, after: TimeDelta) -> Value {
        self.stack.clock.advance(after);
        let janitor = self.stack.janitor().await;
        janitor.invoke(&json!({})).await.expect("the janitor's report")
    }

    /// Returns the names of all rules and schedules.
    pub async fn timers(&self) -> Vec<String> {
        let rules = self.stack.aws.list_rules().await;
        let mut names: Vec<String> = rules.iter().filter_map(|rule| rule["Name"].as_str().map(str::to_owned)).collect();
        names.extend(self.stack.aws.list_schedules(GROUP).await);
        names
    }

    /// Fails if a rule, a schedule or a pending message is left.
    pub async fn assert_clean(&self) {
        assert_eq!(self.timers().await, Vec::<String>::new());
        let pending = self.stack.driver.pending().await;
        assert!(pending.is_empty(), "{pending:?}");
    }
}

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

/// Returns the store from which the stack's hosts read use cases.
pub fn store(stack: &Stack) -> String {
    format!("s3://postdate-{}/use-cases", stack.aws.account)
}

/// Runs a command with credentials for every action in the stack's account.
pub async fn with_credentials(stack: &Stack, arguments: &[&str]) -> Run {
    let url = stack.proxy.url();
    let variables =
        [("AWS_ENDPOINT_URL", url.as_str()), ("AWS_REGION", REGION), ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    cli_with(&variables, arguments).await
}

/// Returns this machine's architecture by AWS Lambda's name.
pub fn architecture() -> &'static str {
    if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH }
}
