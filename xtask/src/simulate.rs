//! `cargo xtask simulate`: a deployment on AWS as a model, second by second, against the default quotas of the services.
//!
//! A model, and no measurement: it knows quotas, durations and write units, and neither networks nor the services' own delays.
//! Requests arrive at random around a rate, from a fixed seed, and are due an hour later. Each waits in a rule or, where the bus is full,
//! in a schedule; fires a minute before its time; is parked in the delay queue; and runs in a batch.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of requests are far below 2^52 and not negative"
)]

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsString,
    fmt::Write as _,
    ops::Range,
    process::ExitCode,
};

use anyhow::Result;

use crate::step::asks_for_help;

const HELP: &str = "\
cargo xtask simulate

Prints, as Markdown, how a deployment with the services' default quotas carries 12, 100, 1,000 and 10,000 accepted requests a second,
a new table, 9.5 and 10 million pending requests, and an hour without functions. Uses no network. docs/aws.md has the output.";

/// A default quota of an account in us-east-1.
struct Quota {
    name: &'static str,
    value: u64,
    source: &'static str,
}

const EVENTBRIDGE: &str = "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html";
const SCHEDULER: &str = "https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html";
const LAMBDA: &str = "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html";
const DYNAMODB: &str = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html";

const RULES: Quota = Quota { name: "rules of a bus", value: 300, source: EVENTBRIDGE };
const RULE_CALLS: Quota = Quota { name: "EventBridge calls a second", value: 50, source: EVENTBRIDGE };
const SCHEDULES: Quota = Quota { name: "schedules", value: 10_000_000, source: SCHEDULER };
const CREATES: Quota = Quota { name: "CreateSchedule a second", value: 5_000, source: SCHEDULER };
const FIRES: Quota = Quota { name: "Scheduler invocations a second", value: 1_000, source: SCHEDULER };
const CONCURRENCY: Quota = Quota { name: "Lambda concurrency", value: 1_000, source: LAMBDA };
const CALLS: Quota = Quota {
    name: "API Gateway calls a second",
    value: 10_000,
    source: "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html",
};
/// Of a table, and of each index.
const WRITES: Quota = Quota { name: "write units a second", value: 40_000, source: DYNAMODB };
/// Of a new table, and of each of its indexes. Half an hour at a peak raises it to twice that peak.
const NEW_WRITES: Quota = Quota {
    name: "write units a second of a new table",
    value: 4_000,
    source: "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html",
};
const PEAK_HOLDS: usize = 1800;
/// Of a partition of a table or an index.
const PARTITION_WRITES: Quota = Quota {
    name: "write units a second of a partition",
    value: 1_000,
    source: "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html",
};
const QUEUE_STEP: Quota = Quota {
    name: "growth of the queue's concurrency a minute",
    value: 300,
    source: "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html",
};
const QUEUE_CONCURRENCY: Quota = Quota { name: "`QueueConcurrency` of the template", value: 50, source: "../infra/template.yaml" };
/// Messages that were received and not deleted: the queue invokes the target with up to ten. Delayed ones do not count.
const IN_FLIGHT: Quota = Quota {
    name: "messages in flight",
    value: 120_000,
    source: "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html",
};
const QUOTAS: [&Quota; 13] = [
    &RULES,
    &RULE_CALLS,
    &SCHEDULES,
    &CREATES,
    &FIRES,
    &CONCURRENCY,
    &CALLS,
    &WRITES,
    &NEW_WRITES,
    &PARTITION_WRITES,
    &QUEUE_STEP,
    &QUEUE_CONCURRENCY,
    &IN_FLIGHT,
];

// The deployment: `infra/template.yaml` and the ledger.
const BATCH: u64 = 10;
/// The concurrency with which Lambda starts to read a queue.
const QUEUE_START: u64 = 5;

/// A table or an index, or partitions of an index, and the write units of a request of 1 KB there.
struct Written {
    quota: &'static Quota,
    /// Partitions between which the writes are spread; 1 for a whole table or index.
    parts: u64,
    accept: u64,
    /// To claim it and to end it.
    run: u64,
}

