//! The scheduler of AWS: rules of EventBridge, or schedules of EventBridge Scheduler, and a delay queue for what is near.
//!
//! Of each request there is at most one rule, and its name says whose it is: see [`name`]. What comes back is an
//! [`Envelope`]; whether the request then runs is for the ledger to say.

mod aim;
pub mod cron;
pub mod limits;
mod list;
pub mod name;
mod plan;
mod queue;
mod retry;
mod rules;
mod schedules;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::envelope::Envelope;
use postdate_core::ports::{Arming, ScheduleError, Scheduler};
use postdate_core::request::Request;
use postdate_core::time::rfc3339;
use postdate_core::use_case::Target;

pub use plan::{MAX_DELAY, Plan, plan};

use crate::clients::Lazy;
use crate::config::{Backend, HostAddress};
use crate::fault::{Class, Fault};
use crate::ports::{LeftRule, Timing};
use aim::{Aim, account_of, is_fifo};
use queue::DelayQueue;
use rules::Rules;
use schedules::Schedules;

/// How long a client is asked to wait where a quota is used up: rules end by the minute.
const FULL_RETRY_AFTER: Duration = Duration::from_mins(1);

/// A client waits for the answer meanwhile, and what is left then is the janitor's.
const LONGEST_UNDO: Duration = Duration::from_secs(6);

/// Rules in one page of a list (EventBridge, `ListRules`: 1 to 100).
const PAGE: i32 = 100;

/// Where requests are sent to, and how.
#[derive(Debug, Clone)]
pub struct ScheduleSettings {
    /// What all names begin with: 1 to 20 of `[A-Za-z0-9._-]`.
    pub prefix: String,
    /// The target host.
    pub target_arn: String,
    /// Its delay queue; without one, requests are fired on whole minutes.
    pub queue_url: Option<String>,
    /// Other target hosts, by the name that a use case's `host` has.
    pub hosts: BTreeMap<String, HostAddress>,
    pub backend: Backend,
    /// The queue of events that could not be delivered.
    pub dead_letter_arn: String,
    /// How long delivery of an event is tried: 60 s to 24 h.
    pub max_event_age: Duration,
}

/// A rule that a list tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    pub schedule_expression: String,
    /// The AWS service that made the rule, if one did.
    pub managed_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPage {
    pub listed: Vec<Listed>,
    /// Where the next page begins; none at the end.
    pub next_token: Option<String>,
}

/// Makes requests come back at their time, on AWS.
#[derive(Debug, Clone)]
pub struct AwsScheduler {
    settings: ScheduleSettings,
    rules: Rules,
    schedules: Option<Schedules>,
    queue: DelayQueue,
    now: fn() -> DateTime<Utc>,
    trace: Option<String>,
}

impl AwsScheduler {
    /// Calls nothing.
    pub fn new(
        settings: ScheduleSettings,
        eventbridge: Lazy<aws_sdk_eventbridge::Client>,
        scheduler: Lazy<aws_sdk_scheduler::Client>,
        sqs: Lazy<aws_sdk_sqs::Client>,
        now: fn() -> DateTime<Utc>,
    ) -> Self {
        let by_schedule = match &settings.backend {
            Backend::Rules => None,
            Backend::Schedules { group, role_arn } => Some(Schedules::new(scheduler, group, role_arn)),
        };
        Self { settings, rules: Rules::new(eventbridge), schedules: by_schedule, queue: DelayQueue::new(sqs), now, trace: None }
    }

    /// Makes the client that most requests need, before one does. Calls nothing.
    pub fn prepare(&self) {
        match &self.schedules {
            Some(schedules) => schedules.client.prepare(),
            None => self.rules.client.prepare(),
        }
    }

    pub fn settings(&self) -> &ScheduleSettings {
        &self.settings
    }

    /// The same, for one call: what it schedules carries this X-Ray trace header.
    #[must_use]
    pub fn with_trace(&self, trace: Option<String>) -> Self {
        Self { trace, ..self.clone() }
    }

    /// A page of this deployment's rules; `limit` is 1 to 100. Managed rules and rules of others may be among them.
    pub async fn list_rules(&self, next_token: Option<&str>, limit: i32) -> Result<ListedPage, ScheduleError> {
        self.rules.list(&self.settings.prefix, next_token, limit).await
    }

    /// All of this deployment's rules that no AWS service manages: name and expression. A bus has 300 by default.
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

    /// The request that a name is of; none where it only looks like ours.
    pub fn id_of(&self, name: &str) -> Option<postdate_core::id::CorrelationId> {
        name::id_of(name, &self.settings.prefix)
    }

