use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use chrono::TimeDelta;
use postdate_core::lifecycle::Outcome;
use postdate_core::request::{Cursor, Event, Order, Status};
use postdate_core::testing::{at, join_all, ledger_contract, moment, new_request, pause_contract, sample_id};
use postdate_core::time::rfc3339;
use postdate_core::use_case::MAX_LABELS;
use rusqlite::StatementStatus;
use tempfile::TempDir;
use tokio::task::unconstrained;

use super::lists::Source;
use super::*;

/// Returns an empty ledger and its directory, which is deleted on drop.
fn empty() -> (SqliteLedger, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (SqliteLedger::open(&directory.path().join("ledger.sqlite")).unwrap(), directory)
}

/// Returns the n-th request, due `seconds` after [`moment`].
fn due(n: u64, seconds: i64) -> NewRequest {
    new_request(sample_id(n), "orders", at(seconds))
}

async fn insert_all(ledger: &SqliteLedger, requests: impl IntoIterator<Item = NewRequest>) {
    for answer in unconstrained(join_all(requests.into_iter().map(|new| ledger.insert(new.into())))).await {
        assert!(matches!(answer, Ok(Inserted::New)), "{answer:?}");
    }
}

async fn claim_at(ledger: &SqliteLedger, now: DateTime<Utc>, limit: usize) -> Due<()> {
    ledger.claim_due(move || now, |request| request.lease, oldest_first(limit)).await.unwrap()
}

/// Returns a choice of lanes that makes `limit` claims, oldest first over all lanes.
fn oldest_first(limit: usize) -> impl FnMut(&[Lane]) -> Option<Picked<()>> + Send + 'static {
    let mut left = limit;
    move |lanes| {
        left = left.checked_sub(1)?;
        lanes.iter().enumerate().min_by_key(|(_, lane)| lane.due_at).map(|(lane, _)| Picked { lane, place: (), slot: None })
    }
}

fn ids<P>(due: &Due<P>) -> Vec<CorrelationId> {
    due.claimed.iter().map(|(claimed, _)| claimed.request.id).collect()
}

/// Blocks the writer until the sender is dropped. Writes that are queued meanwhile share one transaction.
async fn hold_writer(ledger: &SqliteLedger) -> (mpsc::Sender<()>, tokio::task::JoinHandle<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (entered, is_entered) = tokio::sync::oneshot::channel();
    let ledger = ledger.clone();
    let mut entered = Some(entered);
    let work = move |_: &Connection| {
        let _ = entered.take().map(|entered| entered.send(()));
        let _ = released.recv();
        Ok(())
    };
    let held = tokio::spawn(async move { ledger.write(work).await.unwrap() });
    is_entered.await.unwrap();
    (release, held)
}

/// Polls once, which puts the write into the queue of a blocked writer.
async fn ask<F: Future>(mut write: Pin<&mut F>) {
    let answered = poll_fn(|context| Poll::Ready(write.as_mut().poll(context).is_ready())).await;
    assert!(!answered, "a write was answered while the writer is blocked");
}

/// Runs writes in one shared transaction and returns their outputs.
async fn in_one_batch<F: Future>(ledger: &SqliteLedger, writes: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let (release, held) = hold_writer(ledger).await;
    // Unconstrained, so that one poll queues all of them; tokio's budget would stop it earlier.
    let mut joined = pin!(unconstrained(join_all(writes)));
    ask(joined.as_mut()).await;
    drop(release);
    held.await.unwrap();
    joined.await
}

#[tokio::test]
async fn the_sqlite_ledger_keeps_the_contract() {
    let (ledger, _directory) = empty();
    ledger_contract(&ledger).await;
    pause_contract(&ledger).await;
}

#[tokio::test]
async fn queued_writes_share_one_commit() {
    let (ledger, directory) = empty();
    let path = directory.path().join("ledger.sqlite");
    // Each write counts the requests that another connection sees: none, as long as no write is committed.
    let writes = (0..200).map(|n| {
        let other = connect(&path).unwrap();
        ledger.write(move |connection| {
            rows::insert(connection, &due(n, 60))?;
            other.query_row("SELECT count(*) FROM requests", [], |row| row.get::<_, i64>(0))
        })
    });
    let seen: Vec<i64> = in_one_batch(&ledger, writes).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(seen, [0; 200]);
    assert!(ledger.request(sample_id(199)).await.unwrap().is_some());
}

#[tokio::test]
async fn an_answered_write_is_in_the_files() {
    let (ledger, directory) = empty();
    insert_all(&ledger, (0..200).map(|n| due(n, 60))).await;
    // A crash at this moment would leave these files.
    let crashed = tempfile::tempdir().unwrap();
    for file in ["ledger.sqlite", "ledger.sqlite-wal"] {
        std::fs::copy(directory.path().join(file), crashed.path().join(file)).unwrap();
    }
    for path in [crashed.path(), directory.path()] {
        let reopened = SqliteLedger::open(&path.join("ledger.sqlite")).unwrap();
        let page = reopened.list(Query { limit: 500, ..Query::default() }).await.unwrap();
        assert_eq!(page.requests.len(), 200);
        for request in page.requests {
            let (_, history) = reopened.find(request.id).await.unwrap().unwrap();
            assert_eq!(history, [lifecycle::accepted(&request)]);
        }
    }
}

#[tokio::test]
async fn requests_and_settings_survive_a_stop() {
    let (ledger, directory) = empty();
    let path = directory.path().join("ledger.sqlite");
    assert!(ledger.is_empty().await.unwrap());
    insert_all(&ledger, [due(1, 10), due(2, 20)]).await;
    let (running, ()) = claim_at(&ledger, at(10), 10).await.claimed.remove(0);
    ledger.set_setting("clock", "test".to_owned()).await.unwrap();
    ledger.set_setting("clock", "system".to_owned()).await.unwrap();
    drop(ledger);
    let wal = std::fs::metadata(directory.path().join("ledger.sqlite-wal")).map_or(0, |metadata| metadata.len());
    assert_eq!(wal, 0, "a stop must leave everything in one file");

    let ledger = SqliteLedger::open(&path).unwrap();
    assert!(!ledger.is_empty().await.unwrap());
    assert_eq!(ledger.setting("clock").await.unwrap().as_deref(), Some("system"));
    assert_eq!(ledger.setting("other").await.unwrap(), None);
    assert_eq!(ledger.request(sample_id(1)).await.unwrap(), Some(running.request));
    let next = claim_at(&ledger, at(20), 10).await;
    assert_eq!((ids(&next), next.claimed[0].0.body.as_str()), (vec![sample_id(2)], due(2, 20).body.as_str()));
}

