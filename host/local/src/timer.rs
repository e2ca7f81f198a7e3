//! Fires requests at their time.
//!
//! Memory holds only the earliest due time. The requests stay in the ledger, whose index is the queue, with a lane for each use case
//! and target. At that time the timer claims due requests, each lane's oldest first, and runs them. The use cases share the places for
//! running requests: see [`places`].

mod gates;
mod places;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::fire::{FireError, Fired, Firing};
use postdate_core::id::CorrelationId;
use postdate_core::limits::{Limits, Over};
use postdate_core::ports::{Aftercare, Arming, ScheduleError, Scheduler};
use postdate_core::request::{Claimed, Request, Status};
use postdate_core::use_case::Target;
use postdate_deliver::HttpDeliver;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::ledger::{Lane, Paused, Picked, SqliteLedger};
use crate::metrics::{Counted, Metrics};
use crate::traces::Traces;
use gates::{Closed, Gates};
use places::{AttemptKind, AttemptPlaces};

/// Interval between checks for claims whose lease has ended, and for requests that expired while they waited for a place.
const CHECK: Duration = Duration::from_secs(1);
/// Expired requests that are ended together, before the timer looks at due requests again.
const EXPIRED_BATCH: u32 = 512;
/// Delay before the ledger is queried again after an error.
const LEDGER_RETRY: Duration = Duration::from_millis(200);

/// Wakes the timer when a request is scheduled before the time that it waits for. Clones wake the same timer.
#[derive(Clone, Default)]
pub struct TimerHandle(Arc<Alarm>);

#[derive(Default)]
struct Alarm {
    /// Time of the timer's next query, in Unix milliseconds. `i64::MAX` during a query and if no request is scheduled.
    next: AtomicI64,
    notify: Notify,
    gates: Mutex<Gates>,
}

impl TimerHandle {
    /// Returns a handle whose timer starts nothing that is paused.
    pub fn new(paused: Paused) -> Self {
        let gates = Mutex::new(Gates::new(paused, Vec::new()));
        Self(Arc::new(Alarm { gates, ..Alarm::default() }))
    }

    /// Returns the kind of what holds up the due requests of a target, for metrics.
    pub fn held_up_by(&self, use_case: &str, target: &str, now: DateTime<Utc>) -> Option<&'static str> {
        self.gates().reason(use_case, target, now)
    }

    /// Returns the time at which the first request of a lane may begin, as far as that is known; `None` while nothing but the end of an
    /// attempt or a call opens the lane.
    pub fn opens(&self, lane: &Lane, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if lane.due_at > now { Some(lane.due_at) } else { self.gates().opens(lane, now) }
    }

    fn gates(&self) -> MutexGuard<'_, Gates> {
        self.0.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the timer if `due` is before its next query.
    fn at(&self, due: DateTime<Utc>) {
        if due.timestamp_millis() < self.0.next.load(Ordering::SeqCst) {
            self.0.notify.notify_one();
        }
    }

    /// Makes every scheduled request wake the timer until [`Self::expect`]: the query in progress may miss a request that was
    /// scheduled after it started.
    fn looking(&self) {
        self.0.next.store(i64::MAX, Ordering::SeqCst);
    }

    /// Sets the time of the next query.
    fn expect(&self, next: Option<DateTime<Utc>>) {
        self.0.next.store(next.map_or(i64::MAX, |next| next.timestamp_millis()), Ordering::SeqCst);
    }
}

impl Scheduler for TimerHandle {
    fn serves(&self, target: &Target) -> Result<(), String> {
        match target {
            Target::Plugin { host: None } | Target::Http { .. } => Ok(()),
            Target::Plugin { host: Some(host) } => Err(format!("this server has no other target host, and it names the host {host:?}")),
            aws => Err(format!("targets of the kind {} are delivered to on AWS only", aws.kind())),
        }
    }

    async fn schedule(&self, Arming { request, .. }: Arming<'_>) -> Result<(), ScheduleError> {
        self.at(request.due_at);
        Ok(())
    }

    fn holds_up(&self, request: &Request, now: DateTime<Utc>) -> Option<String> {
        let is_due = request.status == Status::Scheduled && request.due_at <= now;
        if is_due { self.gates().waits_for(&request.use_case, &request.target, now) } else { None }
    }

