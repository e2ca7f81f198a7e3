//! EventBridge's rules and EventBridge Scheduler's schedules.

use hyper::Method;
use serde_json::{Value, json};

use super::{Aws, expect};

impl Aws {
    /// Returns all rules of the default bus, as `ListRules` shows them.
    pub async fn list_rules(&self) -> Vec<Value> {
        self.pages("events", "ListRules", json!({}), "Rules").await
    }

    pub async fn list_targets_by_rule(&self, rule: &str) -> Vec<Value> {
        self.pages("events", "ListTargetsByRule", json!({ "Rule": rule }), "Targets").await
    }

    /// Deletes a rule with its targets.
    pub async fn delete_rule(&self, name: &str) {
        let targets = self.list_targets_by_rule(name).await;
        let ids: Vec<&Value> = targets.iter().map(|target| &target["Id"]).collect();
        self.json("events", "RemoveTargets", &json!({ "Rule": name, "Ids": ids })).await;
        self.json("events", "DeleteRule", &json!({ "Name": name })).await;
    }

    pub async fn create_schedule_group(&self, name: &str) {
        let call = self.call("scheduler", Method::POST, &format!("/schedule-groups/{name}")).body("{}");
        expect("CreateScheduleGroup", self.send(call).await);
    }

    /// Returns the names of all schedules of a group.
    pub async fn list_schedules(&self, group: &str) -> Vec<String> {
        let call = self.call("scheduler", Method::GET, &format!("/schedules?ScheduleGroup={group}"));
        let answer: Value = serde_json::from_str(&expect("ListSchedules", self.send(call).await)).expect("JSON");
        let schedules = answer["Schedules"].as_array().map(Vec::as_slice).unwrap_or_default();
        schedules.iter().filter_map(|schedule| schedule["Name"].as_str().map(str::to_owned)).collect()
    }

    /// Returns the answer of `GetSchedule`, or `None` if there is no such schedule.
    pub async fn get_schedule(&self, group: &str, name: &str) -> Option<Value> {
        let call = self.call("scheduler", Method::GET, &format!("/schedules/{name}?groupName={group}"));
        self.send(call).await.ok().map(|answer| serde_json::from_str(&answer).expect("JSON"))
    }

    /// Deletes a schedule. Returns `false` if there is no such schedule.
    pub async fn delete_schedule(&self, group: &str, name: &str) -> bool {
        let call = self.call("scheduler", Method::DELETE, &format!("/schedules/{name}?groupName={group}"));
        self.send(call).await.is_ok()
    }
}
