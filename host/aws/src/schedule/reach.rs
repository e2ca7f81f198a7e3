//! Checks targets and hosts against those that the deployment allows.

use postdate_core::arn::{Arn, is_like};
use postdate_core::use_case::Target;

use super::ScheduleSettings;

/// Start of the names of target hosts' functions, after the prefix. The roles invoke no function of another name.
const HOST_FUNCTION: &str = "target";

/// Fails with the reason if a use case of this deployment may not have the target.
pub fn check(target: &Target, settings: &ScheduleSettings) -> Result<(), String> {
    if let Some(aws) = target.aws() {
        let allowed = settings.delivery_targets.iter().any(|pattern| is_like(&aws.arn, pattern));
        let reason = "its ARN is not among those that the deployment allows (DeliveryTargetArns, POSTDATE_DELIVERY_TARGETS)";
        return if allowed { Ok(()) } else { Err(reason.to_owned()) };
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
