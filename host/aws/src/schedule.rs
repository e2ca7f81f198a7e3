//! The core's port `Scheduler` on AWS: rules of EventBridge or one-time schedules of EventBridge Scheduler, and a delay queue
//! for times that are near.
//!
//! The port *schedules* a request. A *rule* belongs to EventBridge, a *one-time schedule* to the service EventBridge Scheduler. The
//! [`Route`] selects one of them, or the queue, to deliver the request's [`Envelope`]. The request's record says which of the two it
//! has; [`kinds`] chooses. A request has at most one, whose [`name`] identifies the request. The ledger decides whether a delivered
//! request runs.

mod aim;
pub mod cron;
mod kinds;
pub mod limits;
pub mod name;
mod one_time_schedules;
mod reach;
mod route;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::arm::HANDED_OVER;
use postdate_core::envelope::Envelope;
use postdate_core::json::for_messages;
use postdate_core::ports::{Arming, BodyTooLarge, ScheduleError, Scheduler};
use postdate_core::request::{NewRequest, Request, ScheduleKind};
use postdate_core::time::rfc3339;
use postdate_core::use_case::Target;

pub use rules::{ListedRule, RulePage};

use crate::aws_error::AwsError;
use crate::clients::Lazy;
use crate::config::{Backend, HostAddress};
use crate::pauses::FRESH;
use crate::ports::{LeftRule, Timing};
use aim::Aim;
use kinds::Kinds;
use one_time_schedules::OneTimeSchedules;
use route::Route;
use rules::Rules;

/// Time limit of [`AwsScheduler::unschedule`]. The client waits for it, and the janitor deletes a rule that is left.
const LONGEST_UNDO: Duration = Duration::from_secs(6);

/// Most rules in one page of a list (EventBridge, `ListRules`: 1 to 100).
const PAGE: i32 = 100;

/// The names and addresses that scheduling uses.
#[derive(Debug, Clone)]
pub struct ScheduleSettings {
    /// Prefix of every name: 1 to 20 of `[A-Za-z0-9._-]`.
    pub prefix: String,
    /// ARN of the default target host.
    pub target_arn: String,
    /// URL of the default host's delay queue; without one, requests fire on whole minutes.
    pub queue_url: Option<String>,
    /// Other target hosts, by the name that a use case gives as `host`.
    pub hosts: BTreeMap<String, HostAddress>,
    /// ARNs, or patterns of ARNs, that a use case may name as targets.
    pub delivery_targets: Vec<String>,
    pub backend: Backend,
    /// ARN of the queue for events that could not be delivered.
    pub dead_letter_arn: String,
    /// Time for which delivery of an event is tried: 60 s to 24 h.
    pub max_event_age: Duration,
}

/// Schedules requests by rules or one-time schedules, and by the delay queue.
#[derive(Debug, Clone)]
pub struct AwsScheduler {
    settings: ScheduleSettings,
    kinds: Kinds,
    rules: Rules,
    one_time_schedules: Option<OneTimeSchedules>,
    queue: Lazy<aws_sdk_sqs::Client>,
    now: fn() -> DateTime<Utc>,
}

impl AwsScheduler {
    /// Makes no call.
    pub fn new(
        settings: ScheduleSettings,
        eventbridge: Lazy<aws_sdk_eventbridge::Client>,
        scheduler: Lazy<aws_sdk_scheduler::Client>,
        sqs: Lazy<aws_sdk_sqs::Client>,
        now: fn() -> DateTime<Utc>,
    ) -> Self {
        let one_time_schedules = settings.backend.schedules().map(|service| OneTimeSchedules::new(scheduler, service));
        let kinds = Kinds::of(&settings.backend);
        Self { settings, kinds, rules: Rules::new(eventbridge), one_time_schedules, queue: sqs, now }
    }