#[tokio::test]
async fn a_faulty_change_fails_no_other_change_of_its_transaction() {
    let (ledger, _directory) = empty();
    insert_all(&ledger, [due(1, 60)]).await;
    // Every third request has an id that is taken.
    let requests = (2..=31).map(|n| if n % 3 == 0 { due(1, 90) } else { due(n, 60) });
    let answers = in_one_batch(&ledger, requests.map(|new| ledger.insert(new.into()))).await;
    for (n, answer) in (2..=31).zip(answers) {
        match answer {
            Err(LedgerError::Failed(message)) if n % 3 == 0 => assert!(message.contains("requests.id"), "{message}"),
            Ok(Inserted::New) if n % 3 != 0 => {
                let request = due(n, 60).request;
                assert_eq!(ledger.find(sample_id(n)).await.unwrap(), Some((request.clone(), vec![lifecycle::accepted(&request)])));
            }
            other => panic!("{n}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn of_requests_that_are_inserted_together_none_remains_if_one_fails() {
    let (ledger, directory) = empty();
    let fault = format!(
        "CREATE TRIGGER fault BEFORE INSERT ON requests WHEN new.id = '{}' BEGIN SELECT raise(ABORT, 'a full disk'); END",
        sample_id(150)
    );
    let other = Connection::open(directory.path().join("ledger.sqlite")).unwrap();
    other.execute_batch(&fault).unwrap();
    let all = || (1..=200).map(|n| due(n, 60).into()).collect();
    for answer in ledger.insert_all(all()).await {
        assert!(matches!(&answer, Err(LedgerError::Failed(message)) if message.contains("a full disk")), "{answer:?}");
    }
    assert_eq!(ledger.find(sample_id(1)).await.unwrap(), None);
    other.execute_batch("DROP TRIGGER fault").unwrap();
    for (n, answer) in (1..).zip(ledger.insert_all(all()).await) {
        assert_eq!(answer.unwrap(), Inserted::New);
        assert_eq!(ledger.request(sample_id(n)).await.unwrap(), Some(due(n, 60).request));
    }
}

#[tokio::test]
async fn due_requests_are_claimed_oldest_first_up_to_the_limit() {
    let (ledger, _directory) = empty();
    // Ordered by `due_at`; requests with the same time in the order of their insertion.
    for new in [due(1, 30), due(2, 10), due(5, 20), due(4, 20), due(3, 40)] {
        ledger.insert(new.into()).await.unwrap();
    }
    let first = claim_at(&ledger, at(30), 3).await;
    assert_eq!((ids(&first), first.next), (vec![sample_id(2), sample_id(5), sample_id(4)], None));
    for (claimed, ()) in &first.claimed {
        let request = &claimed.request;
        assert_eq!((request.status, request.attempts, request.lease_until), (Status::Running, 1, Some(at(30) + request.lease)));
    }
    let second = claim_at(&ledger, at(30), 3).await;
    assert_eq!((ids(&second), second.next), (vec![sample_id(1)], Some(at(40))));
    assert_eq!(ids(&claim_at(&ledger, at(100), 0).await), []);
    assert_eq!(ids(&claim_at(&ledger, at(100), 3).await), [sample_id(3)]);
    let nothing = claim_at(&ledger, at(100), 3).await;
    assert_eq!((ids(&nothing), nothing.next), (vec![], None));
}

#[tokio::test]
async fn no_request_is_claimed_before_its_time() {
    let (ledger, _directory) = empty();
    let time = at(60) + TimeDelta::milliseconds(7);
    let new = new_request(sample_id(1), "orders", time);
    ledger.insert(new.into()).await.unwrap();
    for early in [TimeDelta::milliseconds(1), TimeDelta::microseconds(1), TimeDelta::nanoseconds(1)] {
        let due = claim_at(&ledger, time - early, 10).await;
        assert_eq!((ids(&due), due.next), (vec![], Some(time)), "{early} early");
    }
    assert_eq!(ids(&claim_at(&ledger, time, 10).await), [sample_id(1)]);
}

#[tokio::test]
async fn a_claims_lease_starts_when_its_transaction_runs() {
    let (ledger, _directory) = empty();
    insert_all(&ledger, [due(1, 60)]).await;
    // The clock is at second 0 when the claim is queued, and at second 61 when it runs.
    let clock = Arc::new(AtomicI64::new(0));
    let (release, held) = hold_writer(&ledger).await;
    let read = Arc::clone(&clock);
    let mut claim = pin!(ledger.claim_due(move || at(read.load(Ordering::SeqCst)), |request| request.lease, oldest_first(10)));
    ask(claim.as_mut()).await;
    clock.store(61, Ordering::SeqCst);
    drop(release);
    held.await.unwrap();
    let claimed = claim.await.unwrap().claimed;
    let request = &claimed[0].0.request;
    assert_eq!(request.lease_until, Some(at(61) + request.lease));
}

#[tokio::test]
async fn a_claim_is_abandoned_after_its_lease() {
    let (ledger, _directory) = empty();
    insert_all(&ledger, (1..=4).map(|n| due(n, 0))).await;
    // Leases of one minute, from seconds 0, 10 and 20; the fourth request waits.
    for seconds in [0, 10, 20] {
        claim_at(&ledger, at(seconds), 1).await;
    }
    let outcome = Outcome::Succeeded { result: None, notice: None };
    ledger.change(sample_id(3), Change::Finish { claim: 1, outcome }, at(30)).await.unwrap();
    let abandoned =
        async |now| -> Vec<_> { ledger.abandoned(now).await.unwrap().iter().map(|request| (request.id, request.claim())).collect() };
    assert_eq!(abandoned(Some(at(60) - TimeDelta::milliseconds(1))).await, []);
    assert_eq!(abandoned(Some(at(60))).await, [(sample_id(1), 1)]);
    assert_eq!(abandoned(Some(at(1000))).await, [(sample_id(1), 1), (sample_id(2), 1)]);
    assert_eq!(abandoned(None).await, [(sample_id(1), 1), (sample_id(2), 1)]);
}

#[tokio::test]
async fn the_outlook_has_the_next_due_time_and_whether_requests_run() {
    let (ledger, _directory) = empty();
    let outlook = async |seconds| {
        let outlook = ledger.outlook(at(seconds), |lane| Some(lane.due_at)).await.unwrap();
        (outlook.next, outlook.busy)
    };
    assert_eq!(outlook(0).await, (None, false));
    insert_all(&ledger, [due(1, 60)]).await;
    assert_eq!(outlook(59).await, (Some(at(60)), false));
    assert_eq!(outlook(60).await, (Some(at(60)), true));
    claim_at(&ledger, at(60), 1).await;
    assert_eq!(outlook(61).await, (None, true));
    ledger.change(sample_id(1), Change::Release { claim: 1, reason: "stop".to_owned(), notice: None }, at(70)).await.unwrap();
    ledger.change(sample_id(1), Change::Cancel { by: None }, at(70)).await.unwrap();
    assert_eq!(outlook(71).await, (None, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_racing_cancel_and_claim_exactly_one_succeeds() {
    const RACES: u64 = 1000;
    let (ledger, _directory) = empty();
    insert_all(&ledger, (0..RACES).map(|n| due(n, i64::try_from(n).unwrap()))).await;
    // Claims start with the oldest request and cancels with the newest, so they meet in between.
    let claimers = (0..4).map(|_| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            loop {
                let due = claim_at(&ledger, at(2000), 2).await;
                if due.claimed.is_empty() {
                    return claimed;
                }
                claimed.extend(ids(&due));
            }
        })
    });
    let cancellers = (0..8).map(|part| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let mut cancelled = Vec::new();
            for id in (0..RACES).rev().filter(|n| n % 8 == part).map(sample_id) {
                match ledger.change(id, Change::Cancel { by: None }, at(2000)).await.unwrap() {
                    Changed::Done(_) => cancelled.push(id),
                    Changed::Refused(request, _) => assert_eq!(request.status, Status::Running),
                    Changed::NotFound => panic!("{id} is gone"),
                }
            }
            cancelled
        })
    });
    let tasks: Vec<_> = claimers.chain(cancellers).collect();
    let mut outcomes: Vec<Vec<CorrelationId>> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    let cancelled: Vec<_> = outcomes.split_off(4).concat();
    let claimed: Vec<_> = outcomes.concat();

    assert!(!claimed.is_empty() && !cancelled.is_empty(), "no race: {} claimed, {} cancelled", claimed.len(), cancelled.len());
    assert_eq!(claimed.len() + cancelled.len(), 1000, "some requests were both claimed and cancelled, or neither");
    let all: BTreeSet<_> = claimed.iter().chain(&cancelled).collect();
    assert_eq!(all.len(), 1000, "some requests were claimed twice");
    for (status, ids) in [(Status::Running, claimed), (Status::Cancelled, cancelled)] {
        for id in ids {
            let (request, history) = ledger.find(id).await.unwrap().unwrap();
            assert_eq!((request.status, history.len()), (status, 2));
        }
    }
}

