//! The complete environment of a test of the AWS deployment, in an account of its own.

use std::path::PathBuf;
use std::sync::Arc;

use crate::aws::Aws;
use crate::clock::Clock;
use crate::driver::{Driver, Sources};
use crate::fault_proxy::FaultProxy;
use crate::lambda::{BIG, Emulator, Function};
use crate::moto::{Account, Moto};
use crate::tools;

pub const TABLE: &str = "postdate";
pub const GROUP: &str = "postdate";
/// Services whose resources use cases may have as targets.
const TARGETS: [&str; 7] = ["ecs", "events", "kinesis", "lambda", "sns", "sqs", "states"];
pub const PREFIX: &str = "postdate-";

/// Returns patterns of the ARNs that use cases may have as targets.
pub fn delivery_targets() -> Vec<String> {
    TARGETS.iter().map(|service| format!("arn:aws:{service}:*:*:*")).collect()
}

/// Options of a [`Stack`]. The default has rules, the delay queue, and the sample bundles.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `true` uses EventBridge Scheduler instead of rules.
    pub scheduler: bool,
    /// `true` configures no delay queue: requests run at whole minutes.
    pub without_queue: bool,
    /// Directory of bundles with compiled plugins. The default is the samples that `cargo xtask test` compiled.
    pub use_cases: Option<PathBuf>,
    /// `true` uploads the bundles to S3, and the functions read them there.
    pub use_cases_in_s3: bool,
    /// Additional variables of all functions.
    pub variables: Vec<(String, String)>,
}

/// An account with the stack's resources, behind a fault proxy. The test starts the Lambdas.
///
/// Dropping it panics if a Lambda sent a call that AWS would refuse.
pub struct Stack {
    pub clock: Clock,
    pub proxy: FaultProxy,
    pub aws: Aws,
    pub emulator: Emulator,
    pub driver: Driver,
    /// URL of the delay queue, also if the functions do not use it.
    pub queue_url: String,
    /// URL of the delay queue of `big`, the second target host.
    pub big_queue_url: String,
    pub dead_letters_url: String,
    /// URL of a queue that is subscribed to the topic.
    pub notices_url: String,
    pub topic_arn: String,
    pub target_arn: String,
    /// Variables of all functions.
    pub environment: Vec<(String, String)>,
    _moto: Arc<Moto>,
}

impl Stack {
    /// Starts a stack with the default options.
    pub async fn new() -> Self {
        Self::start(Options::default()).await
    }

    /// Returns the options of a stack with rules, and schedules where the bus is full.
    pub fn auto() -> Options {
        let variables = vec![("POSTDATE_SCHEDULER".to_owned(), "auto".to_owned())];
        Options { scheduler: true, variables, ..Options::default() }
    }

    pub async fn start(options: Options) -> Self {
        let Account { clock, proxy, aws, moto } = Account::new().await;
        let account = aws.account.clone();
        aws.create_table(TABLE).await;
        let queue_url = aws.create_queue("postdate-delay").await;
        let big_queue_url = aws.create_queue("postdate-big").await;
        let dead_letters_url = aws.create_queue("postdate-dead-letters").await;
        let (topic_arn, notices_url) = aws.create_topic("postdate-notices").await;
        aws.create_schedule_group(GROUP).await;
        let (target_arn, big_arn) = (aws.arn("lambda", "function:target"), aws.arn("lambda", &format!("function:{BIG}")));

        let use_cases = options.use_cases.clone().unwrap_or_else(tools::precompiled_samples);
        let use_cases = if options.use_cases_in_s3 {
            // Names of buckets are global to all accounts.
            let bucket = format!("postdate-{account}");
            aws.create_bucket(&bucket).await;
            aws.put_directory(&bucket, "use-cases", &use_cases).await;
            format!("s3://{bucket}/use-cases")
        } else {
            use_cases.display().to_string()
        };
        let mut environment = vec![
            ("AWS_ENDPOINT_URL".to_owned(), proxy.url()),
            ("POSTDATE_TABLE".to_owned(), TABLE.to_owned()),
            ("POSTDATE_USE_CASES".to_owned(), use_cases),
            ("POSTDATE_TARGET_ARN".to_owned(), target_arn.clone()),
            ("POSTDATE_PREFIX".to_owned(), PREFIX.to_owned()),
            ("POSTDATE_DEAD_LETTER_ARN".to_owned(), aws.arn("sqs", "postdate-dead-letters")),
            ("POSTDATE_TOPIC_ARN".to_owned(), topic_arn.clone()),
            ("POSTDATE_DELIVERY_TARGETS".to_owned(), delivery_targets().join(",")),
            // The receivers of the tests.
            ("POSTDATE_ALLOW_EGRESS".to_owned(), "127.0.0.0/8,::1".to_owned()),
            // The sample bundle needs this secret. The value is public.
            ("SECRET_WEBHOOK".to_owned(), "whsec_b2YtdGhlLXRlc3RzLW9mLXRoZS1hd3MtaG9zdHM=".to_owned()),
        ];
        if !options.without_queue {
            environment.push(("POSTDATE_QUEUE_URL".to_owned(), queue_url.clone()));
        }
        if options.scheduler {
            environment.push(("POSTDATE_SCHEDULER".to_owned(), "scheduler".to_owned()));
            environment.push(("POSTDATE_SCHEDULE_GROUP".to_owned(), GROUP.to_owned()));
            let role = format!("arn:aws:iam::{account}:role/postdate-scheduler");
            environment.push(("POSTDATE_SCHEDULER_ROLE_ARN".to_owned(), role));
        }
        let hosts = serde_json::json!({ "big": { "arn": big_arn, "queueUrl": big_queue_url } });
        environment.push(("POSTDATE_HOSTS".to_owned(), hosts.to_string()));
        environment.extend(options.variables);

        let emulator = Emulator::start(&clock, &account).await;
        let sources = Sources {
            queues: vec![(queue_url.clone(), target_arn.clone()), (big_queue_url.clone(), big_arn)],
            dead_letters: dead_letters_url.clone(),
            group: GROUP.to_owned(),
        };
        let driver = Driver::new(aws.clone(), proxy.clone(), clock.clone(), sources);
        Self {
            clock,
            proxy,
            aws,
            emulator,
            driver,
            queue_url,
            big_queue_url,
            dead_letters_url,
            notices_url,
            topic_arn,
            target_arn,
            environment,
            _moto: moto,
        }
    }

    /// Returns a process, not started, of `processor`, `target`, `janitor` or [`BIG`].
    pub fn function(&self, name: &str) -> Function {
        self.emulator.function(name, &self.environment)
    }

    /// Starts the second target host, which has its own queue.
    pub async fn big(&self) -> Function {
        self.function(BIG).variable("POSTDATE_QUEUE_URL", &self.big_queue_url).started().await
    }

    /// Starts the processor. `url()` is its base URL.
    pub async fn processor(&self) -> Function {
        self.function("processor").started().await
    }

    pub async fn target(&self) -> Function {
        self.function("target").started().await
    }

    pub async fn janitor(&self) -> Function {
        self.function("janitor").started().await
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.proxy.assert_lawful();
        }
    }
}