    fn resumed(&self) -> Option<TimeDelta> {
        self.0.notify.notify_one();
        None
    }

    /// Does nothing: the ledger is the schedule, and the timer does not find a request that is no longer scheduled there.
    async fn unschedule(&self, _request: &Request) -> Result<(), ScheduleError> {
        Ok(())
    }
}

/// Only wakes the timer: the ledger is the queue, and operators read the log.
impl Aftercare for TimerHandle {
    async fn again(&self, request: &Request) -> Result<bool, ScheduleError> {
        self.at(request.due_at);
        Ok(true)
    }
}

/// State that the timer and its tasks share.
pub struct Timer {
    pub ledger: SqliteLedger,
    pub use_cases: Catalog,
    pub deliver: HttpDeliver<Clock>,
    pub clock: Clock,
    traces: Traces,
    state: Arc<State>,
}

/// Shared state of places and running attempts. Holds no ledger, since the ledger's writer drops the places of a failed transaction.
struct State {
    wake: TimerHandle,
    metrics: Metrics,
    places: Mutex<AttemptPlaces>,
    /// True if due requests may be waiting for a place.
    saturated: AtomicBool,
    /// Requests that this process runs. Their claims are not released on expiry, so a step of the clock starts no second attempt.
    running: Mutex<HashSet<CorrelationId>>,
    /// Cancelled to abort the running attempts.
    give_up: CancellationToken,
    tasks: TaskTracker,
}

impl Timer {
    pub fn new(
        ledger: SqliteLedger,
        use_cases: Catalog,
        deliver: HttpDeliver<Clock>,
        clock: Clock,
        wake: TimerHandle,
        traces: Traces,
        concurrency: usize,
    ) -> Arc<Self> {
        let state = State {
            wake,
            metrics: ledger.metrics().clone(),
            places: Mutex::new(AttemptPlaces::new(concurrency as u64)),
            saturated: AtomicBool::new(false),
            running: Mutex::default(),
            give_up: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Arc::new(Self { ledger, use_cases, deliver, clock, traces, state: Arc::new(state) })
    }

    /// Fires requests until `stop`. Then waits up to `grace` for running attempts and releases the rest.
    pub async fn run(self: Arc<Self>, stop: CancellationToken, grace: Duration) {
        self.release_abandoned(None, "the server went down while it ran").await;
        match self.ledger.rates().await {
            Ok(rates) => *self.state.wake.gates() = Gates::new(self.ledger.paused().clone(), rates),
            Err(error) => tracing::error!(%error, "cannot read the slots of the rates: their windows begin anew"),
        }
        let mut check = tokio::time::interval(CHECK);
        let mut has_failed = false;
        while !stop.is_cancelled() {
            let next = match self.fire_due().await {
                Ok(next) => next,
                Err(error) => {
                    // One line for an outage: the disk may be full of lines.
                    if !std::mem::replace(&mut has_failed, true) {
                        tracing::error!(%error, "cannot find out what is due; the ledger is asked again until it answers");
                    }
                    tokio::time::sleep(LEDGER_RETRY).await;
                    continue;
                }
            };
            has_failed = false;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.state.wake.0.notify.notified() => {}
                () = self.wait_for(next) => {}
                _ = check.tick() => {
                    self.release_abandoned(Some(self.clock.now()), "its lease ran out").await;
                    // An error is logged, and the next check tries again.
                    let _ = self.end_expired().await;
                }
            }
        }
        self.state.tasks.close();
        if tokio::time::timeout(grace, self.state.tasks.wait()).await.is_err() {
            tracing::warn!("running requests are released: they will run again at the next start");
            self.state.give_up.cancel();
            self.state.tasks.wait().await;
        }
    }