/// All requests are of one use case and of one version. Their keys in the table itself spread over all of its partitions.
const WRITTEN: [Written; 5] = [
    Written { quota: &WRITES, parts: 1, accept: 2, run: 4 },
    // `lists`: the index, and in it the use case's open requests. Its ended ones get one unit of each request.
    Written { quota: &WRITES, parts: 1, accept: 1, run: 3 },
    Written { quota: &PARTITION_WRITES, parts: 32, accept: 1, run: 2 },
    // `open`, `pinned`
    Written { quota: &PARTITION_WRITES, parts: 64, accept: 1, run: 1 },
    Written { quota: &PARTITION_WRITES, parts: 32, accept: 1, run: 1 },
];
/// Write and read units of the life of a request of 1 KB in the table and its indexes, as docs/aws.md has them.
const WRITES_OF_A_LIFE: f64 = 14.0;
const READS_OF_A_LIFE: f64 = 1.0;
const MILLISECONDS_TO_ACCEPT: u64 = 100;
const MILLISECONDS_TO_PARK: u64 = 50;
/// Of one batch, whose requests run together.
const MILLISECONDS_TO_RUN: u64 = 100;
/// Seconds between a request's arrival and its time, and between its rule and its time.
const WAIT: usize = 3600;
const AHEAD: usize = 60;
/// Lambda keeps an event for an hour, and repeats it after at most five minutes.
const EVENT_AGE: usize = 3600;
const EVENT_RETRY: usize = 300;
/// The janitor runs every 300 s, has 172 s of its 240 s for requests, and needs 20 ms for each.
const JANITOR_EVERY: usize = 300;
const JANITOR_REQUESTS: u64 = 172_000 / 20;

const SEED: u64 = 20_270_101;
const HOUR: usize = 3600;

#[derive(Clone)]
struct Load {
    name: &'static str,
    /// Requests a second, for two hours.
    rate: f64,
    /// Requests that wait in schedules at the start, due evenly within so many days.
    pending: (u64, u64),
    /// Seconds in which no function runs.
    outage: Range<usize>,
    has_new_table: bool,
    /// Quotas that differ from their defaults.
    quotas: &'static [(&'static Quota, u64)],
}

/// Quotas with which a deployment carries 10,000 requests a second.
const RAISED: [(&Quota, u64); 7] = [
    (&SCHEDULES, 40_000_000),
    (&CREATES, 11_000),
    (&FIRES, 11_000),
    (&CONCURRENCY, 2_000),
    (&CALLS, 11_000),
    (&WRITES, 70_000),
    (&QUEUE_CONCURRENCY, 200),
];

impl Load {
    const fn new(name: &'static str, rate: f64) -> Self {
        Self { name, rate, pending: (0, 1), outage: 0..0, has_new_table: false, quotas: &[] }
    }

    /// Returns the value of a quota under this load.
    fn value(&self, quota: &Quota) -> u64 {
        self.quotas.iter().find(|(other, _)| other.name == quota.name).map_or(quota.value, |(_, value)| *value)
    }
}

const LOADS: [Load; 9] = [
    Load::new("12 a second", 12.0),
    Load::new("100 a second", 100.0),
    Load::new("1,000 a second", 1_000.0),
    Load { has_new_table: true, ..Load::new("1,000 a second, a new table", 1_000.0) },
    Load::new("10,000 a second", 10_000.0),
    Load { quotas: &RAISED, ..Load::new("10,000 a second, raised quotas", 10_000.0) },
    Load { pending: (9_500_000, 1), ..Load::new("100 a second, 9.5 M pending for a day", 100.0) },
    Load { pending: (10_000_000, 30), ..Load::new("100 a second, 10 M pending for 30 days", 100.0) },
    Load { outage: 4000..4000 + HOUR, ..Load::new("100 a second, no function for an hour", 100.0) },
];

#[derive(Debug, Default)]
struct Outcome {
    accepted: u64,
    refused: u64,
    by_rule: u64,
    ran: u64,
    /// Requests that ran, by the seconds that each was late.
    late: BTreeMap<usize, u64>,
    /// Held back by each quota: the request-seconds of waiting, and the refused requests.
    held: BTreeMap<&'static str, u64>,
    /// Requests that are due and have not run at the end.
    left: u64,
    most_concurrency: u64,
    most_delayed: u64,
    /// Second at which the last request that was over a minute late ran.
    caught_up: usize,
}

