//! Reads and checks pending rules, schedules and messages.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Driver, Due, Source};
use crate::fault_proxy::Recorded;
use crate::lawful;

impl Driver {
    /// Returns an event for each target of each rule that will fire.
    pub(super) async fn rules(&self) -> Vec<Due> {
        let mut all = Vec::new();
        for rule in self.aws.list_rules().await {
            let name = text(&rule, "Name");
            expect_lawful("PutRule", "events", &rule);
            let targets = self.aws.list_targets_by_rule(name).await;
            if targets.is_empty() {
                continue;
            }
            expect_lawful("PutTargets", "events", &json!({ "Rule": name, "Targets": targets }));
            let expression = text(&rule, "ScheduleExpression");
            let at = lawful::cron_time(expression).unwrap_or_else(|problem| panic!("{name}: {problem}"));
            if self.armed_at(name).is_some_and(|armed| armed >= at) {
                continue;
            }
            for target in targets {
                let key = format!("rule {name} {} {expression}", target["Id"]);
                all.push(due(Source::Rule, name, at, &target, key));
            }
        }
        all
    }

    /// Returns an event for each schedule of the group.
    pub(super) async fn schedules(&self) -> Vec<Due> {
        let group = &self.sources.group;
        let mut all = Vec::new();
        for name in self.aws.list_schedules(group).await {
            // The schedule may have been deleted since the list was read.
            let Some(mut schedule) = self.aws.get_schedule(group, &name).await else { continue };
            if schedule["ClientToken"].is_null() {
                // AWS does not return the token. The fault proxy has checked the call's token.
                schedule["ClientToken"] = json!("not-read-back");
            }
            expect_lawful("CreateSchedule", "scheduler", &schedule);
            let expression = text(&schedule, "ScheduleExpression");
            let at = lawful::at_time(expression).unwrap_or_else(|problem| panic!("{name}: {problem}"));
            all.push(due(Source::Schedule, &name, at, &schedule["Target"], format!("schedule {name} {expression}")));
        }
        all
    }

    /// Returns an event for each message that a Lambda sent to a delay queue. The messages come from the proxy's record:
    /// moto delays a message by the real clock.
    pub(super) fn messages(&self) -> Vec<Due> {
        let mut all = Vec::new();
        for call in self.proxy.calls("sqs", "SendMessage").iter().filter(|call| call.done()) {
            all.extend(self.message(call, &call.body, call.answer.as_ref().map(|(_, answer)| answer)));
        }
        for call in self.proxy.calls("sqs", "SendMessageBatch").iter().filter(|call| call.done()) {
            let sent = call.answer.as_ref().and_then(|(_, answer)| answer["Successful"].as_array());
            for sent in sent.into_iter().flatten() {
                let entries = call.body["Entries"].as_array().into_iter().flatten();
                for entry in entries.filter(|entry| entry["Id"] == sent["Id"]) {
                    all.extend(self.message(call, entry, Some(sent)));
                }
            }
        }
        all
    }

    fn message(&self, call: &Recorded, entry: &Value, sent: Option<&Value>) -> Option<Due> {
        let delay = entry["DelaySeconds"].as_i64().unwrap_or(0);
        let id = text(sent?, "MessageId").to_owned();
        // A body that is no JSON is delivered as text, so that the target can reject it.
        let body = entry["MessageBody"].as_str().unwrap_or_default();
        let event = serde_json::from_str(body).unwrap_or_else(|_| body.into());
        let at = call.at + TimeDelta::seconds(delay);
        let (queue, target) = self.queue_of(call)?;
        Some(Due { source: Source::Message, key: format!("message {id}"), name: id, at, target, event, deliveries: 0, queue })
    }

    /// Returns the delay queue of a message, and the function that reads it. `None` for any other queue.
    fn queue_of(&self, call: &Recorded) -> Option<(String, String)> {
        // Only the paths are compared: a URL may have the proxy's address or moto's.
        let path = |url: &str| url.splitn(4, '/').nth(3).map(str::to_owned);
        let to = path(call.body["QueueUrl"].as_str().unwrap_or_default());
        self.sources.queues.iter().find(|(queue, _)| path(queue) == to).cloned()
    }

    /// Returns the time at which a Lambda last put the rule or its targets. `None` for a rule that the test made.
    fn armed_at(&self, rule: &str) -> Option<DateTime<Utc>> {
        let put = |call: &Recorded| {
            call.done()
                && (call.is("events", "PutRule") && call.body["Name"] == rule
                    || call.is("events", "PutTargets") && call.body["Rule"] == rule)
        };
        self.proxy.records().into_iter().filter(|call| put(call)).map(|call| call.at).max()
    }
}

fn due(source: Source, name: &str, at: DateTime<Utc>, target: &Value, key: String) -> Due {
    let event = serde_json::from_str(text(target, "Input")).unwrap_or_default();
    Due { source, name: name.to_owned(), at, target: text(target, "Arn").to_owned(), event, deliveries: 0, key, queue: String::new() }
}

#[track_caller]
fn expect_lawful(action: &str, service: &str, body: &Value) {
    let problems = lawful::problems(service, action, body, None);
    assert!(problems.is_empty(), "AWS would refuse {action} for {problems:?}: {body}");
}

fn text<'a>(document: &'a Value, member: &str) -> &'a str {
    document[member].as_str().unwrap_or_default()
}
