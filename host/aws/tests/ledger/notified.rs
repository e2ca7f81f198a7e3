//! The record of notifications.

use chrono::TimeDelta;
use postdate_aws::ports::{Backlog, Notified};
use postdate_core::lifecycle::{Change, Outcome};
use postdate_core::ports::{Changed, Changes, Claims, Intake};
use postdate_core::testing::{moment, new_request, sample_id};

use super::scene::scene;

#[tokio::test]
async fn a_failed_request_is_open_until_its_notifications_are_recorded() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    ledger.insert(new_request(sample_id(1), "orders", moment()).into()).await.unwrap();
    let fail = async |claim, second| {
        let now = moment() + TimeDelta::seconds(second);
        ledger.claim(sample_id(1), |request| request.lease, now).await.unwrap();
        let outcome = Outcome::Failed { failure: "gone".to_owned(), notice: None };
        match ledger.change(sample_id(1), Change::Finish { claim, outcome }, now).await.unwrap() {
            Changed::Done(request) => request,
            other => panic!("{other:?}"),
        }
    };
    let open = async || ledger.overdue(moment() + TimeDelta::hours(1), None, 10).await.unwrap().len();
    assert_eq!(ledger.notified(sample_id(1)).await.unwrap(), Notified::ALL, "there is no failure to notify of");
    let failed = fail(1, 1).await;
    assert_eq!((ledger.notified(sample_id(1)).await.unwrap(), open().await), (Notified::default(), 1));
    let half = Notified { topic: true, letter: false };
    ledger.set_notified(&failed, half).await.unwrap();
    assert_eq!((ledger.notified(sample_id(1)).await.unwrap(), open().await), (half, 1));
    ledger.set_notified(&failed, Notified::ALL).await.unwrap();
    assert_eq!((ledger.notified(sample_id(1)).await.unwrap(), open().await), (Notified::ALL, 0));
    // An erasure does not notify again, and nobody retries what is erased.
    ledger.insert(new_request(sample_id(2), "orders", moment()).into()).await.unwrap();
    let outcome = Outcome::Failed { failure: "gone".to_owned(), notice: None };
    let at = moment() + TimeDelta::seconds(1);
    ledger.claim(sample_id(2), |request| request.lease, at).await.unwrap();
    let Changed::Done(other) = ledger.change(sample_id(2), Change::Finish { claim: 1, outcome }, at).await.unwrap() else { panic!() };
    for (told, left) in [(half, 1), (Notified::ALL, 0)] {
        ledger.set_notified(&other, told).await.unwrap();
        ledger.change(sample_id(2), Change::Erase { by: None }, at).await.unwrap();
        assert_eq!((ledger.notified(sample_id(2)).await.unwrap(), open().await), (told, left));
    }
    // The next failure has notifications of its own, which a late record of the first one does not change.
    ledger.change(sample_id(1), Change::Redrive { attempt: 2 }, moment() + TimeDelta::seconds(2)).await.unwrap();
    fail(2, 3).await;
    ledger.set_notified(&failed, Notified::ALL).await.unwrap();
    assert_eq!((ledger.notified(sample_id(1)).await.unwrap(), open().await), (Notified::default(), 1));
}
