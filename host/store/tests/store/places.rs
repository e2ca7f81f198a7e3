//! Stores for tests, each used by one test: a directory, and a bucket in moto.

use std::path::Path;
use std::sync::Arc;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use postdate_store::{Directory, S3};
use postdate_tests::aws::{Aws, REGION};
use postdate_tests::clock::Clock;
use postdate_tests::fault_proxy::{Fault, FaultProxy};
use postdate_tests::moto::{Moto, new_account};

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
    proxy: FaultProxy,
    _moto: Arc<Moto>,
}

impl InBucket {
    /// Makes S3 answer `AccessDenied` to every read and write from now on.
    pub fn refuse(&self) {
        for action in ["GetObject", "PutObject"] {
            self.proxy.fail_always("s3", action, Fault::AccessDenied);
        }
    }
}

pub async fn bucket(prefix: &str) -> InBucket {
    let (moto, account) = (Moto::shared().await, new_account());
    let proxy = FaultProxy::start(&moto.url(), &account, Clock::new()).await;
    let name = format!("store-{account}");
    Aws::new(&proxy.url(), &account).create_bucket(&name).await;
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(proxy.url())
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    let objects = S3::new(aws_sdk_s3::Client::from_conf(config.build()), name, prefix);
    InBucket { objects, proxy, _moto: moto }
}