    /// Makes the client that most requests need. Makes no call.
    pub fn prepare(&self) {
        match (&self.settings.backend, &self.one_time_schedules) {
            (Backend::Schedules(_), Some(schedules)) => schedules.client.prepare(),
            _ => self.rules.client.prepare(),
        }
    }

    pub fn settings(&self) -> &ScheduleSettings {
        &self.settings
    }

    /// Sends an envelope to a queue, which delivers it after `delay_seconds`, 0 to 900. Uses the SDK's retries: a message that is sent
    /// twice is a second delivery, which cannot claim the request.
    async fn send(&self, envelope: &str, delay_seconds: i32, queue_url: &str) -> Result<(), ScheduleError> {
        let call = self.queue.send_message().queue_url(queue_url).message_body(envelope).delay_seconds(delay_seconds);
        call.send().await.map(drop).map_err(|error| AwsError::of("SendMessage", &error).into())
    }

    /// Returns a page of the rules whose names begin with the prefix; `limit` is 1 to 100. The page may
    /// contain managed rules and rules of other deployments.
    pub async fn list_rules(&self, next_token: Option<&str>, limit: i32) -> Result<RulePage, ScheduleError> {
        self.rules.list(&self.settings.prefix, next_token, limit).await
    }

    /// Returns name and expression of every rule whose name begins with the prefix and that no AWS service manages. A bus
    /// holds 300 rules by default.
    pub async fn rules(&self) -> Result<Vec<(String, String)>, ScheduleError> {
        let (mut rules, mut token) = (Vec::new(), None);
        loop {
            let page = self.list_rules(token.as_deref(), PAGE).await?;
            let own = page.listed.into_iter().filter(|rule| rule.managed_by.is_none());
            rules.extend(own.map(|rule| (rule.name, rule.schedule_expression)));
            token = page.next_token;
            if token.is_none() {
                return Ok(rules);
            }
        }
    }

    /// Returns the request that a rule's name identifies; `None` for a name of another form.
    pub fn id_of(&self, name: &str) -> Option<postdate_core::id::CorrelationId> {
        name::id_of(name, &self.settings.prefix)
    }

    fn schedules(&self) -> Result<&OneTimeSchedules, ScheduleError> {
        let missing =
            "the request has a one-time schedule, and this deployment knows no EventBridge Scheduler: set POSTDATE_SCHEDULER_ROLE_ARN";
        self.one_time_schedules.as_ref().ok_or_else(|| ScheduleError::Failed(missing.to_owned()))
    }

    async fn put(
        &self,
        request: &Request,
        kind: ScheduleKind,
        name: &str,
        minute: DateTime<Utc>,
        target: Option<&Target>,
        aim: &Aim<'_>,
    ) -> Result<(), ScheduleError> {
        limits::check_name(name, &self.settings.prefix)?;
        let about = format!("Postdate: {}, request {}, due {}", request.use_case, request.id, rfc3339(request.due_at));
        if kind != ScheduleKind::Rule {
            // The token contains the current time, not the due time: otherwise, moving a request away and back would look like a
            // repetition of the first call.
            let now = (self.now)().timestamp_millis();
            let token = format!("{}-{}-{now}", request.id, request.claim());
            return self.schedules()?.put(name, minute, &about, aim, kind == ScheduleKind::KeptSchedule, &token).await;
        }
        let Some(full) = self.rules.put(name, minute, &about, aim).await? else { return Ok(()) };
        // Only a new rule is refused for want of room. One that is there already, of a repeated or moved request, would send its event
        // beside the schedule's; a host runs the request once, but a direct target would get both.
        let is_busy = full.is_throttled();
        let may_both_send = is_busy && target.is_some_and(Target::is_direct);
        match self.kinds.instead_of_rule(target, &self.settings, is_busy, (self.now)()).filter(|_| !may_both_send) {
            Some(instead) => Err(ScheduleError::NoRoom { message: full.to_string(), instead }),
            None => Err(full.into()),
        }
    }

