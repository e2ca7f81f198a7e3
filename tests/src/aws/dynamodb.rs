//! DynamoDB: the ledger's table, as `infra/template.yaml` creates it.

use serde_json::{Value, json};

use super::Aws;

/// Attributes in the index `lists` beside the keys.
pub const LISTED: [&str; 16] = [
    "use_case",
    "version",
    "target",
    "status",
    "received_at",
    "trigger_at",
    "due_at",
    "attempts",
    "finished_at",
    "reason",
    "waits_for",
    "waits_since",
    "owner",
    "expires",
    "labels",
    "erased_at",
];

impl Aws {
    pub async fn create_table(&self, name: &str) {
        let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
        let keys =
            |hash: &str, range: &str| json!([{ "AttributeName": hash, "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }]);
        let table = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                attribute("pk", "S"), attribute("sk", "S"), attribute("list", "S"), attribute("at", "S"),
                attribute("open", "S"), attribute("wake", "S"), attribute("pin", "S"),
            ],
            "KeySchema": keys("pk", "sk"),
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": "lists",
                    "KeySchema": keys("list", "at"),
                    "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": LISTED },
                },
                { "IndexName": "open", "KeySchema": keys("open", "wake"), "Projection": { "ProjectionType": "KEYS_ONLY" } },
                {
                    "IndexName": "pinned",
                    "KeySchema": [{ "AttributeName": "pin", "KeyType": "HASH" }],
                    "Projection": { "ProjectionType": "KEYS_ONLY" },
                },
            ],
        });
        self.json("dynamodb", "CreateTable", &table).await;
    }

    /// Returns all items in DynamoDB's JSON: `{"pk":{"S":"…"}}`.
    pub async fn items(&self, table: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut call = json!({ "TableName": table, "ConsistentRead": true });
        loop {
            let mut answer = self.json("dynamodb", "Scan", &call).await;
            if let Value::Array(page) = answer["Items"].take() {
                all.extend(page);
            }
            match answer["LastEvaluatedKey"].take() {
                Value::Null => return all,
                last => call["ExclusiveStartKey"] = last,
            }
        }
    }

    /// Returns an item, or `None` if the table has none with this key.
    pub async fn item(&self, table: &str, pk: &str, sk: &str) -> Option<Value> {
        let call = json!({ "TableName": table, "ConsistentRead": true, "Key": { "pk": { "S": pk }, "sk": { "S": sk } } });
        Some(self.json("dynamodb", "GetItem", &call).await["Item"].take()).filter(Value::is_object)
    }
}