/// Requests that are due at one time, with the time at which something happens to them.
#[derive(Debug, Clone, Copy)]
struct Group {
    due: usize,
    fired: usize,
    count: u64,
}

/// Takes up to `most` from the front, in order. Calls `take` with each part.
fn take(queue: &mut VecDeque<Group>, mut most: u64, mut ready: impl FnMut(&Group) -> bool, mut taken: impl FnMut(Group)) -> u64 {
    let before = most;
    while most > 0
        && let Some(first) = queue.front_mut().filter(|first| ready(first))
    {
        let part = Group { count: first.count.min(most), ..*first };
        first.count -= part.count;
        most -= part.count;
        if first.count == 0 {
            queue.pop_front();
        }
        if part.count > 0 {
            taken(part);
        }
    }
    before - most
}

fn sum(queue: &VecDeque<Group>) -> u64 {
    queue.iter().map(|group| group.count).sum()
}

/// Returns how many of `wanted` each limit in turn lets pass. Calls `held` with the others.
fn pass<'a>(wanted: u64, limits: impl IntoIterator<Item = (&'a Quota, u64)>, mut held: impl FnMut(&Quota, u64)) -> u64 {
    limits.into_iter().fold(wanted, |left, (quota, most)| {
        held(quota, left.saturating_sub(most));
        left.min(most)
    })
}

