//! The capacity units of a request's whole life, computed from the items that it writes and reads, and compared with the tables of
//! `docs/aws.md`.
//!
//! Rules, of the developer guide of DynamoDB: the sizes of [`item_bytes`]; "DynamoDB read and write operations" (1 KB a write
//! unit, 4 KB a read unit with strong consistency; a transaction counts twice); "Using global secondary indexes" (an index is written
//! when a projected attribute changes; a changed key deletes one index item and puts another).

use std::collections::BTreeMap;

use chrono::TimeDelta;
use postdate_aws::ports::{Backlog, Notified};
use postdate_core::lifecycle::{Change, Outcome};
use postdate_core::ports::{Changed, Changes, Claims, Intake, Requests};
use postdate_core::request::{NewRequest, Request};
use postdate_core::testing::{moment, new_request, sample_id};
use postdate_tests::aws::LISTED;
use postdate_tests::fault_proxy::Recorded;
use postdate_tests::lawful::item_bytes;
use serde_json::Value;

use crate::at;
use crate::scene::{Scene, TABLE, scene};

/// Name and key attributes of each index; `lists` also has [`LISTED`].
const INDEXES: [(&str, &[&str]); 3] = [("lists", &["list", "at"]), ("open", &["open", "wake"]), ("pinned", &["pin"])];

/// USD for a million write units and for a million read units, on demand, in us-east-1.
const PRICES: (f64, f64) = (0.625, 0.125);

type Items = BTreeMap<(String, String), Value>;

async fn items(scene: &Scene) -> Items {
    let key = |item: &Value| ["pk", "sk"].map(|name| item[name]["S"].as_str().expect("a key").to_owned()).into();
    let all = scene.account.aws.items(TABLE).await.into_iter().map(|item| (key(&item), item));
    // A process registers a use case once, not for each request.
    all.filter(|((pk, _), _)| pk != "use-cases").collect()
}

/// Returns the part of an item that an index has, if it has the item.
fn projected(item: Option<&Value>, name: &str, keys: &[&str]) -> Option<Value> {
    let item = item?.as_object()?;
    if !keys.iter().all(|key| item.contains_key(*key)) {
        return None;
    }
    let is_in =
        |attribute: &str| keys.contains(&attribute) || ["pk", "sk"].contains(&attribute) || name == "lists" && LISTED.contains(&attribute);
    Some(Value::Object(item.iter().filter(|(attribute, _)| is_in(attribute)).map(|(name, value)| (name.clone(), value.clone())).collect()))
}

/// Returns the write units of a change of one item.
fn write_units(before: Option<&Value>, after: Option<&Value>, factor: usize) -> usize {
    let units = |item: &Value| item_bytes(item).div_ceil(1024);
    let table = factor * before.into_iter().chain(after).map(units).max().unwrap_or_default();
    let of_index = |(name, keys): &(&str, &[&str])| {
        let (old, new) = (projected(before, name, keys), projected(after, name, keys));
        match (&old, &new) {
            (Some(old), Some(new)) if keys.iter().all(|key| old[*key] == new[*key]) => {
                if old == new {
                    0
                } else {
                    units(old).max(units(new))
                }
            }
            _ => old.iter().chain(&new).map(units).sum(),
        }
    };
    table + INDEXES.iter().map(of_index).sum::<usize>()
}

/// Returns the read units of a call with strong consistency.
fn read_units(call: &Recorded) -> usize {
    let answer = &call.answer.as_ref().expect("an answer").1;
    let bytes: usize = match call.action.as_str() {
        "GetItem" => answer.get("Item").map_or(0, item_bytes),
        "Query" => answer["Items"].as_array().expect("items").iter().map(item_bytes).sum(),
        _ => return 0,
    };
    bytes.div_ceil(4096).max(1)
}

/// Units of one step: written, read.
type Units = (usize, usize);