    fn name_of(&self, request: &Request) -> String {
        let prefix = &self.settings.prefix;
        match &self.schedules {
            Some(_) => name::of_schedule(prefix, &request.use_case, request.id, request.claim()),
            None => name::of_rule(prefix, &request.use_case, request.id),
        }
    }

    /// ARN and queue of the host that runs a target; of the default one where the target is not known any more.
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
        match &self.schedules {
            None => self.rules.put(name, minute, &about, aim).await,
            Some(schedules) => {
                // Not of the time that it is for: moved away and back, it would be taken for a repetition, and not made.
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
        let rules = self.schedules.is_none();
        match target {
            Target::Sns(_) if is_fifo(&aws.arn) => Err("EventBridge does not reach FIFO topics: leave out `direct`".to_owned()),
            // "Input … not available with PutTargets if the target is an event bus of a different account": it would
            // get the rule's own event in place of the body.
            Target::EventBus(_) if rules && account_of(&aws.arn) != account_of(&self.settings.target_arn) => {
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
            let Plan::At(minute) = plan(request.due_at, now, false, true) else {
                return Err(ScheduleError::Failed("a direct target has no queue".to_owned()));
            };
            return self.put(request, &name, minute, &Aim::direct(&self.settings, &arming, target, aws)?).await;
        }
        let (host, queue_url) = self.host_of(target)?;
        match (plan(request.due_at, now, queue_url.is_some(), false), queue_url) {
            (Plan::Queue { delay_seconds }, Some(queue_url)) => {
                // A rule from before goes when the request ends.
                let rule = may_have_rule(request).then_some(name);
                let envelope = Envelope::of(request, rule, self.trace.clone());
                self.queue.park(&envelope.to_json(body), delay_seconds, queue_url).await
            }
            (Plan::At(minute), _) => {
                let envelope = Envelope::of(request, Some(name.clone()), self.trace.clone()).to_json(body);
                self.put(request, &name, minute, &Aim::at_host(&self.settings, host, envelope)?).await
            }
            (Plan::Queue { .. }, None) => Err(ScheduleError::Failed("there is no delay queue".to_owned())),
        }
    }

    async fn unschedule(&self, request: &Request) -> Result<(), ScheduleError> {
        let name = self.name_of(request);
        let cleaned = tokio::time::timeout(LONGEST_UNDO, self.clean_rule(&name)).await;
        cleaned.unwrap_or_else(|_| Err(ScheduleError::Unavailable { message: "no answer in time".to_owned(), retry_after: None }))
    }
}

impl Timing for AwsScheduler {
    /// Has the envelope delivered to this host again at `due`, from its delay queue; false where there is no queue, or
    /// `due` is more than fifteen minutes away. It appears up to a second early, never more.
    async fn park(&self, envelope: &Envelope, due: DateTime<Utc>, now: DateTime<Utc>) -> Result<bool, ScheduleError> {
        let (Some(queue_url), Some(delay_seconds)) = (&self.settings.queue_url, plan::delay_seconds(due, now)) else { return Ok(false) };
        self.queue.park(&envelope.to_json(envelope.body()), delay_seconds, queue_url).await?;
        Ok(true)
    }

    /// Deletes the rule or the schedule of that name, whichever it names; one that is not there is deleted already. A
    /// name that is not of this deployment's form is an error.
    async fn clean_rule(&self, name: &str) -> Result<(), ScheduleError> {
        limits::check_name(name, &self.settings.prefix)?;
        let is_schedule = name::parse(name, &self.settings.prefix).is_some_and(|name| name.attempts.is_some());
        match &self.schedules {
            Some(schedules) if is_schedule => schedules.delete(name).await,
            None if is_schedule => Err(ScheduleError::Failed(format!(
                "{name:?} is a schedule, and this deployment makes rules: set POSTDATE_SCHEDULER to scheduler until the last one has fired"
            ))),
            _ => self.rules.delete(name).await,
        }
    }

    async fn left_rules(&self) -> Result<Vec<LeftRule>, ScheduleError> {
        let rule = |(name, expression): (String, String)| LeftRule { id: self.id_of(&name), at: cron::parse_cron(&expression), name };
        Ok(self.rules().await?.into_iter().map(rule).collect())
    }
}

/// Moved, or tried before. One that was moved away and back again counts as never moved: what is left over then is
/// deleted when it fires.
fn may_have_rule(request: &Request) -> bool {
    request.claim() > 0 || request.trigger_at != request.first_trigger_at
}

fn schedule_error(fault: &Fault) -> ScheduleError {
    let message = fault.to_string();
    match fault.class {
        Class::Again | Class::Later => ScheduleError::Unavailable { message, retry_after: None },
        Class::Full => ScheduleError::Unavailable { message, retry_after: Some(FULL_RETRY_AFTER) },
        Class::Missing | Class::Refused => ScheduleError::Failed(message),
    }
}
