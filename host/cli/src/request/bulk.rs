//! Changes many requests: lists them, asks, and makes the calls, some at a time.

mod progress;
mod tally;

use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::Utc;
use postdate_core::id::CorrelationId;
use postdate_core::limits::{Per, Rate};
use serde_json::{Value, json};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::arguments::{Filters, Which};
use super::change::ChangeCall;
use super::show;
use crate::client::{Client, ProblemReport};
use crate::confirm;
use crate::output::{counted, err, out};
use progress::{EACH, ProgressLine};
use tally::Tally;

/// Limit of calls at a time.
pub const CONCURRENT: usize = 32;
/// Requests per page of the list: the API's limit.
const PAGE_LIMIT: &str = "500";
/// Requests that are shown before the question.
const SAMPLE: usize = 5;
/// Limit of calls for one request, if the host has no room for it.
const TRIES: u32 = 4;
/// The same, if a gateway limits the calls in a second. 32 that are repeated all 5 s are below the limit of the templates.
const TRIES_AT_A_LIMIT: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// Delay that a rate makes good: a timer wakes up to a millisecond late.
const DEBT: Duration = Duration::from_millis(20);

/// The requests to change.
#[derive(Debug, Default)]
struct Plan {
    ids: Vec<CorrelationId>,
    /// The first of them, as the list shows them.
    sample: Vec<Value>,
    /// Number of requests that the filters select and the change does not concern.
    left_out: usize,
}