/// Makes a step of one write, and returns its units. An item that is written without a change would not be seen here; the ledger
/// changes `rev` with each write of a head, and writes others only to change them.
async fn step(scene: &Scene, act: impl Future<Output = ()>) -> Units {
    let before = items(scene).await;
    scene.account.proxy.forget();
    act.await;
    let after = items(scene).await;
    let records = scene.account.proxy.records();
    let writes: Vec<&str> =
        records.iter().map(|call| call.action.as_str()).filter(|action| !["GetItem", "Query"].contains(action)).collect();
    let factor = match writes.as_slice() {
        ["PutItem" | "UpdateItem"] => 1,
        ["TransactWriteItems"] => 2,
        other => panic!("{other:?} is not one write"),
    };
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    let written = changed.map(|key| write_units(before.get(key), after.get(key), factor)).sum();
    (written, records.iter().map(|call| read_units(call)).sum())
}

/// A request of the tables.
#[expect(clippy::struct_excessive_bools, reason = "each is what a row has beside the first one")]
#[derive(Default)]
struct Sample {
    body: usize,
    key: bool,
    result: usize,
    notice: bool,
    /// Attempts that fail before the one that succeeds.
    failures: u32,
    /// The last attempt fails for good, and operators are notified.
    fails: bool,
    /// The request is moved before its first attempt.
    moved: bool,
    /// It is cancelled instead of its first attempt.
    cancelled: bool,
    /// Labels, of some 20 bytes each.
    labels: u32,
}

/// Returns the units to accept the request, of all claims, and of the ends of attempts with the API's changes.
async fn life(sample: &Sample) -> [Units; 3] {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(sample.body - 11));
    let of = |n| {
        let new = new_request(sample_id(n), "orders", at(3600));
        let labels = (0..sample.labels).map(|n| (format!("customer-{n}"), "6ba7b8109dad".to_owned())).collect();
        let request = Request { version: "0123456789abcdef".to_owned(), target: "processor".to_owned(), labels, ..new.request };
        NewRequest { request, body: body.clone(), ..new }
    };
    // The process knows the use case, as after its first request.
    ledger.insert(of(9).into()).await.unwrap();
    let mut new = of(1);
    if sample.key {
        new.idempotency_key = Some("6ba7b810-9dad-41d1-80b4-00c04fd430c8".to_owned());
        new.request.idempotency_hash = Some("0".repeat(64).replace('0', "a"));
    }
    let inserting = Box::pin(async {
        if let Some(key) = &new.idempotency_key {
            assert_eq!(ledger.find_by_key("orders", key).await.unwrap(), None);
        }
        ledger.insert(new.clone().into()).await.unwrap();
    });
    let accept = step(&scene, inserting).await;
    let failure = || "the receiver answered 503".to_owned();
    let done = |changed: Changed| if let Changed::Done(request) = changed { request } else { panic!("{changed:?}") };
    let sum = |one: Units, other: Units| (one.0 + other.0, one.1 + other.1);
    let (mut claims, mut ends, mut now) = ((0, 0), (0, 0), at(3600));
    // The API finds the request before it changes it.
    let changing = async |change: Change| {
        ledger.find(sample_id(1)).await.unwrap().expect("the request");
        done(ledger.change(sample_id(1), change, at(60)).await.unwrap());
    };
    if sample.moved {
        now = at(7200);
        ends = sum(ends, step(&scene, Box::pin(changing(Change::Move { to: now, by: None }))).await);
    }
    if sample.cancelled {
        ends = sum(ends, step(&scene, Box::pin(changing(Change::Cancel { by: None }))).await);
        return [accept, claims, ends];
    }
    for attempt in 1..=sample.failures + 1 {
        let claiming = Box::pin(async { _ = done(ledger.claim(sample_id(1), |request| request.lease, now).await.unwrap().0) });
        claims = sum(claims, step(&scene, claiming).await);
        let again = now + TimeDelta::seconds(30);
        let outcome = if attempt <= sample.failures {
            Outcome::Retry { failure: failure(), at: again }
        } else if sample.fails {
            Outcome::Failed { failure: failure(), notice: None }
        } else {
            let notice = sample.notice.then(|| {
                let notice = of(2);
                Box::new(NewRequest { request: Request { notice_of: Some(sample_id(1)), ..notice.request }, ..notice })
            });
            Outcome::Succeeded { result: (sample.result > 0).then(|| "r".repeat(sample.result)), notice }
        };
        let end = Change::Finish { claim: attempt, outcome };
        let then = now + TimeDelta::milliseconds(137);
        let mut ended = None;
        let ending = Box::pin(async { ended = Some(done(ledger.change(sample_id(1), end, then).await.unwrap())) });
        ends = sum(ends, step(&scene, ending).await);
        if let Some(failed) = ended.filter(|request| request.status.is_failure()) {
            let notifying = Box::pin(async { ledger.set_notified(&failed, Notified::ALL).await.unwrap() });
            ends = sum(ends, step(&scene, notifying).await);
        }
        now = again;
    }
    assert!(moment() < now);
    [accept, claims, ends]
}