#[test]
fn a_file_of_a_newer_schema_version_is_refused_and_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE requests (x); PRAGMA user_version = 99;").unwrap();
    let error = SqliteLedger::open(&path).err().expect("a file of version 99 was opened");
    let known = MIGRATIONS.len();
    let expected = format!("the ledger failed: the ledger has schema version 99, and this program knows versions up to {known}: ");
    assert!(error.to_string().starts_with(&expected), "{error}");
    let kept: i64 = Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(kept, 99);
}

/// A ledger of schema version 1 with one request of each state: see its README.
const FIRST_RELEASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/ledger-1/ledger.sqlite");

#[tokio::test]
async fn a_ledger_of_the_first_release_goes_on_and_is_copied_before_its_migration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    std::fs::copy(FIRST_RELEASE, &path).unwrap();
    let ledger = SqliteLedger::open(&path).unwrap();
    let page = ledger.list(Query { limit: 10, ..Query::default() }).await.unwrap();
    let mut states: Vec<Status> = page.requests.iter().map(|request| request.status).collect();
    states.sort_by_key(|status| status.as_str());
    assert_eq!(states, [Status::Cancelled, Status::Failed, Status::Running, Status::Scheduled, Status::Succeeded]);
    let running = ledger.abandoned(None).await.unwrap().remove(0);
    ledger.change(running.id, Change::Release { claim: 1, reason: "stop".to_owned(), notice: None }, at(60)).await.unwrap();
    let due = claim_at(&ledger, at(3_600), 10).await;
    let first = &due.claimed[1].0;
    assert_eq!((due.claimed.len(), first.body.as_str(), first.request.trigger_at), (2, "{\"n\":1}", at(3_600)));
    let done = Outcome::Succeeded { result: Some("done".to_owned()), notice: None };
    ledger.change(first.request.id, Change::Finish { claim: 1, outcome: done }, at(3_601)).await.unwrap();
    let (_, history) = ledger.find(first.request.id).await.unwrap().unwrap();
    assert_eq!(history.iter().map(|entry| entry.event).collect::<Vec<_>>(), [Event::Accepted, Event::Started, Event::Succeeded]);
    let again = NewRequest { idempotency_key: Some("key-1".to_owned()), ..new_request(sample_id(1), "puppet", at(60)) };
    assert!(matches!(ledger.insert(again.into()).await.unwrap(), Inserted::Taken(taken) if taken.id == first.request.id));
    drop(ledger);

    // The copy is what the older program needs.
    let copy = Connection::open(directory.path().join("ledger.sqlite.schema-1")).unwrap();
    assert_eq!(pragma(&copy, "user_version").unwrap(), 1);
    let scheduled = "SELECT count(*) FROM requests WHERE status = 'scheduled' AND idempotency_key = 'key-1'";
    assert_eq!(copy.query_row(scheduled, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    drop(SqliteLedger::open(&path).unwrap());
    let names = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().contains("schema")).count(), 1, "only a migration makes a copy");
}

#[test]
fn a_ledger_that_cannot_be_copied_is_not_migrated() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    std::fs::copy(FIRST_RELEASE, &path).unwrap();
    std::fs::create_dir(directory.path().join("ledger.sqlite.schema-1")).unwrap();
    let error = SqliteLedger::open(&path).err().expect("a ledger was migrated without a copy").to_string();
    assert!(error.contains("before its migration"), "{error}");
    assert_eq!(pragma(&Connection::open(&path).unwrap(), "user_version").unwrap(), 1);
}

#[tokio::test]
async fn a_copy_is_of_one_moment_and_delays_no_write() {
    let (ledger, directory) = empty();
    end_large(&ledger, 200).await;
    let path = directory.path().join("ledger.sqlite");
    let to = directory.path().join("copy.sqlite");
    let writes = async {
        let mut written = 0;
        while !to.exists() || written < 50 {
            insert_all(&ledger, [due(1_000 + written, 60)]).await;
            written += 1;
        }
        written
    };
    let (from, target) = (path.clone(), to.clone());
    let copied = tokio::task::spawn_blocking(move || copy(&from, &target));
    let (written, copied) = tokio::join!(writes, copied);
    copied.unwrap().unwrap();
    check(&to).unwrap();
    let requests: i64 = Connection::open(&to).unwrap().query_row("SELECT count(*) FROM requests", [], |row| row.get(0)).unwrap();
    assert!((200..=200 + i64::try_from(written).unwrap()).contains(&requests), "{requests} requests, of {written} new ones");
    for wrong in ["no such file", "ledger.sqlite-wal"] {
        assert!(check(&directory.path().join(wrong)).is_err(), "{wrong}");
    }
    std::fs::write(directory.path().join("cut"), &std::fs::read(&to).unwrap()[..2_000_000]).unwrap();
    let error = check(&directory.path().join("cut")).unwrap_err().to_string();
    assert!(error.contains("damaged") || error.contains("malformed"), "{error}");
}

#[tokio::test]
async fn requests_that_run_or_are_due_are_held_and_resumed_oldest_first() {
    let (ledger, directory) = empty();
    insert_all(&ledger, [due(1, 0), due(2, 20), due(3, 10), due(4, 60), new_request(sample_id(5), "mail", at(10))]).await;
    assert_eq!(ids(&claim_at(&ledger, at(0), 1).await), [sample_id(1)]);
    let path = directory.path().join("ledger.sqlite");
    assert_eq!(hold_due(&mut connect(&path).unwrap(), at(30), "restored").unwrap(), 4);
    assert_eq!(ids(&claim_at(&ledger, at(30), 10).await), []);
    let (held, history) = ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert!(held.is_held() && history.last().is_some_and(|entry| entry.event == Event::Held), "{history:?}");
    assert_eq!(ids(&claim_at(&ledger, at(60), 10).await), [sample_id(4)], "a request for later is not held");

    assert_eq!(resume(&path, Some("mail"), at(70)).unwrap(), 1);
    assert_eq!(ids(&claim_at(&ledger, at(70), 10).await), [sample_id(5)]);
    ledger.change(sample_id(2), Change::Cancel { by: None }, at(70)).await.unwrap();
    assert_eq!(resume(&path, None, at(80)).unwrap(), 2);
    assert_eq!(ids(&claim_at(&ledger, at(80), 10).await), [sample_id(1), sample_id(3)]);
    assert_eq!(resume(&path, None, at(90)).unwrap(), 0);
}

