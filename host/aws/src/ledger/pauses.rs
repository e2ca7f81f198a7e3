//! Pauses: the items of one partition, which is read whole. DynamoDB deletes a pause some time after its end.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use chrono::{DateTime, Utc};
use postdate_core::pause::Pause;
use postdate_core::ports::{LedgerError, Pauses};
use serde::{Deserialize, Serialize};

use super::table::key;
use super::{DynamoLedger, failed};

const PAUSES: &str = "pauses";

/// A pause as an item. Its sort key is `{use case}#{target}`, without a target for all of them.
#[derive(Debug, Serialize, Deserialize)]
struct PauseItem {
    pk: String,
    sk: String,
    use_case: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// In milliseconds since 1970, as the next one.
    since: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// In seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
}

impl From<Pause> for PauseItem {
    fn from(Pause { use_case, target, since, until, by }: Pause) -> Self {
        Self {
            pk: PAUSES.to_owned(),
            sk: sort_key(&use_case, target.as_deref()),
            use_case,
            target,
            since: since.timestamp_millis(),
            until: until.map(|until| until.timestamp_millis()),
            by,
            expires: until.map(|until| until.timestamp() + 1),
        }
    }
}

impl TryFrom<PauseItem> for Pause {
    type Error = LedgerError;

    fn try_from(stored: PauseItem) -> Result<Self, LedgerError> {
        let broken = || LedgerError::Failed(format!("the item of the pause {} has no valid time", stored.sk));
        let time = |millis| DateTime::from_timestamp_millis(millis).ok_or_else(broken);
        let (since, until) = (time(stored.since)?, stored.until.map(time).transpose()?);
        Ok(Self { use_case: stored.use_case, target: stored.target, since, until, by: stored.by })
    }
}

/// Returns a sort key. Names of use cases have no "#".
fn sort_key(use_case: &str, target: Option<&str>) -> String {
    format!("{use_case}#{}", target.unwrap_or_default())
}

impl DynamoLedger {
    /// Returns the stored pauses whose sort key begins like this.
    async fn stored_pauses(&self, prefix: &str) -> Result<Vec<PauseItem>, LedgerError> {
        let call = self.client.query().table_name(&*self.table).consistent_read(true);
        let call = call.expression_attribute_values(":pk", AttributeValue::S(PAUSES.to_owned()));
        let call = if prefix.is_empty() {
            call.key_condition_expression("pk = :pk")
        } else {
            let call = call.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)");
            call.expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
        };
        let (mut stored, mut last) = (Vec::new(), None);
        loop {
            let answer = call.clone().set_exclusive_start_key(last).send().await.map_err(|error| failed(&error))?;
            for item in answer.items.unwrap_or_default() {
                let pause = serde_dynamo::aws_sdk_dynamodb_1::from_item(item);
                stored.push(pause.map_err(|error| LedgerError::Failed(format!("a pause in the ledger cannot be read: {error}")))?);
            }
            last = answer.last_evaluated_key;
            if last.is_none() {
                return Ok(stored);
            }
        }
    }

    /// Deletes a pause. Returns whether there was one.
    async fn delete_pause(&self, sort_key: &str) -> Result<bool, LedgerError> {
        let call = self.client.delete_item().table_name(&*self.table).set_key(Some(key(PAUSES, sort_key)));
        let deleted = call.return_values(ReturnValue::AllOld).send().await.map_err(|error| failed(&error))?;
        Ok(deleted.attributes.is_some_and(|item| !item.is_empty()))
    }
}

impl Pauses for DynamoLedger {
    async fn pauses(&self, now: DateTime<Utc>) -> Result<Vec<Pause>, LedgerError> {
        let stored = self.stored_pauses("").await?;
        let mut pauses = stored.into_iter().map(Pause::try_from).collect::<Result<Vec<_>, _>>()?;
        pauses.retain(|pause| pause.is_on(now));
        pauses.sort_by(|one, other| (&one.use_case, &one.target).cmp(&(&other.use_case, &other.target)));
        Ok(pauses)
    }

    async fn pause(&self, pause: Pause) -> Result<(), LedgerError> {
        let item = serde_dynamo::aws_sdk_dynamodb_1::to_item(PauseItem::from(pause));
        let item = item.map_err(|error| LedgerError::Failed(format!("a pause cannot be written: {error}")))?;
        self.client.put_item().table_name(&*self.table).set_item(Some(item)).send().await.map_err(|error| failed(&error))?;
        Ok(())
    }

    async fn resume(&self, use_case: &str, target: Option<&str>) -> Result<bool, LedgerError> {
        if target.is_some() {
            return self.delete_pause(&sort_key(use_case, target)).await;
        }
        let mut any = false;
        for stored in self.stored_pauses(&sort_key(use_case, None)).await? {
            any |= self.delete_pause(&stored.sk).await?;
        }
        Ok(any)
    }
}