fn samples() -> Vec<(&'static str, Sample)> {
    let small = || Sample { body: 200, ..Sample::default() };
    vec![
        ("a body of 200 bytes", small()),
        ("the same with an `Idempotency-Key`", Sample { key: true, ..small() }),
        ("the same with a result of 900 bytes", Sample { result: 900, ..small() }),
        ("the same with one failed attempt before", Sample { failures: 1, ..small() }),
        ("the same, failed for good", Sample { fails: true, ..small() }),
        ("the same, moved once", Sample { moved: true, ..small() }),
        ("the same, cancelled", Sample { cancelled: true, ..small() }),
        ("the same with a notice, before the notice's own life", Sample { notice: true, ..small() }),
        ("the same with a label", Sample { labels: 1, ..small() }),
        ("the same with five labels", Sample { labels: 5, ..small() }),
        ("a body of 1 KB", Sample { body: 1024, ..Sample::default() }),
        ("a body of 8 KB", Sample { body: 8 << 10, ..Sample::default() }),
        ("a body of 20 KB", Sample { body: 20 << 10, ..Sample::default() }),
    ]
}

fn documented() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/aws.md");
    std::fs::read_to_string(path).expect("docs/aws.md")
}

/// Requires the lines in `docs/aws.md`, and shows all that should be there.
#[track_caller]
fn require(lines: &[String]) {
    let text = documented();
    let missing: Vec<&String> = lines.iter().filter(|line| !text.lines().any(|other| other == *line)).collect();
    assert!(missing.is_empty(), "docs/aws.md lacks {missing:#?}; these must be in it:\n{}", lines.join("\n"));
}

#[tokio::test]
async fn the_documented_capacity_units_are_those_of_the_items_written_and_read() {
    let mut lines = Vec::new();
    for (name, sample) in samples() {
        let units = life(&sample).await;
        let [accept, claims, ends] = units.map(|(written, _)| written);
        let read: usize = units.iter().map(|(_, read)| read).sum();
        lines.push(format!("| {name} | {accept} | {claims} | {ends} | {} | {read} |", accept + claims + ends));
    }
    require(&lines);
}

#[tokio::test]
async fn the_documented_cost_of_the_table_follows_from_its_units() {
    let [accept, claim, end] = life(&Sample { body: 1024, ..Sample::default() }).await;
    let (written, read) = (accept.0 + claim.0 + end.0, accept.1 + claim.1 + end.1);
    let usd = |units: usize, price: f64| f64::from(u32::try_from(units).expect("few units")) * price;
    let price = "[0.625 a million](https://aws.amazon.com/dynamodb/pricing/on-demand/)";
    require(&[
        format!(
            "| DynamoDB, writes | {} + {} + {} = {written} M units | {price} | {:.2} |",
            accept.0,
            claim.0,
            end.0,
            usd(written, PRICES.0)
        ),
        format!("| DynamoDB, reads | {read} M units | 0.125 a million | {:.2} |", usd(read, PRICES.1)),
    ]);
}

#[test]
fn the_documented_cost_is_the_sum_of_its_rows() {
    let text = documented();
    let (_, table) = text.split_once("| | amount | list price | USD |\n").expect("the table of costs");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let last = |line: &str| line.trim_end_matches(['|', ' ']).rsplit('|').next().expect("a cell").trim().trim_matches('*').to_owned();
    let mut cents: Vec<f64> = rows.map(|row| last(row).parse::<f64>().unwrap_or_else(|_| panic!("{row}")) * 100.0).collect();
    let total = cents.pop().expect("the total");
    assert!((cents.iter().sum::<f64>() - total).abs() < 0.5, "{} is the sum of the rows, and not {total}", cents.iter().sum::<f64>());
}