#[tokio::test]
async fn stats_tell_rows_and_bytes_by_table_and_by_use_case_and_status() {
    let (ledger, directory) = empty();
    let path = directory.path().join("ledger.sqlite");
    end_large(&ledger, 20).await;
    let labels = ["a", "b", "c", "d", "e"].map(|name| (name.to_owned(), "x".repeat(256))).into();
    let labelled = new_request(sample_id(100), "mail", at(60));
    insert_all(&ledger, [NewRequest { request: Request { labels, ..labelled.request }, ..labelled }, due(101, 60)]).await;
    let stats = Stats::of(&path).unwrap();
    assert_eq!((stats.requests.rows, stats.history.rows, stats.gives_back), (22, 62, true));
    let groups: Vec<_> = stats.groups.iter().map(|group| (group.use_case.as_str(), group.status.as_str(), group.requests)).collect();
    assert_eq!(groups, [("orders", "succeeded", 20), ("mail", "scheduled", 1), ("orders", "scheduled", 1)]);
    assert_eq!(stats.groups[1].bytes - stats.groups[2].bytes, 5 * 258 - 2, "the names of the use cases differ by two");
    let large = &stats.groups[0];
    assert!((20 * 50_000..20 * 51_000).contains(&large.bytes), "{stats:?}");
    assert_eq!((large.oldest_received_at, large.oldest_finished_at, large.history_lines), (moment(), Some(at(1)), 60));
    assert_eq!(stats.requests.bytes + stats.history.bytes + stats.free_bytes + stats.other_bytes, stats.file_bytes);
    assert!(stats.file_bytes > 1_000_000 && stats.wal_bytes > 0, "{stats:?}");
    assert!(Stats::of(&directory.path().join("none")).is_err());
}

/// Inserts request 1 into a ledger of schema version 1, during its second attempt.
const OF_VERSION_1: &str = "INSERT INTO requests (id, use_case, version, target, status, received_at, trigger_at, first_trigger_at, \
     due_at, attempts, failures, interruptions, lease_ms, lease_until, body) VALUES (?1, 'orders', 'v1', 'here', 'running', ?2, ?2, ?2, \
     ?2, 2, 1, 0, 60000, ?2 + 60000, '{}')";

#[tokio::test]
async fn a_file_of_schema_version_1_is_migrated() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(&format!("{} PRAGMA user_version = 1;", MIGRATIONS[0])).unwrap();
    old.execute(OF_VERSION_1, params![sample_id(1).to_string(), moment().timestamp_millis()]).unwrap();
    drop(old);
    let ledger = SqliteLedger::open(&path).unwrap();
    let request = ledger.request(sample_id(1)).await.unwrap().unwrap();
    assert_eq!((request.attempts, request.claim(), request.waiting.as_ref()), (2, 2, None));
    let defer = Change::Defer { claim: 2, waits_for: "a slot".to_owned(), at: at(2) };
    ledger.change(sample_id(1), defer, at(1)).await.unwrap();
    drop(ledger);
    let ledger = SqliteLedger::open(&path).unwrap();
    let claimed = claim_at(&ledger, at(2), 1).await.claimed.remove(0).0.request;
    assert_eq!((claimed.attempts, claimed.claim(), claimed.waiting.map(|waiting| waiting.since)), (2, 3, Some(at(1))));
}

#[tokio::test]
async fn a_migrated_request_has_no_owner_and_its_changes_have_callers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(&format!("{} {} PRAGMA user_version = 2;", MIGRATIONS[0], MIGRATIONS[1])).unwrap();
    let scheduled = OF_VERSION_1.replace("'running'", "'scheduled'");
    old.execute(&scheduled, params![sample_id(1).to_string(), moment().timestamp_millis()]).unwrap();
    old.execute("INSERT INTO history VALUES (1, 1, 0, 'accepted', 'scheduled', 0, NULL)", []).unwrap();
    drop(old);
    let ledger = SqliteLedger::open(&path).unwrap();
    ledger.change(sample_id(1), Change::Cancel { by: Some("ann".to_owned()) }, at(1)).await.unwrap();
    let (request, history) = ledger.find(sample_id(1)).await.unwrap().unwrap();
    let by: Vec<Option<&str>> = history.iter().map(|entry| entry.by.as_deref()).collect();
    assert_eq!((request.owner, by), (None, vec![None, Some("ann")]));
}

#[tokio::test]
async fn the_labels_of_schema_version_8_are_found_after_the_migration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(&format!("{} PRAGMA user_version = 8;", MIGRATIONS[..8].concat())).unwrap();
    let labels = [
        "",
        r#"{"customer":"a=b \"c\"","region":"eu"}"#,
        r#"{"a":"1","b":"2","customer":"a=b \"c\"","d":"4","e":"5"}"#,
        r#"{"customer":"a\u0000b\nc \u00e4\ud83d\udce6","region":""}"#,
    ];
    for (n, json) in (1..).zip(labels) {
        old.execute(OF_VERSION_1, params![sample_id(n).to_string(), moment().timestamp_millis()]).unwrap();
        old.execute("UPDATE requests SET labels = nullif(?1, '') WHERE seq = ?2", params![json, i64::try_from(n).unwrap()]).unwrap();
    }
    drop(old);
    let ledger = SqliteLedger::open(&path).unwrap();
    for (n, json) in (1..).zip(labels) {
        let found = ledger.request(sample_id(n)).await.unwrap().unwrap().labels;
        assert_eq!(found, serde_json::from_str(json).unwrap_or_default(), "{n}");
    }
    let of = async |labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let page = ledger.list(Query { labels, limit: 10, ..Query::default() }).await.unwrap();
        page.requests.iter().map(|request| request.id).collect::<Vec<_>>()
    };
    let customer = ("customer", r#"a=b "c""#);
    assert_eq!(of(&[customer]).await, [sample_id(2), sample_id(3)], "the label is the first of one and the third of the other");
    assert_eq!(of(&[customer, ("e", "5")]).await, [sample_id(3)]);
    assert_eq!(of(&[("e", "5"), customer]).await, [sample_id(3)]);
    assert_eq!(of(&[("customer", "a\0b\nc ä\u{1f4e6}"), ("region", "")]).await, [sample_id(4)]);
    assert_eq!(of(&[("region", "us")]).await, []);
}

#[tokio::test]
async fn a_claim_has_the_lease_that_the_caller_computes() {
    let (ledger, _directory) = empty();
    insert_all(&ledger, [due(1, 60)]).await;
    let claimed = ledger.claim_due(|| at(60), |_| std::time::Duration::from_secs(500), oldest_first(1)).await.unwrap().claimed;
    assert_eq!(claimed[0].0.request.lease_until, Some(at(560)));
}

