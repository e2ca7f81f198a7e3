//! Fake of the port `Scheduler`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::id::CorrelationId;
use crate::ports::{Arming, ScheduleError, Scheduler};
use crate::request::Request;
use crate::use_case::Target;

/// Records its calls and schedules nothing. Can be made to fail.
#[derive(Debug, Default)]
pub struct RecordingScheduler(Mutex<Record>);

#[derive(Debug, Default)]
struct Record {
    scheduled: Vec<(CorrelationId, DateTime<Utc>)>,
    unscheduled: Vec<CorrelationId>,
    broken: Option<ScheduleError>,
    resumes_after: Option<TimeDelta>,
}

impl RecordingScheduler {
    /// Makes every following call fail with `error`; `None` ends that. Only `unschedule` records a call that fails.
    pub fn fail_with(&self, error: impl Into<Option<ScheduleError>>) {
        self.lock().broken = error.into();
    }

    /// Makes the scheduler one of a host whose requests wait one by one; see [`Scheduler::resumed`].
    pub fn resume_after(&self, time: TimeDelta) {
        self.lock().resumes_after = Some(time);
    }

    /// Returns the requests that were scheduled, with their times, in the order of the calls.
    pub fn scheduled(&self) -> Vec<(CorrelationId, DateTime<Utc>)> {
        self.lock().scheduled.clone()
    }

    pub fn unscheduled(&self) -> Vec<CorrelationId> {
        self.lock().unscheduled.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(record: &Record) -> Result<(), ScheduleError> {
        record.broken.clone().map_or(Ok(()), Err)
    }
}

impl Scheduler for RecordingScheduler {
    /// Accepts all targets except direct ones and state machines.
    fn serves(&self, target: &Target) -> Result<(), String> {
        if target.is_direct() || matches!(target, Target::StepFunctions(_)) {
            return Err(format!("this scheduler reaches no target of the kind {}", target.kind()));
        }
        Ok(())
    }

    async fn schedule(&self, Arming { request, .. }: Arming<'_>) -> Result<(), ScheduleError> {
        let mut record = self.lock();
        Self::answer(&record)?;
        record.scheduled.push((request.id, request.due_at));
        Ok(())
    }

    fn resumed(&self) -> Option<TimeDelta> {
        self.lock().resumes_after
    }

    async fn unschedule(&self, request: &Request) -> Result<(), ScheduleError> {
        let mut record = self.lock();
        record.unscheduled.push(request.id);
        Self::answer(&record)
    }
}
