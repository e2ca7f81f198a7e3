//! What there is under a prefix: the janitor's question, and nobody else's.

use aws_sdk_eventbridge::types::Rule;
use postdate_core::ports::ScheduleError;

use super::retry::patiently;
use super::rules::Rules;
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
        Ok(ListedPage { listed: page.rules().iter().map(listed).collect(), next_token: page.next_token().map(str::to_owned) })
    }
}

fn listed(rule: &Rule) -> Listed {
    Listed {
        name: rule.name().unwrap_or_default().to_owned(),
        schedule_expression: rule.schedule_expression().unwrap_or_default().to_owned(),
        managed_by: rule.managed_by().map(str::to_owned),
    }
}