#[test]
fn the_error_for_a_file_that_is_no_ledger_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "this is no database, and long enough to have a header of its own ".repeat(20)).unwrap();
    for path in [text, directory.path().to_owned(), directory.path().join("no/such/directory/ledger.sqlite")] {
        let error = SqliteLedger::open(&path).err().expect("a file that is no ledger was opened");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn the_file_is_readable_with_any_sqlite_tool() {
    let (ledger, directory) = empty();
    insert_all(&ledger, [due(1, 0), due(2, 60)]).await;
    claim_at(&ledger, at(0), 1).await;
    let failure = Outcome::Failed { failure: "out of stock".to_owned(), notice: None };
    ledger.change(sample_id(1), Change::Finish { claim: 1, outcome: failure }, at(1)).await.unwrap();
    let lines = |sql: &str| -> Vec<String> {
        let reader = Connection::open(directory.path().join("ledger.sqlite")).unwrap();
        let mut statement = reader.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let requests = "SELECT id || ' ' || status || ' ' || datetime(due_at / 1000, 'unixepoch') FROM requests ORDER BY seq";
    let expected = [(1, "failed 2027-01-01 00:00:00"), (2, "scheduled 2027-01-01 00:01:00")];
    assert_eq!(lines(requests), expected.map(|(n, rest)| format!("{} {rest}", sample_id(n))));
    let history = "SELECT n || ' ' || event || ' ' || status || coalesce(': ' || detail, '') FROM history WHERE request = 1 ORDER BY n";
    assert_eq!(lines(history), ["1 accepted scheduled", "2 started running", "3 failed failed: out of stock"]);
}

#[tokio::test]
async fn a_lane_that_is_not_picked_hides_no_other_and_does_not_set_the_next_query() {
    let (ledger, _directory) = empty();
    let of = |n, use_case: &str, seconds| new_request(sample_id(n), use_case, at(seconds));
    let backlog = (0..50).map(|n| of(n, "slow", 1));
    insert_all(&ledger, backlog.chain([of(60, "good", 5), of(61, "good", 90), of(62, "late", 70)])).await;
    let only_good =
        |lanes: &[Lane]| lanes.iter().position(|lane| lane.use_case == "good").map(|lane| Picked { lane, place: (), slot: None });
    let due = ledger.claim_due(|| at(10), |request| request.lease, only_good).await.unwrap();
    assert_eq!((ids(&due), due.next), (vec![sample_id(60)], Some(at(70))));
    let rest = claim_at(&ledger, at(10), 100).await;
    assert_eq!((rest.claimed.len(), rest.next), (50, Some(at(70))));
}

#[tokio::test]
async fn a_failed_transaction_drops_the_places_of_its_claims() {
    let (ledger, _directory) = empty();
    insert_all(&ledger, [due(1, 0), due(2, 0)]).await;
    let place = Arc::new(());
    let taken = Arc::clone(&place);
    let pick = move |lanes: &[Lane]| (!lanes.is_empty()).then(|| Picked { lane: 0, place: Arc::clone(&taken), slot: None });
    let (release, held) = hold_writer(&ledger).await;
    let mut claim = pin!(ledger.claim_due(|| at(0), |request| request.lease, pick));
    ask(claim.as_mut()).await;
    // Its id is taken, so the transaction that it shares with the claim fails, and each runs again.
    let mut faulty = pin!(ledger.insert(due(1, 0).into()));
    ask(faulty.as_mut()).await;
    drop(release);
    held.await.unwrap();
    assert!(faulty.await.is_err());
    let due = claim.await.unwrap();
    assert_eq!((due.claimed.len(), Arc::strong_count(&place)), (2, 1 + due.claimed.len()));
}

#[tokio::test]
async fn a_look_at_the_lanes_does_not_grow_with_what_waits_in_them() {
    let (ledger, directory) = empty();
    insert_all(&ledger, (0..400).map(|n| new_request(sample_id(n), if n % 2 == 0 { "one" } else { "two" }, at(3_600)))).await;
    let connection = connect(&directory.path().join("ledger.sqlite")).unwrap();
    let target = rows::lanes(&connection).unwrap()[0].target.clone();
    for (sql, after) in [(rows::NEXT_TARGET, vec!["one", &target]), (rows::NEXT_USE_CASE, vec!["one"])] {
        let mut statement = connection.prepare(sql).unwrap();
        assert!(statement.query_row(rusqlite::params_from_iter(&after), |_| Ok(())).optional().is_ok());
        let steps = statement.get_status(StatementStatus::VmStep);
        assert!(steps < 50, "{steps} steps of SQLite's machine for {sql}");
    }
}

#[tokio::test]
async fn the_backlog_counts_due_requests_of_each_lane_up_to_a_limit() {
    let (ledger, directory) = empty();
    insert_all(&ledger, (0..300).map(|n| new_request(sample_id(n), if n % 3 == 0 { "one" } else { "two" }, at(10)))).await;
    insert_all(&ledger, [new_request(sample_id(300), "one", at(60)), new_request(sample_id(301), "later", at(60))]).await;
    assert_eq!(ledger.backlog(at(9)).await.unwrap(), []);
    let backlog = ledger.backlog(at(10)).await.unwrap();
    let seen: Vec<_> = backlog.iter().map(|waiting| (waiting.lane.use_case.as_str(), waiting.due, waiting.lane.due_at)).collect();
    assert_eq!(seen, [("one", 100, at(10)), ("two", 200, at(10))]);
    let connection = connect(&directory.path().join("ledger.sqlite")).unwrap();
    assert_eq!(rows::due(&connection, &backlog[1].lane, at(10), 150).unwrap(), 150);
}

#[tokio::test]
async fn statements_are_prepared_once() {
    let (ledger, directory) = empty();
    insert_all(&ledger, (0..4).map(|n| due(n, 0))).await;
    let connection = connect(&directory.path().join("ledger.sqlite")).unwrap();
    let lane = rows::lanes(&connection).unwrap().remove(0);
    for sql in [rows::NEXT_TARGET, &rows::head_sql()] {
        for _ in 0..3 {
            let mut statement = connection.prepare_cached(sql).unwrap();
            assert!(statement.query_row([&lane.use_case, &lane.target], |_| Ok(())).optional().is_ok());
        }
        assert_eq!(connection.prepare_cached(sql).unwrap().get_status(StatementStatus::RePrepare), 0, "{sql}");
    }
}

/// Inserts requests with large bodies, and ends them at second 1.
async fn end_large(ledger: &SqliteLedger, count: u64) {
    insert_all(ledger, (0..count).map(|n| NewRequest { body: format!("\"{}\"", "x".repeat(50_000)), ..due(n, 0) })).await;
    claim_at(ledger, at(0), usize::MAX).await;
    for n in 0..count {
        let outcome = Outcome::Succeeded { result: None, notice: None };
        ledger.change(sample_id(n), Change::Finish { claim: 1, outcome }, at(1)).await.unwrap();
    }
}

fn number(directory: &TempDir, sql: &str) -> i64 {
    let reader = Connection::open(directory.path().join("ledger.sqlite")).unwrap();
    reader.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn requests_are_deleted_in_small_steps_with_their_history_and_pages_are_given_back() {
    let (ledger, directory) = empty();
    end_large(&ledger, 200).await;
    insert_all(&ledger, [due(900, 0)]).await;
    let pages = || number(&directory, "SELECT * FROM pragma_page_count");
    let full = pages();
    assert_eq!(ledger.delete_ended(at(1) - TimeDelta::milliseconds(1)).await.unwrap(), 0);
    let (mut steps, mut deleted) = (0, 0);
    loop {
        match ledger.delete_ended(at(1)).await.unwrap() {
            0 => break,
            n => (steps, deleted) = (steps + 1, deleted + n),
        }
    }
    assert!(deleted == 200 && steps > 2, "{deleted} requests in {steps} steps");
    assert_eq!(number(&directory, "SELECT count(*) FROM history"), 1, "only the history of the pending request stays");
    let mut steps = 0;
    while ledger.give_back().await.unwrap() {
        steps += 1;
    }
    assert!(steps > 5 && pages() < full / 4, "{full} pages became {} in {steps} steps", pages());
    assert_eq!(ids(&claim_at(&ledger, at(0), 10).await), [sample_id(900)]);
    assert_eq!(number(&directory, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}

#[tokio::test]
async fn a_request_that_is_retried_before_its_deletion_stays() {
    let (ledger, directory) = empty();
    insert_all(&ledger, [due(1, 0)]).await;
    claim_at(&ledger, at(0), 1).await;
    let outcome = Outcome::Failed { failure: "out of stock".to_owned(), notice: None };
    ledger.change(sample_id(1), Change::Finish { claim: 1, outcome }, at(1)).await.unwrap();
    let connection = connect(&directory.path().join("ledger.sqlite")).unwrap();
    let found = rows::ended(&connection, at(1), 10).unwrap();
    ledger.change(sample_id(1), Change::Retry { by: None }, at(2)).await.unwrap();
    assert_eq!((found.len(), rows::delete_ended(&connection, found[0], at(1)).unwrap()), (1, 0));
    assert_eq!(ledger.find(sample_id(1)).await.unwrap().unwrap().1.len(), 4);
}

#[tokio::test]
async fn a_file_from_before_pages_were_given_back_does_so_after_it_is_compacted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(&format!("{} PRAGMA user_version = 1;", MIGRATIONS[0])).unwrap();
    drop(old);
    let ledger = SqliteLedger::open(&path).unwrap();
    end_large(&ledger, 100).await;
    while ledger.delete_ended(at(1)).await.unwrap() > 0 {}
    assert!(!ledger.give_back().await.unwrap());
    let before = number(&directory, "SELECT * FROM pragma_page_count");
    drop(ledger);
    compact(&path).unwrap();
    assert!(number(&directory, "SELECT * FROM pragma_page_count") < before / 4);
    let ledger = SqliteLedger::open(&path).unwrap();
    end_large(&ledger, 100).await;
    while ledger.delete_ended(at(1)).await.unwrap() > 0 {}
    assert!(ledger.give_back().await.unwrap());
}

/// Checks that SQLite's plan of the statement contains `index`, and has no sort unless `sorts`.
#[track_caller]
fn check_plan(sql: &str, index: &str, sorts: bool) {
    let (_ledger, directory) = empty();
    let connection = connect(&directory.path().join("ledger.sqlite")).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let plan: Vec<String> = statement.raw_query().mapped(|row| row.get(3)).collect::<rusqlite::Result<_>>().unwrap();
    let plan = plan.join("; ");
    assert!(plan.contains(index), "{sql}: {plan}");
    assert_eq!(plan.contains("TEMP B-TREE"), sorts, "{sql}: {plan}");
}

#[test]
fn the_queries_of_the_timer_and_of_lists_use_an_index() {
    check_plan(rows::NEXT_TARGET, "SEARCH requests USING COVERING INDEX requests_due_by_lane", false);
    check_plan(rows::NEXT_USE_CASE, "SEARCH requests USING COVERING INDEX requests_due_by_lane", false);
    check_plan(rows::DUE, "SEARCH requests USING COVERING INDEX requests_due_by_lane", false);
    check_plan(&rows::head_sql(), "SEARCH requests USING INDEX requests_due_by_lane", false);
    check_plan(&format!("SELECT id FROM requests {}", rows::EXPIRED), "SEARCH requests USING INDEX requests_expiring", false);
    check_plan(stats::GROUPS, "SEARCH requests USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", true);
    check_plan(rows::ENDED, "SEARCH requests USING INDEX requests_finished (finished_at<?)", false);
    let list = |query: Query, source| lists::statement(&query, &source, query.after, 50).0;
    let of_an_owner = Query { owner: Some("shop".to_owned()), status: Some(Status::Succeeded), ..Query::default() };
    check_plan(&list(of_an_owner, Source::Owner), "SEARCH requests USING INDEX requests_by_owner (owner=?)", false);
    for status in Status::ALL {
        let of_a_status = Query { status: Some(status), from: Some(at(0)), ..Query::default() };
        if status == Status::Running {
            // Few requests run, so SQLite sorts them.
            check_plan(&list(of_a_status, Source::Running), "requests_leased", true);
            continue;
        }
        let (index, by) = if status.is_end() { ("requests_ended", "status=? AND use_case") } else { ("requests_scheduled", "use_case") };
        let plan_from = |column| format!("SEARCH requests USING INDEX {index} ({by}=? AND {column}>");
        let later = Query { after: Some(Cursor { at: at(0), id: sample_id(1) }), ..of_a_status.clone() };
        for (query, column) in [(of_a_status, "trigger_at"), (later, "(trigger_at,id)")] {
            let first_of_each = lists::first_of_each(&query, status).0;
            check_plan(&first_of_each, &format!("SEARCH requests USING INDEX {index} ({by}>?)"), false);
            check_plan(&first_of_each, &plan_from(column), false);
            check_plan(&list(query, Source::Of("orders".to_owned(), status)), &plan_from(column), false);
        }
    }
    let label = ("customer".to_owned(), "42".to_owned());
    let of_a_label = Query { labels: vec![label.clone(), label], from: Some(at(0)), ..Query::default() };
    // Requests of one time are sorted by their ids.
    for column in 1..=MAX_LABELS {
        let plan = format!("SEARCH requests USING INDEX requests_by_label_{column} (label_{column}=? AND trigger_at>?)");
        check_plan(&list(of_a_label.clone(), Source::Label(column)), &plan, true);
    }
    let ended = Query { order: Order::Ended, from: Some(at(0)), ..Query::default() };
    check_plan(&list(ended, Source::Ended), "SEARCH requests USING INDEX requests_finished (finished_at>?)", true);
    let lane = Lane { use_case: "orders".to_owned(), target: "here".to_owned(), due_at: at(0) };
    let due = Query { order: Order::Due, from: Some(at(0)), ..Query::default() };
    let index = "SEARCH requests USING INDEX requests_due_by_lane (use_case=? AND target=? AND due_at>?)";
    check_plan(&list(due, Source::Lane(lane)), index, true);
}

/// Returns the ids of each page of a list that reads at most 10 rows for one.
fn pages(path: &Path, query: &Query) -> Vec<Vec<CorrelationId>> {
    let connection = connect(path).unwrap();
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = lists::list(&connection, &Query { after, ..query.clone() }, 10).unwrap();
        pages.push(page.requests.iter().map(|request| request.id).collect());
        after = page.next;
        if after.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn a_page_reads_a_bounded_number_of_rows() {
    let (ledger, directory) = empty();
    let label = BTreeMap::from([("customer".to_owned(), "42".to_owned())]);
    let new = |n: u64| {
        let new = due(n, i64::try_from(n).unwrap());
        // The last of 25 is that of another owner, at another target.
        let (owner, target) = if n == 24 { ("shop", "hook") } else { ("mail", "here") };
        let request = Request { owner: Some(owner.to_owned()), target: target.to_owned(), labels: label.clone(), ..new.request };
        NewRequest { request, ..new }
    };
    insert_all(&ledger, (0..25).map(new)).await;
    let path = directory.path().join("ledger.sqlite");
    let last = vec![sample_id(24)];
    let of_shop = Query { owner: Some("shop".to_owned()), limit: 5, ..Query::default() };
    let scheduled = Some(Status::Scheduled);
    let by_label = Query { labels: label.clone().into_iter().collect(), ..of_shop.clone() };
    let by_due = Query { order: Order::Due, status: scheduled, ..of_shop.clone() };
    assert_eq!(pages(&path, &of_shop), std::slice::from_ref(&last), "the owner has an index");
    assert_eq!(pages(&path, &by_label), [vec![], vec![], last.clone()], "a label reads the requests of others");
    assert_eq!(pages(&path, &by_due), [vec![], vec![], last.clone()], "the lanes share the bound");
    // More have the label than could be sorted for a page.
    let due_with_label = Query { labels: by_label.labels.clone(), ..by_due.clone() };
    assert_eq!(pages(&path, &due_with_label), [vec![], vec![], last.clone()]);

    for n in 0..25 {
        ledger.change(sample_id(n), Change::Cancel { by: None }, at(100)).await.unwrap();
    }
    let ended = Query { order: Order::Ended, ..of_shop.clone() };
    assert_eq!(pages(&path, &ended), [vec![], vec![], last]);
    let everything = Query { limit: 5, ..Query::default() };
    let all = pages(&path, &everything);
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [5; 5], "the last page is known to be the last");
    assert_eq!(all.concat(), (0..25).map(sample_id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_page_of_a_use_case_reads_no_requests_of_others() {
    let (ledger, directory) = empty();
    let new = |n: u64| {
        let new = due(n, i64::try_from(n).unwrap());
        // The backlog of two others comes before the last three.
        let use_case = ["busy", "busier", "good"][if n < 22 { usize::try_from(n % 2).unwrap() } else { 2 }];
        NewRequest { request: Request { use_case: use_case.to_owned(), ..new.request }, ..new }
    };
    insert_all(&ledger, (0..25).map(new)).await;
    let path = directory.path().join("ledger.sqlite");
    let good: Vec<_> = (22..25).map(sample_id).collect();
    let check = |status| {
        let named = Query { status, use_case: Some("good".to_owned()), limit: 5, ..Query::default() };
        assert_eq!(pages(&path, &named), std::slice::from_ref(&good));
        let permitted = Query { status, within: Some(vec!["good".to_owned()]), limit: 5, ..Query::default() };
        assert_eq!(pages(&path, &permitted), std::slice::from_ref(&good));
        let everything = Query { status, limit: 5, ..Query::default() };
        assert_eq!(pages(&path, &everything).concat(), (0..25).map(sample_id).collect::<Vec<_>>());
    };
    check(None);
    check(Some(Status::Scheduled));
    for n in 0..25 {
        ledger.change(sample_id(n), Change::Cancel { by: None }, at(100)).await.unwrap();
    }
    check(None);
    check(Some(Status::Cancelled));
}

#[tokio::test]
async fn a_list_of_many_use_cases_is_in_order_whatever_the_pages() {
    let (ledger, directory) = empty();
    let new = |n: u64| {
        // Many have the same time.
        let new = due(n, i64::try_from(n * 7 % 20).unwrap());
        NewRequest { request: Request { use_case: format!("use-case-{:02}", n % 40), ..new.request }, ..new }
    };
    insert_all(&ledger, (0..300).map(new)).await;
    for n in (0..300).filter(|n| n % 3 == 0) {
        ledger.change(sample_id(n), Change::Cancel { by: None }, at(100)).await.unwrap();
    }
    let connection = connect(&directory.path().join("ledger.sqlite")).unwrap();
    let ranges = [(None, None), (Some(at(5)), None), (Some(at(3)), Some(at(12)))];
    for (status, order) in [(None, Order::Trigger), (Some(Status::Cancelled), Order::Trigger), (Some(Status::Scheduled), Order::Due)] {
        for ((from, to), limit) in ranges.into_iter().zip([1, 7, 500]) {
            let (mut query, mut found) = (Query { status, order, from, to, limit, ..Query::default() }, Vec::new());
            loop {
                let page = lists::list(&connection, &query, 20_000).unwrap();
                assert!(page.requests.len() == limit || page.next.is_none());
                found.extend(page.requests.iter().map(|request| request.id));
                query.after = page.next;
                if page.next.is_none() {
                    break;
                }
            }
            let mut expected: Vec<_> = (0..300).map(|n| (at(i64::try_from(n * 7 % 20).unwrap()), sample_id(n), n % 3 == 0)).collect();
            expected.retain(|(at, _, _)| from.is_none_or(|from| *at >= from) && to.is_none_or(|to| *at < to));
            expected.retain(|(_, _, is_cancelled)| status.is_none_or(|status| (status == Status::Cancelled) == *is_cancelled));
            expected.sort_unstable();
            assert_eq!(found, expected.into_iter().map(|(_, id, _)| id).collect::<Vec<_>>(), "{query:?}");
        }
    }
}

#[tokio::test]
async fn an_expired_request_is_found_and_nothing_behind_it_is_claimed_before_its_end() {
    let (ledger, _directory) = empty();
    let expiring = |n, seconds| {
        let new = due(n, seconds);
        NewRequest { request: Request { expire_after: Some(Duration::from_secs(10)), ..new.request }, ..new }
    };
    insert_all(&ledger, [expiring(1, 0), expiring(2, 5), due(3, 6)]).await;
    insert_all(&ledger, [NewRequest { request: Request { target: "other".to_owned(), ..due(4, 6).request }, ..due(4, 6) }]).await;
    let found = async |now| ledger.expired(now, 10).await.unwrap().iter().map(|request| request.id).collect::<Vec<_>>();
    assert_eq!(found(at(9)).await, []);
    let due = claim_at(&ledger, at(12), 10).await;
    assert_eq!((ids(&due), due.expired), (vec![sample_id(4)], true), "another lane goes on");
    assert_eq!(found(at(12)).await, [sample_id(1)]);
    ledger.change(sample_id(1), Change::Expire { waits_for: None, notice: None }, at(12)).await.unwrap();
    let due = claim_at(&ledger, at(12), 10).await;
    assert_eq!((ids(&due), due.expired), (vec![sample_id(2), sample_id(3)], false));
    assert_eq!(found(at(99)).await, [], "a request that has begun does not expire");
}

#[tokio::test]
async fn a_history_keeps_its_first_and_its_newest_lines() {
    let (ledger, _directory) = empty();
    insert_all(&ledger, [due(1, 0)]).await;
    for n in 1..=400 {
        let change = Change::Move { to: at(n), by: Some("x".repeat(20)) };
        assert!(matches!(ledger.change(sample_id(1), change, at(0)).await, Ok(Changed::Done(_))));
    }
    let (_, history) = ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!((history.len(), history[0].event, history[1].event), (300, Event::Accepted, Event::Moved));
    assert!(history[299].detail.as_ref().is_some_and(|detail| detail.contains(&rfc3339(at(400)))), "{:?}", history[299]);
}

#[tokio::test]
async fn a_list_reads_no_results() {
    let (ledger, _directory) = empty();
    insert_all(&ledger, (0..3).map(|n| due(n, 0))).await;
    claim_at(&ledger, at(0), 3).await;
    for n in 0..3 {
        let outcome = Outcome::Succeeded { result: Some("x".repeat(64 << 10)), notice: None };
        ledger.change(sample_id(n), Change::Finish { claim: 1, outcome }, at(1)).await.unwrap();
    }
    let page = ledger.list(Query { limit: 3, ..Query::default() }).await.unwrap();
    assert_eq!(page.requests.iter().map(|request| request.result.as_deref()).collect::<Vec<_>>(), [None; 3]);
    assert_eq!(ledger.request(sample_id(0)).await.unwrap().unwrap().result.map(|text| text.len()), Some(64 << 10));
}

/// Returns an empty ledger whose disk has as many free bytes as the returned cell says, with a reserve of 1,000 bytes.
fn on_a_disk() -> (SqliteLedger, Arc<AtomicI64>, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicI64::new(i64::MAX));
    let read = Arc::clone(&free);
    let measure = Box::new(move || u64::try_from(read.load(Ordering::SeqCst)).ok());
    let ledger = SqliteLedger::open_on(&directory.path().join("ledger.sqlite"), 1_000, Fatal::default(), measure).unwrap();
    (ledger, free, directory)
}

/// Waits until `found` returns a value. Panics after 20 seconds.
async fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2_000 {
        if let Some(value) = found() {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited too long for {what}");
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_new_requests_and_fires_accepted_ones() {
    let (ledger, free, _directory) = on_a_disk();
    insert_all(&ledger, [due(1, 0)]).await;
    free.store(999, Ordering::SeqCst);
    let refuses = eventually("a refusal", || ledger.state().refuses).await;
    assert_eq!(refuses, "its disk has 999 bytes free, and the last 1000 are kept for accepted requests");
    let error = ledger.insert(due(2, 0).into()).await.unwrap_err();
    assert!(matches!(error, LedgerError::Full(_)), "{error}");
    assert_eq!(ids(&claim_at(&ledger, at(0), 10).await), [sample_id(1)]);
    free.store(1_000, Ordering::SeqCst);
    eventually("space", || ledger.state().refuses.is_none().then_some(())).await;
    insert_all(&ledger, [due(2, 0)]).await;
}

#[tokio::test]
async fn a_full_disk_shows_until_a_write_succeeds_and_claims_go_on() {
    let (ledger, _free, _directory) = on_a_disk();
    insert_all(&ledger, [due(1, 0)]).await;
    let pages = ledger.write(|connection| connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))).await.unwrap();
    let limit = async |most: i64| {
        ledger.write(move |connection| connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))).await.unwrap();
    };
    limit(pages).await;
    let large = |n| NewRequest { body: format!("{{\"x\":\"{}\"}}", "x".repeat(100_000)), ..due(n, 0) };
    let error = ledger.insert(large(2).into()).await.unwrap_err();
    assert!(matches!(error, LedgerError::Full(_)), "{error}");
    assert_eq!(ledger.state().refuses.as_deref(), Some("the ledger cannot be written: its disk is full"));
    // The ledger tests by itself whether it can be written, without success.
    let look = tokio::time::timeout(Duration::from_millis(1_200), eventually("success", || ledger.state().refuses.is_none().then_some(())));
    assert!(look.await.is_err(), "the ledger looks healthy, and cannot grow");
    limit(1_000_000).await;
    eventually("space", || ledger.state().refuses.is_none().then_some(())).await;
    assert_eq!(ids(&claim_at(&ledger, at(0), 10).await), [sample_id(1)]);
    insert_all(&ledger, [large(2)]).await;
}

#[tokio::test]
async fn the_panic_of_a_thread_of_the_ledger_is_fatal() {
    let (ledger, _directory) = empty();
    let error = ledger.write(|_| -> rusqlite::Result<()> { panic!("on purpose") }).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable(_)), "{error}");
    let fatal = ledger.inner.condition.fatal.clone();
    eventually("the report", || fatal.get().filter(|what| what == "the thread ledger-writer panicked")).await;
    assert!(ledger.state().refuses.is_some());

    let directory = tempfile::tempdir().unwrap();
    let fatal = Fatal::default();
    let calls = AtomicI64::new(0);
    // The first call is that of the start.
    let measure = Box::new(move || if calls.fetch_add(1, Ordering::SeqCst) == 0 { None } else { panic!("on purpose") });
    let _ledger = SqliteLedger::open_on(&directory.path().join("ledger.sqlite"), 0, fatal.clone(), measure).unwrap();
    eventually("the report", || fatal.get().filter(|what| what == "the thread ledger-checkpoint panicked")).await;
}

#[tokio::test]
async fn a_read_that_panics_fails_alone() {
    let (ledger, _directory) = empty();
    for _ in 0..=LOOK_UPS {
        let error = ledger.read(|_| -> rusqlite::Result<()> { panic!("on purpose") }).await.unwrap_err();
        assert!(matches!(error, LedgerError::Failed(_)), "{error}");
    }
    assert!(ledger.is_empty().await.unwrap());
}

/// Returns the WAL's size in bytes.
fn wal(directory: &TempDir) -> u64 {
    std::fs::metadata(directory.path().join("ledger.sqlite-wal")).map_or(0, |metadata| metadata.len())
}

/// Writes `n` MiB in transactions of 1 MiB. Returns the longest time of one.
async fn write_mib(ledger: &SqliteLedger, n: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..n {
        let begun = std::time::Instant::now();
        // Random, since SQLite does not write a page that has not changed.
        let large = "INSERT OR REPLACE INTO settings VALUES ('large', hex(randomblob(524288)))";
        ledger.write(|connection| connection.execute(large, [])).await.unwrap();
        longest = longest.max(begun.elapsed());
    }
    longest
}

#[tokio::test]
async fn a_reader_of_the_file_delays_no_writer_and_its_log_is_reported() {
    let (ledger, _free, directory) = on_a_disk();
    insert_all(&ledger, [due(1, 0)]).await;
    let reader = Connection::open(directory.path().join("ledger.sqlite")).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM requests").unwrap();
    write_mib(&ledger, 260).await;
    let warning = eventually("the warning", || ledger.state().warning).await;
    assert!(warning.contains("a transaction open on ledger.sqlite"), "{warning}");
    // The busy time-out is 10 s. Several rounds of the checkpointer pass meanwhile.
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let longest = write_mib(&ledger, 1).await;
        assert!(longest < Duration::from_secs(3), "a write took {longest:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ledger.state().refuses, None);

    reader.execute_batch("COMMIT").unwrap();
    for _ in 0..200 {
        write_mib(&ledger, 1).await;
        if wal(&directory) <= 128 << 20 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(wal(&directory) <= 128 << 20, "the log has {} bytes after the reader's end", wal(&directory));
    eventually("no warning", || ledger.state().warning.is_none().then_some(())).await;
}

#[tokio::test]
async fn the_log_starts_again_under_a_load_without_a_pause() {
    let (ledger, _free, directory) = on_a_disk();
    write_mib(&ledger, 400).await;
    assert!(wal(&directory) < 300 << 20, "the log has {} bytes after 400 MiB", wal(&directory));
}

#[tokio::test]
async fn a_checkpoint_that_the_disk_has_no_space_for_is_not_begun() {
    let (ledger, free, directory) = on_a_disk();
    insert_all(&ledger, [due(1, 0)]).await;
    free.store(0, Ordering::SeqCst);
    eventually("the measure", || ledger.state().refuses).await;
    let file = directory.path().join("ledger.sqlite");
    let before = std::fs::metadata(&file).unwrap().len();
    write_mib(&ledger, 8).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(std::fs::metadata(&file).unwrap().len(), before, "the checkpoint took space that the writer needs");
    ledger.change(sample_id(1), Change::Erase { by: None }, at(0)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(std::fs::metadata(&file).unwrap().len(), before, "so did the checkpoint after an erasure");
    free.store(i64::MAX, Ordering::SeqCst);
    eventually("a checkpoint", || (std::fs::metadata(&file).unwrap().len() > before).then_some(())).await;
    eventually("the empty log of an erasure", || (wal(&directory) == 0).then_some(())).await;
}

#[tokio::test]
async fn an_end_notifies_those_who_wait_for_it_and_the_stop_notifies_all() {
    let (ledger, _directory) = empty();
    insert_all(&ledger, [due(1, 0), due(2, 0)]).await;
    let long = Duration::from_mins(10);
    let ((), changed) = tokio::join!(ledger.wait_for_end(sample_id(1), long), async {
        ledger.change(sample_id(2), Change::Cancel { by: None }, at(0)).await.unwrap();
        ledger.change(sample_id(1), Change::Cancel { by: None }, at(0)).await
    });
    assert!(matches!(changed, Ok(Changed::Done(_))));
    ledger.wait_for_end(sample_id(1), long).await;
    ledger.wait_for_end(sample_id(99), long).await;
    insert_all(&ledger, [due(3, 0)]).await;
    tokio::join!(ledger.wait_for_end(sample_id(3), long), async { ledger.stop_waiting() });
}
