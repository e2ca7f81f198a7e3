//! Everything that a test of the AWS deployment stands on, in an account of its own.

use std::path::PathBuf;
use std::sync::Arc;

use crate::aws::Aws;
use crate::clock::Clock;
use crate::driver::{Driver, Sources};
use crate::fault_proxy::FaultProxy;
use crate::lambda::{Emulator, Function};
use crate::moto::{Account, Moto};
use crate::tools;

pub const TABLE: &str = "postdate";
pub const GROUP: &str = "postdate";
pub const PREFIX: &str = "postdate-";

/// What differs from test to test.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// EventBridge Scheduler in place of rules.
    pub scheduler: bool,
    /// No delay queue: whole minutes.
    pub without_queue: bool,
    /// Bundles with compiled plugins; those of `cargo xtask test` where none.
    pub use_cases: Option<PathBuf>,
    /// Reads them from S3 and not from the directory.
    pub use_cases_in_s3: bool,
    /// More variables for all functions.
    pub variables: Vec<(String, String)>,
}

/// An account with the stack's resources, the proxy before it, and Lambdas to be started.
///
/// At its end it fails where a Lambda sent a call that AWS would refuse.
pub struct Stack {
    pub clock: Clock,
    pub proxy: FaultProxy,
    pub aws: Aws,
    pub emulator: Emulator,
    pub driver: Driver,
    /// Of the delay queue, whether or not the functions know it.
    pub queue_url: String,
    /// Of the delay queue of `big`, the second target host.
    pub big_queue_url: String,
    pub dead_letters_url: String,
    /// A queue that gets what is published to the topic.
    pub notices_url: String,
    pub topic_arn: String,
    pub target_arn: String,
    /// The functions' variables.
    pub environment: Vec<(String, String)>,
    _moto: Arc<Moto>,
}

impl Stack {
    /// With rules, the queue, and the bundles of `cargo xtask test`.
    pub async fn new() -> Self {
        Self::start(Options::default()).await
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
        let (target_arn, big_arn) = (aws.arn("lambda", "function:target"), aws.arn("lambda", "function:big"));

        let use_cases = options.use_cases.clone().unwrap_or_else(tools::precompiled_samples);
        let use_cases = if options.use_cases_in_s3 {
            // Buckets are of one namespace for all accounts.
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
            // The sample bundle asks for it. It protects nothing.
            ("WEBHOOK_SECRET".to_owned(), "whsec_b2YtdGhlLXRlc3RzLW9mLXRoZS1hd3MtaG9zdHM=".to_owned()),
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

    /// A process of a function, not yet started: `processor`, `target`, `janitor`, or `big`, a second target host.
    pub fn function(&self, name: &str) -> Function {
        self.emulator.function(name, &self.environment)
    }

    /// The second target host, which reads its own queue.
    pub async fn big(&self) -> Function {
        self.function("big").variable("POSTDATE_QUEUE_URL", &self.big_queue_url).started().await
    }

    /// A started process of the function. Its HTTP front is `url()`.
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