    async fn wait_for(&self, next: Option<DateTime<Utc>>) {
        match next {
            Some(next) => self.clock.sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// Starts due requests, as far as there are places. Returns when the next request is due. Due requests without a place wait for
    /// the end of an attempt, which notifies.
    async fn fire_due(self: &Arc<Self>) -> Result<Option<DateTime<Utc>>, FireError> {
        let state = &self.state;
        state.wake.looking();
        // Set before the places are counted, so that a place freed after the count notifies.
        state.saturated.store(true, Ordering::SeqCst);
        if state.places().is_full() {
            return Ok(None);
        }
        let (clock, lease_of, use_cases, places) = (self.clock.clone(), self.use_cases.clone(), self.use_cases.clone(), Arc::clone(state));
        let held_up = Arc::new(Mutex::new(HeldUp::default()));
        let (now, seen) = (self.clock.clone(), Arc::clone(&held_up));
        let pick = move |due: &[Lane]| pick(&places, &use_cases, due, now.now(), &mut seen.lock().unwrap_or_else(PoisonError::into_inner));
        let since = SystemTime::now();
        let mut due = self.ledger.claim_due(move || clock.now(), move |request| lease_of.lease(request), pick).await?;
        for (claimed, place) in due.claimed {
            self.start(claimed, place, since);
        }
        let HeldUp { by_attempts, until } = *held_up.lock().unwrap_or_else(PoisonError::into_inner);
        state.saturated.store(by_attempts, Ordering::SeqCst);
        due.next = due.next.into_iter().chain(until).min();
        if due.expired {
            // Look again at once, for the requests behind those that have ended. If some could not be ended, which is logged, the lanes
            // behind them wait.
            let wait = if self.end_expired().await.is_ok() { Duration::ZERO } else { CHECK };
            due.next = due.next.into_iter().chain([self.clock.now() + wait]).min();
        }
        state.wake.expect(due.next);
        Ok(due.next)
    }

    /// Ends the requests that have expired, at most [`EXPIRED_BATCH`]. Logs the errors, and returns the first.
    async fn end_expired(self: &Arc<Self>) -> Result<(), FireError> {
        let expired = self.ledger.expired(self.clock.now(), EXPIRED_BATCH).await;
        let expired = expired.inspect_err(|error| tracing::error!(%error, "cannot look for expired requests"))?;
        // Together, so that they share transactions.
        let mut ending = JoinSet::new();
        for request in expired {
            let timer = Arc::clone(self);
            ending.spawn(async move {
                let ended = timer.firing().expire(&request).await;
                ended.inspect_err(|error| tracing::error!(correlation_id = %request.id, %error, "cannot end the expired request"))
            });
        }
        ending.join_all().await.into_iter().try_for_each(|ended| ended.map(drop))
    }

    /// Runs a request whose claim began at `since`, by the machine's clock.
    fn start(self: &Arc<Self>, Claimed { mut request, body }: Claimed, place: AttemptPlace, since: SystemTime) {
        let (timer, begun) = (Arc::clone(self), self.clock.now());
        let running = Running::new(request.id, place);
        self.state.metrics.started(&request);
        let span = self.traces.attempt(&mut request, since);
        self.state.tasks.spawn(async move {
            let _running = running;
            let firing = timer.firing();
            let attempt = async {
                let attempt = firing.run(request.clone(), Some(body), None);
                match span {
                    Some(span) => span.run(attempt).await,
                    None => attempt.await,
                }
            };
            tokio::select! {
                biased;
                // `run` logs an outcome that it cannot record. The request runs again after its lease.
                fired = attempt => {
                    if matches!(fired, Ok(Fired::Ran(_))) {
                        timer.state.metrics.began(&request, begun);
                    }
                }
                () = timer.state.give_up.cancelled() => timer.release(&request, "the server stopped while it ran").await,
            }
        });
    }

    fn firing(&self) -> Firing<'_, Catalog, SqliteLedger, TimerHandle, HttpDeliver<Clock>, Clock, TimerHandle> {
        let Self { ledger, use_cases, deliver, clock, state, .. } = self;
        let wake = &state.wake;
        Firing { use_cases, ledger, scheduler: wake, deliver, clock, aftercare: wake }
    }

    /// Releases claims that no task of this process works on: all of them with `None`, otherwise those whose lease expired by `now`.
    async fn release_abandoned(&self, now: Option<DateTime<Utc>>, reason: &str) {
        let abandoned = match self.ledger.abandoned(now).await {
            Ok(abandoned) => abandoned,
            Err(error) => return tracing::error!(%error, "cannot look for abandoned requests"),
        };
        for request in abandoned {
            if !self.state.running().contains(&request.id) {
                self.release(&request, reason).await;
            }
        }
    }

    async fn release(&self, request: &Request, reason: &str) {
        match self.firing().release(request, reason).await {
            Ok(Some(released)) => self.state.wake.at(released.due_at),
            Ok(None) => {}
            Err(error) => tracing::error!(correlation_id = %request.id, %error, "cannot release the request; its lease will"),
        }
    }
}

impl State {
    fn places(&self) -> std::sync::MutexGuard<'_, AttemptPlaces> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashSet<CorrelationId>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The obstacles of the due requests that the last look left.
#[derive(Debug, Clone, Copy, Default)]
struct HeldUp {
    /// True if some wait for the end of an attempt.
    by_attempts: bool,
    /// The next time at which a pause or a window of a rate ends.
    until: Option<DateTime<Utc>>,
}

/// Takes a place for the lane whose turn it is, if its gate is open. Records what holds up the other lanes.
fn pick(state: &Arc<State>, use_cases: &Catalog, due: &[Lane], now: DateTime<Utc>, held_up: &mut HeldUp) -> Option<Picked<AttemptPlace>> {
    *held_up = HeldUp::default();
    let mut places = state.places();
    let mut gates = state.wake.gates();
    let kind = |lane: &Lane| {
        let (runs_plugin, limits) = use_cases.lane(&lane.use_case, &lane.target);
        let Some(closed) = gates.closed(lane, limits, now) else {
            return Some(if runs_plugin { AttemptKind::Processor } else { AttemptKind::Delivery });
        };
        held_up.by_attempts |= matches!(closed, Closed::Over(Over::Concurrency(_)));
        held_up.until = held_up.until.into_iter().chain(closed.until()).min();
        None
    };
    let Some((index, kind)) = places.pick(due, kind) else {
        // Open lanes wait for a place.
        held_up.by_attempts |= due.iter().any(|lane| gates.closed(lane, use_cases.lane(&lane.use_case, &lane.target).1, now).is_none());
        return None;
    };
    let lane = &due[index];
    let limits = use_cases.lane(&lane.use_case, &lane.target).1;
    let slot = gates.begin(lane, limits, now);
    drop((places, gates));
    Some(Picked { lane: index, place: AttemptPlace::new(state, kind, lane, limits), slot })
}

/// A place that is taken. Freed on drop, so also after a panic.
struct AttemptPlace {
    state: Arc<State>,
    kind: AttemptKind,
    use_case: String,
    /// The target and its limits, if they count the attempt.
    limited: Option<(String, Limits)>,
    /// False until a request is claimed for the place.
    has_begun: bool,
    _counted: Counted,
}

impl AttemptPlace {
    /// Holds a place that was taken for this lane.
    fn new(state: &Arc<State>, kind: AttemptKind, lane: &Lane, limits: Limits) -> Self {
        let counted = state.metrics.running(&lane.use_case, kind.as_str());
        let limited = (!limits.is_none()).then(|| (lane.target.clone(), limits));
        Self { state: Arc::clone(state), kind, use_case: lane.use_case.clone(), limited, has_begun: false, _counted: counted }
    }
}

impl Drop for AttemptPlace {
    fn drop(&mut self) {
        self.state.places().give_back(self.kind, &self.use_case);
        if let Some((target, limits)) = &self.limited {
            self.state.wake.gates().end(&self.use_case, target, *limits, self.has_begun);
        }
        // A place for which nothing was claimed is free for the same look at the ledger.
        if self.has_begun && self.state.saturated.load(Ordering::SeqCst) {
            self.state.wake.0.notify.notify_one();
        }
    }
}

/// A running attempt, in its place.
struct Running {
    place: AttemptPlace,
    id: CorrelationId,
}

impl Running {
    fn new(id: CorrelationId, mut place: AttemptPlace) -> Self {
        place.has_begun = true;
        place.state.running().insert(id);
        Self { place, id }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.place.state.running().remove(&self.id);
    }
}
