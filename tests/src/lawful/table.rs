//! DynamoDB. Source: "Constraints in Amazon DynamoDB",
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>, and `TransactWriteItems` in the API
//! reference.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::Problems;

/// Maximum size of an item, with the names of its attributes: 400 KB.
const ITEM_BYTES: usize = 409_600;
const PARTITION_KEY_BYTES: usize = 2048;
const SORT_KEY_BYTES: usize = 1024;
/// "The maximum length of any expression string is 4 KB."
const EXPRESSION_BYTES: usize = 4096;
/// A transaction has up to 100 actions, with items of 4 MB altogether.
const TRANSACTION_ITEMS: usize = 100;
const TRANSACTION_BYTES: usize = 4 << 20;

/// Checks an action that stands alone or in a transaction.
pub fn action(found: &mut Problems, place: &str, action: &Value) {
    let bytes = item_bytes(&action["Item"]);
    found.unless(bytes <= ITEM_BYTES, || format!("{place}Item has {bytes} bytes: at most {ITEM_BYTES} are allowed"));
    for (key, most) in [("pk", PARTITION_KEY_BYTES), ("sk", SORT_KEY_BYTES)] {
        for document in ["Item", "Key"] {
            let Some(text) = action[document][key]["S"].as_str() else { continue };
            let good = (1..=most).contains(&text.len());
            found.unless(good, || format!("{place}{document}.{key} has {} bytes: 1 to {most} are allowed", text.len()));
        }
    }
    for expression in ["ConditionExpression", "UpdateExpression", "KeyConditionExpression", "FilterExpression", "ProjectionExpression"] {
        let text = action[expression].as_str().unwrap_or_default();
        found.length(&format!("{place}{expression}"), text, EXPRESSION_BYTES, "bytes");
    }
}

pub fn transaction(found: &mut Problems, body: &Value) {
    let actions = body["TransactItems"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count = actions.len();
    found.unless((1..=TRANSACTION_ITEMS).contains(&count), || format!("{count} actions: 1 to {TRANSACTION_ITEMS} are allowed"));
    let (mut bytes, mut items) = (0, Vec::new());
    for (index, entry) in actions.iter().enumerate() {
        for (kind, one) in entry.as_object().into_iter().flatten() {
            action(found, &format!("TransactItems[{index}].{kind}."), one);
            bytes += item_bytes(&one["Item"]);
            let key = if one["Key"].is_object() { &one["Key"] } else { &one["Item"] };
            let item = (&one["TableName"], &key["pk"], &key["sk"]);
            // "Transaction request cannot include multiple operations on one item."
            found.unless(!items.contains(&item), || format!("TransactItems[{index}] is a second action on one item"));
            items.push(item);
        }
    }
    found.unless(bytes <= TRANSACTION_BYTES, || format!("the items have {bytes} bytes: at most {TRANSACTION_BYTES} are allowed"));
}

/// Returns the size of an item in DynamoDB's JSON, in bytes. Source: "DynamoDB item sizes and formats",
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.
pub fn item_bytes(item: &Value) -> usize {
    item.as_object().into_iter().flatten().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    let Some((kind, content)) = value.as_object().and_then(|members| members.iter().next()) else { return 0 };
    let text = content.as_str().unwrap_or_default();
    let elements = || content.as_array().into_iter().flatten();
    match kind.as_str() {
        "S" => text.len(),
        "N" => number_bytes(text),
        "B" => BASE64_STANDARD.decode(text).map_or(text.len(), |bytes| bytes.len()),
        "NS" => elements().filter_map(Value::as_str).map(number_bytes).sum(),
        "SS" | "BS" => elements().filter_map(Value::as_str).map(str::len).sum(),
        // "An attribute of type List or Map requires 3 bytes of overhead", and each element one byte.
        "L" => 3 + elements().map(|element| 1 + value_bytes(element)).sum::<usize>(),
        "M" => 3 + item_bytes(content) + content.as_object().map_or(0, serde_json::Map::len),
        _ => 1,
    }
}

/// "Leading and trailing zeroes are trimmed. The size of a number is approximately […] (1 byte per two significant digits) + (1 byte)."
fn number_bytes(text: &str) -> usize {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len().div_ceil(2) + 1
}
