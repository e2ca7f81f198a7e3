//! What there is under a prefix: the janitor's question, and nobody else's.

use postdate_core::ports::ScheduleError;

use super::retry::patiently;
use super::rules::Rules;
use super::schedules::Schedules;
use super::{Listed, ListedPage, schedule_error};
use crate::fault::Fault;

impl Rules {
    /// A page of the rules whose names begin so; `limit` is 1 to 100.
    pub async fn list(&self, prefix: &str, token: Option<&str>, limit: i32) -> Result<ListedPage, ScheduleError> {
        let call = || async {
            let call = self.client.list_rules().name_prefix(prefix).set_next_token(token.map(str::to_owned)).limit(limit);
            call.send().await.map_err(|error| Fault::of("ListRules", &error))
        };
        let page = patiently(call).await.map_err(|fault| schedule_error(&fault))?;
        let listed = page.rules().iter().map(|rule| Listed {
            name: rule.name().unwrap_or_default().to_owned(),
            schedule_expression: rule.schedule_expression().map(str::to_owned),
            managed_by: rule.managed_by().map(str::to_owned),
        });
        Ok(ListedPage { listed: listed.collect(), next_token: page.next_token().map(str::to_owned) })
    }
}

impl Schedules {
    /// A page of the schedules whose names begin so; `limit` is 1 to 100. Their times are not among what a list tells.
    pub async fn list(&self, prefix: &str, token: Option<&str>, limit: i32) -> Result<ListedPage, ScheduleError> {
        let call = || async {
            let call = self.client.list_schedules().group_name(&self.group).name_prefix(prefix);
            let call = call.set_next_token(token.map(str::to_owned)).max_results(limit);
            call.send().await.map_err(|error| Fault::of("ListSchedules", &error))
        };
        let page = patiently(call).await.map_err(|fault| schedule_error(&fault))?;
        let listed = page.schedules().iter().map(|schedule| Listed {
            name: schedule.name().unwrap_or_default().to_owned(),
            schedule_expression: None,
            managed_by: None,
        });
        Ok(ListedPage { listed: listed.collect(), next_token: page.next_token().map(str::to_owned) })
    }
}