    /// Deletes the schedule that the request had before a move, if it has another name now. A schedule that is left does no harm: its
    /// envelope is early or late, and the claim decides.
    async fn drop_replaced(&self, before: Option<&Request>, name: &str) {
        let replaced = before.filter(|before| before.schedule != Some(ScheduleKind::Rule));
        for old in replaced.iter().flat_map(|before| self.names_of(before)) {
            if old != name
                && self.is_schedule(&old)
                && let Err(error) = self.clean_rule(&old).await
            {
                tracing::warn!(schedule = old, %error, "cannot delete the schedule of a request that was moved");
            }
        }
    }

    fn is_schedule(&self, name: &str) -> bool {
        name::parse(name, &self.settings.prefix).is_some_and(|name| name.is_schedule)
    }

    /// Returns the names that the request's rule or schedule may have.
    fn names_of(&self, request: &Request) -> Vec<String> {
        let (prefix, use_case, id) = (&self.settings.prefix, &request.use_case, request.id);
        if let Some(kind) = request.schedule {
            return vec![name::of(kind, prefix, request)];
        }
        let rule = || name::of_rule(prefix, use_case, id);
        let earlier = || name::of_earlier_schedule(prefix, use_case, id, request.claim());
        match &self.settings.backend {
            Backend::Rules(_) => vec![rule()],
            Backend::Schedules(_) => vec![earlier()],
            Backend::Auto(_) => vec![rule(), earlier()],
        }
    }
}

impl Scheduler for AwsScheduler {
    fn serves(&self, target: &Target) -> Result<(), String> {
        reach::check(target, &self.settings)?;
        self.kinds.reaching(target, &self.settings, (self.now)()).map(drop)
    }

    fn plan(&self, new: &NewRequest, target: &Target) -> Result<Option<ScheduleKind>, BodyTooLarge> {
        let message = for_messages(&new.body);
        limits::check_body(target, &new.request, if is_called(target) { &new.body } else { &message })?;
        // `serves` has refused a target that no kind reaches.
        let reaching = self.kinds.reaching(target, &self.settings, (self.now)()).unwrap_or_default();
        let mut too_large = None;
        for kind in reaching {
            match limits::check_input(kind, target, &message) {
                Ok(()) => return Ok(Some(kind)),
                Err(error) => too_large = Some(error),
            }
        }
        too_large.map_or(Ok(None), Err)
    }

    async fn schedule(&self, arming: Arming<'_>) -> Result<(), ScheduleError> {
        let Arming { request, target, before, body: _ } = arming;
        let now = (self.now)();
        let kind = match (request.schedule, target) {
            (Some(kind), _) => kind,
            (None, Some(target)) => {
                let reaching = self.kinds.reaching(target, &self.settings, now).map_err(ScheduleError::Failed)?;
                reaching.first().copied().unwrap_or(ScheduleKind::Rule)
            }
            (None, None) => self.kinds.of_host(now),
        };
        let name = name::of(kind, &self.settings.prefix, request);
        if let Some((direct, aws)) = target.and_then(|target| Some((target, target.aws().filter(|aws| aws.direct)?))) {
            self.serves(direct).map_err(ScheduleError::Failed)?;
            if request.due_at <= now + HANDED_OVER && self.was_sent(request, now).await? {
                return Ok(());
            }
            let Route::At(minute) = Route::of(request.due_at, now, false, true) else {
                return Err(ScheduleError::Failed("a direct target cannot be reached by the delay queue".to_owned()));
            };
            let aim = Aim::direct(&self.settings, &arming, direct, aws)?;
            return self.put(request, kind, &name, minute, target, &aim).await;
        }
        let (host, queue_url) = reach::host_of(target, &self.settings).map_err(ScheduleError::Failed)?;
        match (Route::of(request.due_at, now, queue_url.is_some(), false), queue_url) {
            (Route::Queue { delay_seconds }, Some(queue_url)) => {
                // The envelope names the earlier rule, which is deleted when the request ends. Schedules delete themselves.
                let rule = (may_have_rule(request) && !self.is_schedule(&name)).then(|| name.clone());
                let envelope = Envelope::of(request, rule);
                self.send(&envelope.to_json(arming.body), delay_seconds, queue_url).await?;
            }
            (Route::At(minute), _) => {
                let envelope = Envelope::of(request, Some(name.clone())).to_json(arming.body);
                self.put(request, kind, &name, minute, target, &Aim::at_host(&self.settings, host, envelope)?).await?;
            }
            (Route::Queue { .. }, None) => {
                return Err(ScheduleError::Failed(
                    "the target host has no delay queue; set POSTDATE_QUEUE_URL, or queueUrl in POSTDATE_HOSTS".to_owned(),
                ));
            }
        }
        self.drop_replaced(before, &name).await;
        Ok(())
    }

