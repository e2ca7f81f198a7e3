//! Fires requests at their time.
//!
//! Memory holds one moment, the earliest due; everything else stays in the ledger, whose index on `due_at` is the
//! queue. At that moment the timer claims what is due, oldest first and no more than there are free slots, and runs it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::fire;
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::Change;
use postdate_core::ports::{Arming, Changed, Changes, Deliver, Intake, LedgerError, ScheduleError, Scheduler, UseCases};
use postdate_core::request::{Claimed, Request, Status};
use postdate_core::use_case::Target;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::ledger::SqliteLedger;
use crate::new_id;

/// How often claims that nobody works on are looked for.
const LEASE_CHECK: Duration = Duration::from_secs(1);
/// Wait before the ledger is tried again after it failed.
const LEDGER_RETRY: Duration = Duration::from_millis(200);
/// Attempts to record how an attempt ended; after that its lease brings it back.
const RECORD_TRIES: u32 = 10;

/// Tells the timer that something may be due earlier than it thinks; clones wake the same timer.
#[derive(Clone, Default)]
pub struct Wake(Arc<Alarm>);

#[derive(Default)]
struct Alarm {
    /// When the timer will look next, in milliseconds; `i64::MAX` while it is looking.
    next: AtomicI64,
    notify: Notify,
}

impl Wake {
    fn at(&self, due: DateTime<Utc>) {
        if due.timestamp_millis() < self.0.next.load(Ordering::SeqCst) {
            self.0.notify.notify_one();
        }
    }

    /// From here on every request that is scheduled wakes the timer, until [`Self::expect`]: the answer that the timer
    /// is waiting for may have been made before that request was there.
    fn looking(&self) {
        self.0.next.store(i64::MAX, Ordering::SeqCst);
    }

    fn expect(&self, next: Option<DateTime<Utc>>) {
        self.0.next.store(next.map_or(i64::MAX, |next| next.timestamp_millis()), Ordering::SeqCst);
    }
}

impl Scheduler for Wake {
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

    /// The ledger is the schedule: what is no longer scheduled there is not found.
    async fn unschedule(&self, _request: &Request) -> Result<(), ScheduleError> {
        Ok(())
    }
}

/// What the timer and its tasks share.
pub struct Timer<U, D> {
    pub ledger: SqliteLedger,
    pub use_cases: U,
    pub deliver: D,
    pub clock: Clock,
    pub wake: Wake,
    state: State,
}

struct State {
    slots: Arc<Semaphore>,
    /// Due requests wait for a slot.
    saturated: AtomicBool,
    /// What this process works on: such a claim is never abandoned, however the clock is set.
    running: Mutex<HashSet<CorrelationId>>,
    /// Cancelled when running attempts are to be given up.
    give_up: CancellationToken,
    tasks: TaskTracker,
}

