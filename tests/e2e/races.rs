//! Races of `DELETE` and `PATCH` with the timer, over HTTP. A cancelled request never runs, a moved one runs no earlier than
//! its last confirmed time, and every request that is not cancelled runs exactly once.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng as _;
use serde_json::json;

use crate::harness::{Client, Receiver, Server, sleep_until, text, time};

const RACES: usize = 1_000;
/// Number of concurrent races.
const LANES: usize = 25;

async fn hook(receiver: &Receiver) -> Server {
    Server::builder().use_case("hook", &receiver.hook()).variable("POSTDATE_LOG", "warn,postdate=info").start().await
}

/// Runs `race` `RACES` times, `LANES` at a time, and returns the outcomes.
async fn run<T: Send + 'static, F: Future<Output = T> + Send>(api: &Client, race: impl Fn(Client) -> F + Send + Sync + 'static) -> Vec<T> {
    let race = Arc::new(race);
    let lanes: Vec<_> = (0..LANES)
        .map(|_| {
            let (api, race) = (api.clone(), Arc::clone(&race));
            tokio::spawn(async move {
                let mut outcomes = Vec::new();
                for _ in 0..RACES / LANES {
                    outcomes.push(race(api.clone()).await);
                }
                outcomes
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for lane in lanes {
        outcomes.extend(lane.await.expect("the lane"));
    }
    outcomes
}

/// Posts a request that is due in 10 to 60 ms, and waits until about its time. Returns its id and `triggerAt`.
async fn post_and_wait(api: &Client) -> (String, DateTime<Utc>) {
    let (millis, jitter) = {
        let mut random = rand::rng();
        (random.random_range(10..60), random.random_range(-30..15))
    };
    let answer = api.post("/requests/hook", &json!({ "delay": format!("PT0.{millis:03}S") })).await.expect(202);
    let trigger_at = time(&answer["triggerAt"]);
    sleep_until(trigger_at + TimeDelta::milliseconds(jitter)).await;
    (text(&answer, "correlationId").to_owned(), trigger_at)
}

/// Returns the times at which each request ran, by id.
fn runs(receiver: &Receiver) -> HashMap<String, Vec<DateTime<Utc>>> {
    let mut runs: HashMap<String, Vec<DateTime<Utc>>> = HashMap::new();
    for delivery in receiver.deliveries() {
        runs.entry(delivery.header("idempotency-key").to_owned()).or_default().push(delivery.at);
    }
    runs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_that_races_the_timer_either_prevents_the_run_or_answers_409() {
    let receiver = Receiver::accepting().await;
    let server = hook(&receiver).await;
    let outcomes = run(&server.api, |api| async move {
        let (id, trigger_at) = post_and_wait(&api).await;
        let answer = api.delete(&format!("/requests/{id}")).await;
        let cancelled = answer.status == 200;
        if !cancelled {
            answer.expect_fault(409, "not-scheduled");
        }
        (id, trigger_at, cancelled)
    })
    .await;
    for (id, _, cancelled) in &outcomes {
        server.api.reaches(id, if *cancelled { "cancelled" } else { "succeeded" }).await;
    }
    let runs = runs(&receiver);
    for (id, trigger_at, cancelled) in &outcomes {
        let times = runs.get(id).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(times.len(), usize::from(!cancelled), "{id} was due at {trigger_at}, cancelled: {cancelled}, ran at {times:?}");
        assert!(times.iter().all(|at| at >= trigger_at), "{id} was due at {trigger_at} and ran at {times:?}");
    }
    let won = outcomes.iter().filter(|(_, _, cancelled)| *cancelled).count();
    println!("{won} of {RACES} were cancelled, {} ran", RACES - won);
    assert!(won > 0 && won < RACES, "no race took place: {won} of {RACES} requests were cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_moved_close_to_its_time_runs_once_and_not_before_its_confirmed_time() {
    let receiver = Receiver::accepting().await;
    let server = hook(&receiver).await;
    let outcomes = run(&server.api, |api| async move {
        let (id, mut promised) = post_and_wait(&api).await;
        let answer = api.patch(&format!("/requests/{id}"), &json!({ "delay": "PT0.2S" })).await;
        let moved = answer.status == 200;
        if moved {
            promised = time(&answer.body["triggerAt"]);
        } else {
            answer.expect_fault(409, "not-scheduled");
        }
        (id, promised, moved)
    })
    .await;
    for (id, ..) in &outcomes {
        server.api.reaches(id, "succeeded").await;
    }
    let runs = runs(&receiver);
    for (id, promised, moved) in &outcomes {
        let times = runs.get(id).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(times.len(), 1, "{id}, moved: {moved}, ran at {times:?}");
        assert!(times[0] >= *promised, "{id}, moved: {moved}, was promised for {promised} and ran at {times:?}");
    }
    let moved = outcomes.iter().filter(|(_, _, moved)| *moved).count();
    println!("{moved} of {RACES} were moved");
    assert!(moved > 0 && moved < RACES, "no race took place: {moved} of {RACES} requests were moved");
}
