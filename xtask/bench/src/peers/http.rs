//! Posts to a system over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinSet;

use super::system::{PATIENCE, Posts, SCHEDULE_CONNECTIONS};
use crate::client::Connection;
use crate::load::{self, Load};
use crate::schedule::Schedule;

/// Numbers of requests, and the bodies of their answers.
type NumberedAnswers = Vec<(u32, Vec<u8>)>;

/// The API of a system that accepts requests.
#[derive(Debug, Clone, Copy)]
pub struct Api {
    pub address: SocketAddr,
    /// Status of the answer to an accepted request.
    pub status: u16,
    /// Returns the bytes of a request that is due at a time, from its number. Called just before it is sent.
    pub request: fn(DateTime<Utc>, u32) -> Vec<u8>,
}

impl Api {
    pub async fn post(&self, warm_up: Duration, posts: Posts) -> anyhow::Result<Load> {
        if !warm_up.is_zero() {
            self.load(Posts::For(warm_up)).await?;
        }
        self.load(posts).await
    }

    async fn load(&self, posts: Posts) -> anyhow::Result<Load> {
        let request: Arc<[u8]> = (self.request)(after_the_run(), 1).into();
        let (left, end) = match posts {
            Posts::For(time) => (u32::MAX, Instant::now() + time),
            Posts::Count(count) => (count, Instant::now() + PATIENCE),
        };
        let left = AtomicU32::new(left);
        let next = move || {
            let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            (taken.is_ok() && Instant::now() < end).then(|| Arc::clone(&request))
        };
        let load = load::run_for(self.address, self.status, next).await?;
        if let Posts::Count(count) = posts {
            ensure!(load.latencies.len() == count as usize, "{} of {count} requests were accepted in {PATIENCE:?}", load.latencies.len());
        }
        Ok(load)
    }

    /// Posts the requests of a schedule. Returns the bodies of the answers, in the order of the requests' numbers. Fails if the last answer
    /// comes after the first request is due.
    pub async fn post_schedule(&self, schedule: Schedule, first: DateTime<Utc>) -> anyhow::Result<Vec<Vec<u8>>> {
        let next = Arc::new(AtomicU32::new(0));
        let mut clients: JoinSet<anyhow::Result<NumberedAnswers>> = JoinSet::new();
        for _ in 0..SCHEDULE_CONNECTIONS {
            let (api, next) = (*self, Arc::clone(&next));
            let mut connection = Connection::open(api.address).await.context("cannot connect to the server")?;
            clients.spawn(async move {
                let mut answers = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= schedule.count {
                        return Ok(answers);
                    }
                    let due = first + TimeDelta::from_std(schedule.offset(number))?;
                    let answer = connection.call(&(api.request)(due, number)).await?;
                    answer.expect(api.status)?;
                    answers.push((number, answer.body.to_vec()));
                }
            });
        }
        let mut answers = Vec::new();
        while let Some(client) = clients.join_next().await {
            answers.extend(client.context("a client failed")??);
        }
        ensure!(Utc::now() < first, "posting took longer than the time before the first is due: the machine is too busy");
        answers.sort_unstable_by_key(|(number, _)| *number);
        Ok(answers.into_iter().map(|(_, body)| body).collect())
    }
}

/// Returns a due time after the end of every run.
pub fn after_the_run() -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(20)
}
