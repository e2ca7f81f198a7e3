//! A ledger over a table that no other test uses.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::Credentials;
use chrono::{DateTime, Utc};
use postdate_aws::ledger::{DynamoLedger, Layout};
use postdate_core::testing::moment;
use postdate_tests::moto::Account;

pub const TABLE: &str = "ledger";
/// Time for which the ledger keeps an ended request.
const RETENTION: Duration = Duration::from_hours(24);

pub struct Scene {
    /// A ledger whose clock stands at [`moment`].
    pub ledger: DynamoLedger,
    pub account: Account,
}

pub async fn scene() -> Scene {
    let account = Account::new().await;
    account.aws.create_table(TABLE).await;
    Scene { ledger: ledger(&account, moment), account }
}

impl Scene {
    pub fn with_layout(mut self, layout: Layout, rows_per_page: usize) -> Self {
        self.ledger = self.ledger.with_layout(layout, rows_per_page);
        self
    }

    /// Returns a ledger over the same table, with another clock.
    pub fn ledger_at(&self, now: fn() -> DateTime<Utc>) -> DynamoLedger {
        ledger(&self.account, now)
    }
}

fn ledger(account: &Account, now: fn() -> DateTime<Utc>) -> DynamoLedger {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(postdate_tests::aws::REGION))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(account.proxy.url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    DynamoLedger::new(aws_sdk_dynamodb::Client::from_conf(config), TABLE, RETENTION, now)
}
