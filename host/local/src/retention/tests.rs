use postdate_core::lifecycle::{Change, Outcome};
use postdate_core::ports::{Changes as _, Intake as _};
use postdate_core::testing::{at, new_request, sample_id};

use super::*;

const DAY: Duration = Duration::from_hours(24);

/// Inserts request `n`, which has the idempotency key `k{n}`, and ends it at `seconds`.
async fn ended(ledger: &SqliteLedger, n: u64, seconds: i64, outcome: Outcome) {
    let mut new = new_request(sample_id(n), "orders", at(0));
    new.idempotency_key = Some(format!("k{n}"));
    ledger.insert(new.into()).await.unwrap();
    ledger.change(sample_id(n), Change::Claim { lease: DAY }, at(0)).await.unwrap();
    ledger.change(sample_id(n), Change::Finish { claim: 1, outcome }, at(seconds)).await.unwrap();
}

#[tokio::test]
async fn ended_requests_are_deleted_at_their_age_by_the_servers_clock_and_others_stay() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&directory.path().join("ledger.sqlite")).unwrap();
    let failed = || Outcome::Failed { failure: "gone".to_owned(), notice: None };
    ended(&ledger, 1, 10, Outcome::Succeeded { result: None, notice: None }).await;
    ended(&ledger, 2, 20, failed()).await;
    ended(&ledger, 3, 30, failed()).await;
    ledger.change(sample_id(3), Change::Retry { by: None }, at(40)).await.unwrap();
    ledger.insert(new_request(sample_id(4), "orders", at(0)).into()).await.unwrap();
    ledger.change(sample_id(4), Change::Cancel { by: None }, at(3_600)).await.unwrap();
    let clock = Clock::test(at(0));
    let Clock::Test(hands) = &clock else { unreachable!() };
    let stop = CancellationToken::new();
    let task = tokio::spawn(run(ledger.clone(), clock.clone(), Some(Retention::For(DAY)), stop.clone()));
    let left = async || {
        let mut left = Vec::new();
        for n in 1..=4 {
            left.extend(ledger.request(sample_id(n)).await.unwrap().map(|_| n));
        }
        left
    };
    let reaches = async |expected: &[u64]| {
        tokio::time::timeout(Duration::from_secs(20), async {
            while left().await != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("other requests than {expected:?} stay"));
    };
    hands.send_replace(at(24 * 3_600 + 10));
    reaches(&[2, 3, 4]).await;
    assert!(ledger.find_by_key("orders", "k1").await.unwrap().is_none(), "a key goes with its request");
    hands.send_replace(at(24 * 3_600 + 100));
    reaches(&[3, 4]).await;
    hands.send_replace(at(25 * 3_600));
    reaches(&[3]).await;
    stop.cancel();
    task.await.unwrap();
}