/// Changes the requests that are named, or those that the filters select. Fails before any change if there is no filter, if there is
/// no confirmation, or if the list fails.
pub async fn run(client: Client, change: ChangeCall, which: Which, json: bool) -> anyhow::Result<ExitCode> {
    let change = change.of_many(Utc::now())?;
    if !which.ids.is_empty() {
        let tally = make_all(client, &change, which.ids, which.rate).await;
        out(&if json { tally.json(0) } else { tally.text(&change) });
        return Ok(if tally.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    ensure!(
        !which.filters.query().is_empty(),
        "no request is named: give ids, or name at least one of --use-case, --status, --label, --from, --to, --due-from, --due-to, \
         --ended-from, --ended-to"
    );
    confirm::check(which.yes || which.dry_run, "a change of many requests", ", or see them with --dry-run")?;
    let plan = plan(&client, &change, &which.filters).await?;
    if which.dry_run {
        out(&if json { planned_json(&plan) } else { planned_text(&plan, &change) });
        return Ok(ExitCode::SUCCESS);
    }
    err(&planned_text(&plan, &change));
    let (order, place) = change.order();
    let question = format!("{order} {}{place}? [y/N] ", counted(plan.ids.len(), "request"));
    if !plan.ids.is_empty() && !confirm::ask(which.yes, &question)? {
        err("nothing was changed\n");
        return Ok(ExitCode::FAILURE);
    }
    let left_out = plan.left_out;
    let tally = make_all(client, &change, plan.ids, which.rate).await;
    out(&if json { tally.json(left_out) } else { tally.text(&change) });
    Ok(if tally.is_complete_but_for_races() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lists the requests that the filters select, all pages before the first change, since changes move requests between pages.
async fn plan(client: &Client, change: &ChangeCall, filters: &Filters) -> anyhow::Result<Plan> {
    let mut plan = Plan::default();
    let mut progress = ProgressLine::new();
    for status in change.statuses(filters.status.as_deref())? {
        let mut query = filters.query();
        query.extend(status.map(|status| ("status", status.to_string())));
        query.push(("limit", PAGE_LIMIT.to_owned()));
        let walked = client.each_page(&query, |page| {
            for request in page["requests"].as_array().into_iter().flatten() {
                if change.leaves_out(request) {
                    plan.left_out += 1;
                    continue;
                }
                let id = request["correlationId"].as_str().and_then(|id| id.parse().ok());
                plan.ids.push(id.context("the server's list has a request without a correlation id")?);
                if plan.sample.len() < SAMPLE {
                    plan.sample.push(request.clone());
                }
            }
            progress.tick(|| format!("found {}", counted(plan.ids.len(), "request")));
            Ok(())
        });
        walked.await.context("cannot list the requests; nothing was changed")?;
    }
    progress.end();
    Ok(plan)
}

fn planned_text(plan: &Plan, change: &ChangeCall) -> String {
    let (order, place) = change.order();
    let mut text = match plan.ids.len() {
        0 => "no request matches\n".to_owned(),
        all => format!("{order} {}{place}:\n{}", counted(all, "request"), show::list(&plan.sample, true)),
    };
    let more = plan.ids.len() - plan.sample.len();
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    if plan.left_out > 0 {
        let _ = writeln!(text, "{} more match and {}", plan.left_out, change.left_out());
    }
    text
}

fn planned_json(plan: &Plan) -> String {
    format!("{}\n", json!({ "matched": plan.ids.len(), "leftOut": plan.left_out, "sample": plan.sample }))
}

/// Makes the change of each request, up to [`CONCURRENT`] at a time. Stops at Ctrl-C, and where further calls have no prospect.
async fn make_all<I: Display + Send + 'static>(client: Client, change: &ChangeCall, ids: Vec<I>, rate: Option<Rate>) -> Tally {
    let (client, shared) = (Arc::new(client), Arc::new(change.clone()));
    let spacing = rate.map_or(Duration::ZERO, spacing);
    let mut tally = Tally::of(ids.len());
    let mut ids = ids.into_iter();
    let (mut calls, mut under_way, mut is_interrupted) = (JoinSet::new(), HashMap::new(), false);
    let mut next_start = Instant::now();
    let mut progress = ProgressLine::new();
    let mut each_second = tokio::time::interval(EACH);
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let is_left = tally.stopped.is_none() && ids.len() > 0;
        if calls.is_empty() && !is_left {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep_until(next_start), if is_left && calls.len() < CONCURRENT => {
                if let Some(id) = ids.next() {
                    let (client, change) = (Arc::clone(&client), Arc::clone(&shared));
                    let id = id.to_string();
                    let task = calls.spawn({
                        let id = id.clone();
                        async move { attempt(&client, &change, &id).await }
                    });
                    under_way.insert(task.id(), id);
                }
                let now = Instant::now();
                next_start = (next_start + spacing).max(now.checked_sub(DEBT).unwrap_or(now));
            }
            Some(ended) = calls.join_next_with_id() => {
                let task = ended.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
                let id = under_way.remove(&task).unwrap_or_default();
                match ended {
                    Ok((_, made)) => tally.add(&id, made),
                    Err(error) if error.is_cancelled() => tally.cut_off(id),
                    Err(panic) => tally.stop(panic.to_string()),
                }
            }
            _ = each_second.tick() => progress.tick(|| tally.progress(change)),
            _ = &mut interrupt => {
                // The first one waits for the calls under way, the second one does not.
                if std::mem::replace(&mut is_interrupted, true) {
                    calls.abort_all();
                }
                tally.stop("interrupted".to_owned());
                interrupt.set(tokio::signal::ctrl_c());
            }
        }
    }
    progress.end();
    tally
}

/// Returns the time between two starts.
fn spacing(rate: Rate) -> Duration {
    let window = match rate.per {
        Per::Second => Duration::from_secs(1),
        Per::Minute => Duration::from_mins(1),
        Per::Hour => Duration::from_hours(1),
    };
    window / rate.count
}

/// Makes the change of one request. Repeats it while the host has no room for the call.
async fn attempt(client: &Client, change: &ChangeCall, id: &str) -> anyhow::Result<()> {
    let (mut pause, mut tries) = (FIRST_PAUSE, 1);
    loop {
        let Err(error) = change.make(client, id).await else { return Ok(()) };
        let problem = match error.downcast_ref::<ProblemReport>() {
            Some(problem) if problem.is_limited_by_gateway() && tries < TRIES_AT_A_LIMIT => problem,
            Some(problem) if [429, 503].contains(&problem.status) && tries < TRIES => problem,
            // The host may have made the change. A second retry would run the request twice.
            Some(problem) if [502, 504].contains(&problem.status) && tries < TRIES && !matches!(change, ChangeCall::Retry) => problem,
            _ => return Err(error),
        };
        let asked = problem.retry_after.as_ref().and_then(|seconds| seconds.parse().ok()).map_or(pause, Duration::from_secs);
        tokio::time::sleep(asked.clamp(pause, MAX_PAUSE)).await;
        (pause, tries) = ((pause * 2).min(MAX_PAUSE), tries + 1);
    }
}

#[cfg(test)]
mod tests;