/// Runs the model.
fn simulate(load: &Load) -> Outcome {
    let horizon = 2 * HOUR + WAIT + 2 * HOUR;
    let (mut out, mut random) = (Outcome::default(), Random(SEED));
    // By the second of its time: requests in rules, and in schedules.
    let (mut rules, mut schedules) = (vec![0_u64; horizon + WAIT + 1], vec![0_u64; horizon + WAIT + 1]);
    let (mut waiting_rules, mut waiting_schedules) = (0, load.pending.0);
    let due_before = |second: u64| load.pending.0 * second / (load.pending.1 * 24 * HOUR as u64);
    for (second, count) in (0..).zip(&mut schedules[AHEAD..]) {
        *count = due_before(second + 1) - due_before(second);
    }
    let (mut firing, mut parking, mut delayed, mut expired) =
        (VecDeque::<Group>::new(), VecDeque::<Group>::new(), VecDeque::<Group>::new(), VecDeque::<Group>::new());
    let (mut to_clean, mut queue_concurrency) = (0_u64, QUEUE_START as f64);
    let (mut table_writes, mut peak) = (if load.has_new_table { load.value(&NEW_WRITES) } else { u64::MAX }, 0);
    for now in 0..horizon {
        let runs = !load.outage.contains(&now);
        let mut calls = load.value(&RULE_CALLS);
        let mut milliseconds = if runs { load.value(&CONCURRENCY) * 1000 } else { 0 };
        if now % PEAK_HOLDS == 0 {
            (table_writes, peak) = (table_writes.max(2 * peak), 0);
        }
        // Requests that may be accepted, and those that may run beside the accepted ones.
        let writes = |part: &Written, accepted: Option<u64>| {
            let of_new = part.parts == 1 && table_writes < load.value(part.quota);
            let (quota, units) = if of_new { (&NEW_WRITES, table_writes) } else { (part.quota, part.parts * load.value(part.quota)) };
            (quota, accepted.map_or(units / part.accept, |accepted| (units - accepted * part.accept) / part.run))
        };
        let mut held = |quota: &Quota, count: u64| {
            if count > 0 {
                *out.held.entry(quota.name).or_default() += count;
            }
        };

        // Rules of requests that ran: two calls each.
        let cleaned = if runs { to_clean.min(calls / 2) } else { 0 };
        (to_clean, calls, waiting_rules) = (to_clean - cleaned, calls - 2 * cleaned, waiting_rules - cleaned);

        // Accept. A refused request gets a 503 or 429, and its client repeats it.
        let arrived = if now < 2 * HOUR { random.around(load.rate) } else { 0 };
        let limits = [(&CALLS, load.value(&CALLS)), (&CONCURRENCY, milliseconds / MILLISECONDS_TO_ACCEPT)];
        let mut accepted = pass(arrived, limits.into_iter().chain(WRITTEN.iter().map(|part| writes(part, None))), &mut held);
        let room = load.value(&RULES) - waiting_rules;
        let by_rule = accepted.min(room).min(calls / 2);
        // A rule is tried first while the bus has room. A full or throttled bus is a reason for a schedule.
        let free = load.value(&SCHEDULES).saturating_sub(waiting_schedules);
        let by_schedule = pass(accepted - by_rule, [(&CREATES, load.value(&CREATES)), (&SCHEDULES, free)], &mut held);
        accepted = by_rule + by_schedule;
        rules[now + WAIT] += by_rule;
        schedules[now + WAIT] += by_schedule;
        (waiting_rules, waiting_schedules) = (waiting_rules + by_rule, waiting_schedules + by_schedule);
        (out.accepted, out.refused, out.by_rule) = (out.accepted + accepted, out.refused + arrived - accepted, out.by_rule + by_rule);
        milliseconds -= accepted * MILLISECONDS_TO_ACCEPT;

        // Fire. A rule fires at once, a schedule within Scheduler's rate.
        let due = now + AHEAD;
        firing.push_back(Group { due, fired: now, count: schedules[due] });
        let fired = take(&mut firing, load.value(&FIRES), |_| true, |group| parking.push_back(Group { fired: now, ..group }));
        waiting_schedules -= fired;
        held(&FIRES, sum(&firing));
        parking.push_back(Group { due, fired: now, count: rules[due] });
        to_clean += if runs { rules[due] } else { 0 };

        // Park. An event that no function took comes back within minutes, or is lost with its age and found by the janitor.
        if !load.outage.is_empty() && now == load.outage.end {
            to_clean += rules[load.outage.start + AHEAD..now + AHEAD].iter().sum::<u64>();
            for group in &mut parking {
                group.fired = back(group, now);
            }
            let lost = |group: &Group| group.due < group.fired && group.fired - (group.due - AHEAD) > EVENT_AGE;
            expired.extend(parking.iter().copied().filter(lost));
            parking.retain(|group| !lost(group));
            parking.make_contiguous().sort_by_key(|group| group.fired);
        }
        if runs {
            let parked =
                take(&mut parking, milliseconds / MILLISECONDS_TO_PARK, |group| group.fired <= now, |group| delayed.push_back(group));
            milliseconds -= parked * MILLISECONDS_TO_PARK;
            held(&CONCURRENCY, parking.iter().filter(|group| group.fired <= now).map(|group| group.count).sum());
            if now % JANITOR_EVERY == 0 {
                take(&mut expired, JANITOR_REQUESTS, |_| true, |group| delayed.push_front(group));
            }
        }

        // Run.
        let ready: u64 = delayed.iter().filter(|group| group.due <= now).map(|group| group.count).sum();
        let wanted = (ready * MILLISECONDS_TO_RUN).div_ceil(1000 * BATCH).max(QUEUE_START) as f64;
        let grown = queue_concurrency + load.value(&QUEUE_STEP) as f64 / 60.0;
        queue_concurrency = wanted.min(grown).min(load.value(&QUEUE_CONCURRENCY) as f64);
        let by = |batches: f64| (batches * (1000 * BATCH) as f64) as u64 / MILLISECONDS_TO_RUN;
        let limits = [
            (&QUEUE_STEP, by(grown)),
            (&QUEUE_CONCURRENCY, by(load.value(&QUEUE_CONCURRENCY) as f64)),
            (&IN_FLIGHT, by((load.value(&IN_FLIGHT) / BATCH) as f64)),
            (&CONCURRENCY, milliseconds * BATCH / MILLISECONDS_TO_RUN),
        ];
        let most = pass(ready, limits.into_iter().chain(WRITTEN.iter().map(|part| writes(part, Some(accepted)))), &mut held);
        out.most_delayed = out.most_delayed.max(sum(&delayed));
        let mut late = Vec::new();
        let ran = take(&mut delayed, most, |group| group.due <= now, |group| late.push((now - group.due, group.count)));
        for (seconds, count) in late {
            *out.late.entry(seconds).or_default() += count;
            out.caught_up = if seconds > 60 { now } else { out.caught_up };
        }
        out.ran += ran;
        peak = peak.max(accepted * WRITTEN[0].accept + ran * WRITTEN[0].run);
        milliseconds = milliseconds.saturating_sub((ran * MILLISECONDS_TO_RUN).div_ceil(BATCH));
        if runs {
            out.most_concurrency = out.most_concurrency.max(load.value(&CONCURRENCY) - milliseconds / 1000);
        }
    }
    let due = |queue: &VecDeque<Group>| queue.iter().filter(|group| group.due < horizon).map(|group| group.count).sum::<u64>();
    out.left = due(&firing) + due(&parking) + due(&delayed) + due(&expired);
    out
}