    /// Without a queue, a message cannot come earlier than the rule that a request has already.
    fn resumed(&self) -> Option<TimeDelta> {
        self.settings.queue_url.as_ref().map(|_| FRESH + TimeDelta::seconds(1))
    }

    async fn unschedule(&self, request: &Request) -> Result<(), ScheduleError> {
        let cleaned = tokio::time::timeout(LONGEST_UNDO, async {
            for name in self.names_of(request) {
                self.clean_rule(&name).await?;
            }
            Ok::<_, ScheduleError>(())
        });
        let late = || Err(ScheduleError::Unavailable { message: "no answer in time".to_owned(), retry_after: None });
        cleaned.await.unwrap_or_else(|_| late())
    }
}

impl Timing for AwsScheduler {
    /// Uses this host's own delay queue, whose longest delay is 15 minutes. The message arrives up to one second before `due`.
    async fn park(&self, envelope: &Envelope, due: DateTime<Utc>, now: DateTime<Utc>) -> Result<bool, ScheduleError> {
        let (Some(queue_url), Some(delay_seconds)) = (&self.settings.queue_url, route::delay_seconds(due, now)) else { return Ok(false) };
        self.send(&envelope.to_json(envelope.body()), delay_seconds, queue_url).await?;
        Ok(true)
    }

    fn parks(&self) -> bool {
        self.settings.queue_url.is_some()
    }

    /// A rule and a kept schedule are still there after they have fired. One from before a retry by hand does not count.
    async fn was_sent(&self, request: &Request, now: DateTime<Utc>) -> Result<bool, ScheduleError> {
        let is_of_this_time = |minute| request.claim() == 0 || minute >= request.due_at;
        for name in self.names_of(request) {
            let minute = if self.is_schedule(&name) { self.schedules()?.minute(&name).await? } else { self.rules.minute(&name).await? };
            if minute.is_some_and(|minute| minute <= now + HANDED_OVER && is_of_this_time(minute)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deletes the rule or the one-time schedule with this name; idempotent. Fails if the name is not one of this deployment's.
    async fn clean_rule(&self, name: &str) -> Result<(), ScheduleError> {
        limits::check_name(name, &self.settings.prefix)?;
        if self.is_schedule(name) { self.schedules()?.delete(name).await } else { self.rules.delete(name).await }
    }

    async fn left_rules(&self) -> Result<Vec<LeftRule>, ScheduleError> {
        let rule = |(name, expression): (String, String)| LeftRule { id: self.id_of(&name), at: cron::parse_cron(&expression), name };
        Ok(self.rules().await?.into_iter().map(rule).collect())
    }
}

/// Returns true for a function that the host calls, with the body as it is. Other services get it as a message.
fn is_called(target: &Target) -> bool {
    matches!(target, Target::Lambda(_)) && !target.is_direct()
}

/// Returns true for a request that was moved or attempted before. A request that was moved away and back counts as not moved: its
/// orphaned rule is deleted when it fires.
fn may_have_rule(request: &Request) -> bool {
    request.claim() > 0 || request.trigger_at != request.first_trigger_at
}
