//! Checks targets and hosts against those that the deployment allows.

use postdate_core::arn::{Arn, is_like};
use postdate_core::use_case::Target;

use super::ScheduleSettings;

/// Start of the names of target hosts' functions, after the prefix. The roles invoke no function of another name.
const HOST_FUNCTION: &str = "target";
/// Start of the names of roles for direct targets, after the prefix. The roles pass no role of another name (`iam:PassRole`).
const DIRECT_ROLE: &str = "direct-";

/// Fails with the reason if a use case of this deployment may not have the target.
pub fn check(target: &Target, settings: &ScheduleSettings) -> Result<(), String> {
    if let Some(aws) = target.aws() {
        let allowed = settings.delivery_targets.iter().any(|pattern| is_like(&aws.arn, pattern));
        if !allowed {
            return Err("its ARN is not among those that the deployment allows (DeliveryTargetArns, POSTDATE_DELIVERY_TARGETS)".to_owned());
        }
        return aws.role.as_deref().map_or(Ok(()), |role| check_role(role, settings));
    }
    let Target::Plugin { host: Some(host) } = target else { return Ok(()) };
    let (arn, _) = host_of(Some(target), settings)?;
    let start = format!("{}{HOST_FUNCTION}", settings.prefix);
    let function = Arn::parse(arn).and_then(|arn| arn.resource.strip_prefix("function:")).unwrap_or_default();
    if function.starts_with(&start) || arn == settings.target_arn {
        return Ok(());
    }
    Err(format!("the roles of the deployment invoke functions whose names begin with {start:?}, and the host {host:?} has another name"))
}

/// Fails with the reason if the deployment may not pass the role to EventBridge: it must have a name of the prefix, in the own account.
fn check_role(role: &str, settings: &ScheduleSettings) -> Result<(), String> {
    let start = format!("{}{DIRECT_ROLE}", settings.prefix);
    let account = Arn::parse(&settings.target_arn).map(|arn| arn.account);
    let ours =
        |arn: Arn<'_>| Some(arn.account) == account && arn.resource.strip_prefix("role/").is_some_and(|name| name.starts_with(&start));
    if Arn::parse(role).is_some_and(ours) {
        return Ok(());
    }
    Err(format!("the deployment passes roles of its account whose names begin with {start:?}, and the target has the role {role:?}"))
}

/// Returns ARN and queue of the host that runs a target. Returns the default host if the use case no longer has the target.
pub fn host_of<'a>(target: Option<&Target>, settings: &'a ScheduleSettings) -> Result<(&'a str, Option<&'a str>), String> {
    let Some(Target::Plugin { host: Some(host) }) = target else { return Ok((&settings.target_arn, settings.queue_url.as_deref())) };
    let Some(address) = settings.hosts.get(host) else {
        let known: Vec<&str> = settings.hosts.keys().map(String::as_str).collect();
        return Err(format!("there is no target host {host:?} in POSTDATE_HOSTS, which names: {}", known.join(", ")));
    };
    Ok((&address.arn, address.queue_url.as_deref()))
}

#[cfg(test)]
mod tests;