/// Returns the time at which Lambda repeats an event that no function took until `end`: spread over the longest wait, in order of age.
fn back(group: &Group, end: usize) -> usize {
    end + group.due % EVENT_RETRY
}

/// A generator of random numbers that gives the same ones on every machine: `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a count around a mean, with the variance of a Poisson process: the mean, and the sum of twelve evenly distributed numbers.
    fn around(&mut self, mean: f64) -> u64 {
        let normal: f64 = (0..12).map(|_| (self.next() >> 11) as f64 / (1_u64 << 53) as f64).sum::<f64>() - 6.0;
        (mean + normal * mean.sqrt()).round().max(0.0) as u64
    }
}

impl Outcome {
    /// Returns the lateness in seconds that a share of the requests does not exceed.
    fn lateness(&self, share: f64) -> usize {
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += count;
            seen as f64 >= share * self.ran as f64
        };
        let mut reached = reached;
        self.late.iter().find(|(_, count)| reached(count)).map_or(0, |(seconds, _)| *seconds)
    }

    /// Returns the list price in USD of a million requests, with the prices and amounts of docs/aws.md.
    fn cost(&self, rate: f64) -> f64 {
        // At a low rate a message is alone in its batch.
        let batch = (rate / 10.0).clamp(1.0, BATCH as f64);
        let invocations = 2.0 + 1.0 / batch;
        let seconds = (MILLISECONDS_TO_ACCEPT + MILLISECONDS_TO_PARK) as f64 / 1000.0 + MILLISECONDS_TO_RUN as f64 / 1000.0 / batch;
        let (api, logs, traces) = (1.0, 1.5, 0.75);
        let lambda = invocations * 0.20 + seconds * 0.5 * 13.3334;
        let table = WRITES_OF_A_LIFE * 0.625 + READS_OF_A_LIFE * 0.125;
        let queue = (1.0 + 2.0 / batch) * 0.40;
        let schedules = 1.0 - self.by_rule as f64 / self.accepted.max(1) as f64;
        api + lambda + table + queue + schedules + logs + traces
    }

    /// Returns the names of the quotas that held back most, largest first.
    fn limits(&self) -> String {
        let mut all: Vec<_> = self.held.iter().filter(|(_, count)| **count * 1000 > self.accepted).collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        if all.is_empty() { "none".to_owned() } else { all.iter().map(|(name, _)| **name).collect::<Vec<_>>().join(", ") }
    }
}

/// Returns the tables of docs/aws.md.
fn tables() -> String {
    let mut text = "\
| arriving | refused | by a rule | late: half, 99 %, most | due and not run at the end | concurrency | delayed | USD a million | held back by |
|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for load in LOADS {
        let out = simulate(&load);
        let percent = |part: u64| part as f64 * 100.0 / (out.accepted + out.refused) as f64;
        let late = [0.5, 0.99, 1.0].map(|share| format!("{} s", out.lateness(share))).join(", ");
        let _ = writeln!(
            text,
            "| {} | {:.2} % | {:.2} % | {late} | {} | {} | {} | {:.2} | {} |",
            load.name,
            percent(out.refused),
            percent(out.by_rule),
            out.left,
            out.most_concurrency,
            out.most_delayed,
            out.cost(load.rate),
            out.limits()
        );
    }
    text.push_str("\n| quota | default | raised, for 10,000 a second |\n|---|---|---|\n");
    for quota @ Quota { name, value, source } in QUOTAS {
        let raised = RAISED.iter().find(|(other, _)| other.name == quota.name).map_or_else(String::new, |(_, value)| value.to_string());
        let _ = writeln!(text, "| [{name}]({source}) | {value} | {raised} |");
    }
    text
}

pub fn run(arguments: &[OsString]) -> Result<ExitCode> {
    if !asks_for_help(arguments, HELP) {
        anyhow::ensure!(arguments.is_empty(), "`cargo xtask simulate` takes no arguments");
        print!("{}", tables());
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
