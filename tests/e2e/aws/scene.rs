//! A stack with its processor and target running, and bundles made for the test.

use chrono::{DateTime, TimeDelta, Utc};
use postdate_tests::aws::Aws;
use postdate_tests::driver::Delivered;
use postdate_tests::lambda::Function;
use postdate_tests::stack::{GROUP, Options, Stack};
use serde_json::{Value, json};

use super::bundles;
use crate::harness::{Client, PUPPET, UseCases, time};

/// What the tests' bundle `puppet` has beside its plugins: three attempts, quick retries.
pub const RETRY: &str = "
[retry]
max-attempts = 3
backoff = { initial = '30s', factor = 2, max = '1h' }
";

/// Dropped in this order: the functions first.
pub struct Scene {
    pub processor: Function,
    pub target: Function,
    pub api: Client,
    pub stack: Stack,
    _use_cases: UseCases,
}

impl Scene {
    /// With rules, the queue, and the bundle `puppet`.
    pub async fn new() -> Self {
        Self::start(Options::default()).await
    }

    pub async fn start(options: Options) -> Self {
        Self::with("", options).await
    }

    /// More of the manifest of `puppet`: its targets.
    pub async fn with(manifest: &str, options: Options) -> Self {
        Self::in_account(async |_| manifest.to_owned(), options).await
    }

    /// As [`Self::with`], for targets that are made in the stack's account first.
    pub async fn in_account(manifest: impl AsyncFnOnce(&Aws) -> String, options: Options) -> Self {
        Self::made(async |aws| format!("{PUPPET}{RETRY}{}", manifest(aws).await), options).await
    }

    /// With this as the manifest of `puppet`.
    pub async fn of(manifest: &str, options: Options) -> Self {
        Self::made(async |_| manifest.to_owned(), options).await
    }

    async fn made(manifest: impl AsyncFnOnce(&Aws) -> String, options: Options) -> Self {
        let use_cases = UseCases::new();
        let stack = Stack::start(Options { use_cases: Some(use_cases.path().to_owned()), ..options }).await;
        let manifest = manifest(&stack.aws).await;
        use_cases.write("puppet", &manifest);
        bundles::compile(&use_cases).await;
        let (processor, target) = tokio::join!(stack.processor(), stack.target());
        let api = Client::new(&processor.url(), None);
        Self { processor, target, api, stack, _use_cases: use_cases }
    }

    /// Posts to `puppet`; returns the id and the time that it is due.
    pub async fn post(&self, mut body: Value, delay: &str) -> (String, DateTime<Utc>) {
        body["delay"] = json!(delay);
        let id = self.api.submit("puppet", body).await;
        let due = time(&self.api.request(&id).await["triggerAt"]);
        (id, due)
    }

    /// Lets time pass until nothing is pending.
    pub async fn settle(&self) -> Vec<Delivered> {
        self.stack.driver.settle(&[&self.target]).await
    }

    /// One run of the janitor at `after` from now; returns its report.
    pub async fn sweep(&self, after: TimeDelta) -> Value {
        self.stack.clock.advance(after);
        let janitor = self.stack.janitor().await;
        janitor.invoke(&json!({})).await.expect("the janitor's report")
    }

    /// Names of the rules and schedules that there are.
    pub async fn timers(&self) -> Vec<String> {
        let rules = self.stack.aws.list_rules().await;
        let mut names: Vec<String> = rules.iter().filter_map(|rule| rule["Name"].as_str().map(str::to_owned)).collect();
        names.extend(self.stack.aws.list_schedules(GROUP).await);
        names
    }

    /// No rule, no schedule, no message that is still to come.
    pub async fn assert_clean(&self) {
        assert_eq!(self.timers().await, Vec::<String>::new());
        let pending = self.stack.driver.pending().await;
        assert!(pending.is_empty(), "{pending:?}");
    }
}
