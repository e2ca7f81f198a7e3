//! Chooses rules or one-time schedules: a rule where a rule is possible, and a schedule where the bus is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::arn::{Arn, is_fifo};
use postdate_core::request::ScheduleKind::{self, KeptSchedule, Rule, Schedule};
use postdate_core::use_case::Target;

use super::ScheduleSettings;
use crate::config::Backend;

/// Time for which a process makes schedules after the bus was full. The janitor deletes rules every few minutes.
const FULL_FOR: TimeDelta = TimeDelta::minutes(5);
/// The same after the bus took no rule because too many calls arrived.
const BUSY_FOR: TimeDelta = TimeDelta::seconds(10);

/// The kinds of schedule that the deployment makes. Clones share what is known about the bus.
#[derive(Debug, Clone)]
pub struct Kinds {
    choice: Choice,
    /// End of the time for which the bus counts as full, in milliseconds since 1970.
    full_until: Arc<AtomicI64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Rules,
    Schedules,
    Auto,
}

impl Kinds {
    pub fn of(backend: &Backend) -> Self {
        let choice = match backend {
            Backend::Rules(_) => Choice::Rules,
            Backend::Schedules(_) => Choice::Schedules,
            Backend::Auto(_) => Choice::Auto,
        };
        Self { choice, full_until: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// Returns the kind for a request that a host runs.
    pub fn of_host(&self, now: DateTime<Utc>) -> ScheduleKind {
        match self.choice {
            Choice::Rules => Rule,
            Choice::Schedules => Schedule,
            Choice::Auto => self.preferred(now, Rule, Schedule)[0],
        }
    }

    /// Returns the kinds that reach the target, the preferred one first. Fails with the reason if there is none.
    pub fn reaching(&self, target: &Target, settings: &ScheduleSettings, now: DateTime<Utc>) -> Result<Vec<ScheduleKind>, String> {
        if !target.is_direct() {
            return Ok(vec![self.of_host(now)]);
        }
        let kinds = match self.choice {
            Choice::Rules => vec![Rule],
            Choice::Schedules => vec![KeptSchedule],
            Choice::Auto => self.preferred(now, Rule, KeptSchedule).to_vec(),
        };
        let (mut reaching, mut reason) = (Vec::new(), String::new());
        for kind in kinds {
            match reaches(kind, target, settings) {
                Ok(()) => reaching.push(kind),
                Err(text) => text.clone_into(&mut reason),
            }
        }
        if reaching.is_empty() { Err(reason) } else { Ok(reaching) }
    }

    /// Notes that the bus takes no further rule: for minutes, or for seconds if it `is_busy`. Returns the kind to use in its place; `None`
    /// if the deployment or the target has no other.
    pub fn instead_of_rule(
        &self,
        target: Option<&Target>,
        settings: &ScheduleSettings,
        is_busy: bool,
        now: DateTime<Utc>,
    ) -> Option<ScheduleKind> {
        let until = now + if is_busy { BUSY_FOR } else { FULL_FOR };
        self.full_until.fetch_max(until.timestamp_millis(), Ordering::Relaxed);
        match self.choice {
            Choice::Rules => None,
            Choice::Schedules | Choice::Auto => match target.filter(|target| target.is_direct()) {
                None => Some(Schedule),
                Some(direct) => reaches(KeptSchedule, direct, settings).is_ok().then_some(KeptSchedule),
            },
        }
    }

    fn preferred(&self, now: DateTime<Utc>, rule: ScheduleKind, schedule: ScheduleKind) -> [ScheduleKind; 2] {
        let full = now.timestamp_millis() < self.full_until.load(Ordering::Relaxed);
        if full { [schedule, rule] } else { [rule, schedule] }
    }
}

/// Fails with the reason if the service of this kind cannot deliver to a direct target.
fn reaches(kind: ScheduleKind, target: &Target, settings: &ScheduleSettings) -> Result<(), &'static str> {
    let Some(aws) = target.aws() else { return Ok(()) };
    match (target, kind) {
        (Target::Sns(_), _) if is_fifo(&aws.arn) => Err("EventBridge does not reach FIFO topics: leave out `direct`"),
        // AWS: "Input … not available with PutTargets if the target is an event bus of a different account". The bus would
        // get the rule's own event instead of the body.
        (Target::EventBus(_), Rule) if account(&aws.arn) != account(&settings.target_arn) => {
            Err("a rule cannot give a body to an event bus of another account: leave out `direct`")
        }
        (Target::ApiDestination(_), Schedule | KeptSchedule) => {
            Err("EventBridge Scheduler does not reach API destinations: use rules (POSTDATE_SCHEDULER)")
        }
        _ => Ok(()),
    }
}

fn account(arn: &str) -> Option<&str> {
    Arn::parse(arn).map(|arn| arn.account)
}

#[cfg(test)]
mod tests;
