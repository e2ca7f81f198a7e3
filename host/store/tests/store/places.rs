//! Stores for tests, each used by one test: a directory, and a bucket in moto.

use std::path::Path;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use postdate_store::{Directory, S3};
use postdate_tests::aws::REGION;
use postdate_tests::fault_proxy::Fault;
use postdate_tests::moto::Account;

pub struct InDirectory {
    pub objects: Directory,
    root: tempfile::TempDir,
}

impl InDirectory {
    pub fn path(&self) -> &Path {
        self.root.path()
    }
}

pub fn directory() -> InDirectory {
    let root = tempfile::tempdir().unwrap();
    InDirectory { objects: Directory::new(root.path().join("store")), root }
}

pub struct InBucket {
    pub objects: S3,
    account: Account,
}

impl InBucket {
    /// Makes S3 answer `AccessDenied` to every read and write from now on.
    pub fn refuse(&self) {
        for action in ["GetObject", "PutObject"] {
            self.account.proxy.fail_always("s3", action, Fault::AccessDenied);
        }
    }
}

pub async fn bucket(prefix: &str) -> InBucket {
    let account = Account::new().await;
    let name = format!("store-{}", account.aws.account);
    account.aws.create_bucket(&name).await;
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(account.proxy.url())
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    let objects = S3::new(aws_sdk_s3::Client::from_conf(config.build()), name, prefix);
    InBucket { objects, account }
}