impl<U, D> Timer<U, D>
where
    U: UseCases + 'static,
    D: Deliver + 'static,
{
    pub fn new(ledger: SqliteLedger, use_cases: U, deliver: D, clock: Clock, wake: Wake, concurrency: usize) -> Arc<Self> {
        let state = State {
            slots: Arc::new(Semaphore::new(concurrency)),
            saturated: AtomicBool::new(false),
            running: Mutex::default(),
            give_up: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Arc::new(Self { ledger, use_cases, deliver, clock, wake, state })
    }

    /// Fires until `stop`, then lets what runs finish for `grace`, and releases the rest.
    pub async fn run(self: Arc<Self>, stop: CancellationToken, grace: Duration) {
        self.release_abandoned(None, "the server went down while it ran").await;
        let mut lease_check = tokio::time::interval(LEASE_CHECK);
        while !stop.is_cancelled() {
            let next = match self.fire_due().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "cannot ask the ledger what is due");
                    tokio::time::sleep(LEDGER_RETRY).await;
                    continue;
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.0.notify.notified() => {}
                () = self.wait_for(next) => {}
                _ = lease_check.tick() => self.release_abandoned(Some(self.clock.now()), "its lease ran out").await,
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
            // With every slot taken, the end of an attempt is what to wait for: it notifies.
            Some(next) if !self.state.saturated.load(Ordering::SeqCst) => self.clock.sleep_until(next).await,
            _ => std::future::pending().await,
        }
    }

    /// Starts what is due, as far as there are slots; returns when the next is due.
    async fn fire_due(self: &Arc<Self>) -> Result<Option<DateTime<Utc>>, LedgerError> {
        self.wake.looking();
        // Set before the slots are counted, so that a slot freed after the count notifies.
        self.state.saturated.store(true, Ordering::SeqCst);
        let free = self.state.slots.available_permits();
        if free == 0 {
            return Ok(None);
        }
        let clock = self.clock.clone();
        let due = self.ledger.claim_due(move || clock.now(), free).await?;
        let more_waits = due.claimed.len() == free;
        for claimed in due.claimed {
            self.start(claimed);
        }
        self.state.saturated.store(more_waits, Ordering::SeqCst);
        self.wake.expect(due.next);
        Ok(due.next)
    }

    fn start(self: &Arc<Self>, claimed: Claimed) {
        // There are as many permits as claims were asked for, and only this loop takes them.
        let Ok(permit) = Arc::clone(&self.state.slots).try_acquire_owned() else { return };
        let running = Running::new(Arc::clone(self), claimed.request.id, permit);
        self.state.tasks.spawn(async move {
            let timer = &running.timer;
            tokio::select! {
                biased;
                () = timer.attempt(&claimed) => {}
                () = timer.state.give_up.cancelled() => {
                    timer.release(claimed.request.id, claimed.request.attempts, "the server stopped while it ran").await;
                }
            }
        });
    }

    async fn attempt(&self, claimed: &Claimed) {
        let request = &claimed.request;
        tracing::info!(correlation_id = %request.id, use_case = request.use_case, target = request.target, attempt = request.attempts, "fired");
        let attempt = fire::attempt(&self.use_cases, &self.deliver, claimed, None).await;
        let now = self.clock.now();
        let change = fire::conclude(request, attempt, new_id(now), now);
        for try_ in 1..=RECORD_TRIES {
            match self.ledger.change(request.id, change.clone(), now).await {
                Ok(Changed::Done(after)) => return self.recorded(&after),
                Ok(Changed::Refused(..) | Changed::NotFound) => {
                    tracing::error!(correlation_id = %request.id, "the attempt ended, but its claim was lost");
                    return;
                }
                Err(error) => {
                    tracing::error!(correlation_id = %request.id, %error, try_, "cannot record how the attempt ended");
                    tokio::time::sleep(LEDGER_RETRY * try_).await;
                }
            }
        }
    }

    fn recorded(&self, request: &Request) {
        let (id, use_case, attempt) = (request.id, &request.use_case, request.attempts);
        // Without the reason, which may quote the payload: it is in the request's history.
        match request.status {
            Status::Failed => tracing::error!(correlation_id = %id, use_case, attempt, "failed"),
            Status::Scheduled => {
                tracing::warn!(correlation_id = %id, use_case, attempt, next_attempt_at = %request.due_at, "attempt failed");
            }
            status => tracing::info!(correlation_id = %id, use_case, attempt, %status, "ended"),
        }
        // Another attempt, or a notice of the end, which is due at once.
        self.wake.at(request.due_at);
    }

    /// Gives back what is claimed and not worked on: claims from before a crash, and claims that ran out.
    async fn release_abandoned(&self, now: Option<DateTime<Utc>>, reason: &str) {
        let abandoned = match self.ledger.abandoned(now).await {
            Ok(abandoned) => abandoned,
            Err(error) => return tracing::error!(%error, "cannot look for abandoned requests"),
        };
        for (id, attempt) in abandoned {
            if !self.running().contains(&id) {
                self.release(id, attempt, reason).await;
            }
        }
    }

    async fn release(&self, id: CorrelationId, attempt: u32, reason: &str) {
        let now = self.clock.now();
        match self.ledger.change(id, Change::Release { attempt, reason: reason.to_owned() }, now).await {
            Ok(Changed::Done(request)) => {
                tracing::warn!(correlation_id = %id, attempt, status = %request.status, reason, "attempt interrupted");
                if request.status == Status::Failed {
                    self.tell_of(&request, now).await;
                }
                self.wake.at(request.due_at);
            }
            Ok(_) => {}
            Err(error) => tracing::error!(correlation_id = %id, %error, "cannot release the request; its lease will"),
        }
    }

    /// `[on] failure` for a request that was cut off too often: no attempt of it ends in which this could be recorded.
    async fn tell_of(&self, request: &Request, now: DateTime<Utc>) {
        let Ok(use_case) = self.use_cases.manifest(&request.use_case, &request.version).await else { return };
        let Some(notice) = fire::notice(&use_case, &request.version, request, new_id(now), now) else { return };
        if let Err(error) = self.ledger.insert(notice).await {
            tracing::error!(correlation_id = %request.id, %error, "cannot record the notice of a failure");
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashSet<CorrelationId>> {
        self.state.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt under way: holds its slot, and gives it back however the attempt ends, a panic included.
struct Running<U: UseCases + 'static, D: Deliver + 'static> {
    timer: Arc<Timer<U, D>>,
    id: CorrelationId,
    permit: Option<OwnedSemaphorePermit>,
}

impl<U: UseCases + 'static, D: Deliver + 'static> Running<U, D> {
    fn new(timer: Arc<Timer<U, D>>, id: CorrelationId, permit: OwnedSemaphorePermit) -> Self {
        timer.running().insert(id);
        Self { timer, id, permit: Some(permit) }
    }
}

impl<U: UseCases + 'static, D: Deliver + 'static> Drop for Running<U, D> {
    fn drop(&mut self) {
        self.timer.running().remove(&self.id);
        drop(self.permit.take());
        if self.timer.state.saturated.load(Ordering::SeqCst) {
            self.timer.wake.0.notify.notify_one();
        }
    }
}
