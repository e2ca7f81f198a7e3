//! The core's port `Scheduler` on AWS: rules of EventBridge or one-time schedules of EventBridge Scheduler, and a delay queue
//! for times that are near.
//!
//! The port *schedules* a request. A *rule* belongs to EventBridge, a *one-time schedule* to the service EventBridge Scheduler. The
//! [`Route`] selects one of them, or the queue, to deliver the request's [`Envelope`]. A request has at most one rule, whose
//! [`name`] identifies the request. The ledger decides whether a delivered request runs.

mod aim;
pub mod cron;
pub mod limits;
pub mod name;
mod one_time_schedules;
mod route;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::arn::{Arn, is_fifo};
use postdate_core::envelope::Envelope;
use postdate_core::ports::{Arming, ScheduleError, Scheduler};
use postdate_core::request::Request;
use postdate_core::time::rfc3339;
use postdate_core::use_case::Target;

pub use rules::{ListedRule, RulePage};

use crate::aws_error::AwsError;
use crate::clients::Lazy;
use crate::config::{Backend, HostAddress};
use crate::ports::{LeftRule, Timing};
use aim::Aim;
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
        let one_time_schedules = match &settings.backend {
            Backend::Rules => None,
            Backend::OneTimeSchedules { group, role_arn } => Some(OneTimeSchedules::new(scheduler, group, role_arn)),
        };
        Self { settings, rules: Rules::new(eventbridge), one_time_schedules, queue: sqs, now }
    }

    /// Makes the client that most requests need. Makes no call.
    pub fn prepare(&self) {
        match &self.one_time_schedules {
            Some(schedules) => schedules.client.prepare(),
            None => self.rules.client.prepare(),
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

    fn name_of(&self, request: &Request) -> String {
        let prefix = &self.settings.prefix;
        match &self.one_time_schedules {
            Some(_) => name::of_one_time_schedule(prefix, &request.use_case, request.id, request.claim()),
            None => name::of_rule(prefix, &request.use_case, request.id),
        }
    }

    /// Returns ARN and queue of the host that runs a target. Returns the default host if the use case no longer has the target.
    fn host_of(&self, target: Option<&Target>) -> Result<(&str, Option<&str>), ScheduleError> {
        match target {
            Some(Target::Plugin { host: Some(host) }) => match self.settings.hosts.get(host) {
                Some(address) => Ok((&address.arn, address.queue_url.as_deref())),
                None => Err(ScheduleError::Failed(self.unknown_host(host))),
            },
            _ => Ok((&self.settings.target_arn, self.settings.queue_url.as_deref())),
        }
    }

    fn unknown_host(&self, host: &str) -> String {
        let known: Vec<&str> = self.settings.hosts.keys().map(String::as_str).collect();
        format!("there is no target host {host:?} in POSTDATE_HOSTS, which names: {}", known.join(", "))
    }

    async fn put(&self, request: &Request, name: &str, minute: DateTime<Utc>, aim: &Aim<'_>) -> Result<(), ScheduleError> {
        limits::check_name(name, &self.settings.prefix)?;
        let about = format!("Postdate: {}, request {}, due {}", request.use_case, request.id, rfc3339(request.due_at));
        match &self.one_time_schedules {
            None => self.rules.put(name, minute, &about, aim).await,
            Some(schedules) => {
                // The token contains the current time, not the due time: otherwise, moving a request away and back would look like a
                // repetition of the first call.
                let token = format!("{}-{}-{}", request.id, request.claim(), (self.now)().timestamp_millis());
                schedules.put(name, minute, &about, aim, &token).await
            }
        }
    }
}

impl Scheduler for AwsScheduler {
    fn serves(&self, target: &Target) -> Result<(), String> {
        if let Target::Plugin { host: Some(host) } = target
            && !self.settings.hosts.contains_key(host)
        {
            return Err(self.unknown_host(host));
        }
        let Some(aws) = target.aws().filter(|aws| aws.direct) else { return Ok(()) };
        let rules = self.one_time_schedules.is_none();
        match target {
            Target::Sns(_) if is_fifo(&aws.arn) => Err("EventBridge does not reach FIFO topics: leave out `direct`".to_owned()),
            // AWS: "Input … not available with PutTargets if the target is an event bus of a different account". The bus would
            // get the rule's own event instead of the body.
            Target::EventBus(_) if rules && account(&aws.arn) != account(&self.settings.target_arn) => {
                Err("a rule cannot give a body to an event bus of another account: leave out `direct`".to_owned())
            }
            Target::ApiDestination(_) if !rules => {
                Err("EventBridge Scheduler does not reach API destinations: use rules (POSTDATE_SCHEDULER)".to_owned())
            }
            _ => Ok(()),
        }
    }

    async fn schedule(&self, arming: Arming<'_>) -> Result<(), ScheduleError> {
        let Arming { request, target, body } = arming;
        let now = (self.now)();
        let name = self.name_of(request);
        if let Some((target, aws)) = target.and_then(|target| Some((target, target.aws().filter(|aws| aws.direct)?))) {
            self.serves(target).map_err(ScheduleError::Failed)?;
            let Route::At(minute) = Route::of(request.due_at, now, false, true) else {
                return Err(ScheduleError::Failed("a direct target cannot be reached by the delay queue".to_owned()));
            };
            return self.put(request, &name, minute, &Aim::direct(&self.settings, &arming, target, aws)?).await;
        }
        let (host, queue_url) = self.host_of(target)?;
        match (Route::of(request.due_at, now, queue_url.is_some(), false), queue_url) {
            (Route::Queue { delay_seconds }, Some(queue_url)) => {
                // The envelope names the earlier rule, which is deleted when the request ends.
                let rule = may_have_rule(request).then_some(name);
                let envelope = Envelope::of(request, rule);
                self.send(&envelope.to_json(body), delay_seconds, queue_url).await
            }
            (Route::At(minute), _) => {
                let envelope = Envelope::of(request, Some(name.clone())).to_json(body);
                self.put(request, &name, minute, &Aim::at_host(&self.settings, host, envelope)?).await
            }
            (Route::Queue { .. }, None) => Err(ScheduleError::Failed(
                "the target host has no delay queue; set POSTDATE_QUEUE_URL, or queueUrl in POSTDATE_HOSTS".to_owned(),
            )),
        }
    }

    async fn unschedule(&self, request: &Request) -> Result<(), ScheduleError> {
        let name = self.name_of(request);
        let cleaned = tokio::time::timeout(LONGEST_UNDO, self.clean_rule(&name)).await;
        cleaned.unwrap_or_else(|_| Err(ScheduleError::Unavailable { message: "no answer in time".to_owned(), retry_after: None }))
    }
}

impl Timing for AwsScheduler {
    /// Uses this host's own delay queue, whose longest delay is 15 minutes. The message arrives up to one second before `due`.
    async fn park(&self, envelope: &Envelope, due: DateTime<Utc>, now: DateTime<Utc>) -> Result<bool, ScheduleError> {
        let (Some(queue_url), Some(delay_seconds)) = (&self.settings.queue_url, route::delay_seconds(due, now)) else { return Ok(false) };
        self.send(&envelope.to_json(envelope.body()), delay_seconds, queue_url).await?;
        Ok(true)
    }

    /// Deletes the rule or the one-time schedule with this name; idempotent. Fails if the name is not one of this deployment's.
    async fn clean_rule(&self, name: &str) -> Result<(), ScheduleError> {
        limits::check_name(name, &self.settings.prefix)?;
        let is_schedule = name::parse(name, &self.settings.prefix).is_some_and(|name| name.attempts.is_some());
        match &self.one_time_schedules {
            Some(schedules) if is_schedule => schedules.delete(name).await,
            None if is_schedule => Err(ScheduleError::Failed(format!(
                "{name:?} is a one-time schedule, and this deployment makes rules: set POSTDATE_SCHEDULER to scheduler until the last one has fired"
            ))),
            _ => self.rules.delete(name).await,
        }
    }

    async fn left_rules(&self) -> Result<Vec<LeftRule>, ScheduleError> {
        let rule = |(name, expression): (String, String)| LeftRule { id: self.id_of(&name), at: cron::parse_cron(&expression), name };
        Ok(self.rules().await?.into_iter().map(rule).collect())
    }
}

/// Returns true for a request that was moved or attempted before. A request that was moved away and back counts as not moved: its
/// orphaned rule is deleted when it fires.
fn may_have_rule(request: &Request) -> bool {
    request.claim() > 0 || request.trigger_at != request.first_trigger_at
}

fn account(arn: &str) -> Option<&str> {
    Arn::parse(arn).map(|arn| arn.account)
}
