//! Checks the rules of targets with an ARN. The numbers are those of AWS's API references.

use super::{AwsTarget, ManifestError, TIMEOUTS, Target, UseCase, fault};
use crate::arn::{Arn, is_fifo};

/// Longest message group (SQS, `SendMessage`, and SNS, `Publish`: 128 letters, digits and punctuation marks).
const MAX_GROUP: usize = 128;
/// Longest source and detail type of an event, in characters (EventBridge Scheduler, `EventBridgeParameters`; the user guide of
/// EventBridge has the same limit of a detail type).
const MAX_SOURCE: usize = 256;
const MAX_DETAIL_TYPE: usize = 128;
/// Most subnets of a task (ECS, `AwsVpcConfiguration`).
const MAX_SUBNETS: usize = 16;

/// Fails if a call to a target's service would be refused whatever the body. Stored versions may have such targets.
pub fn check_services(use_case: &UseCase) -> Result<(), ManifestError> {
    for (alias, target) in use_case.targets.iter() {
        let Some(aws) = target.aws() else { continue };
        let key = |name: &str| format!("targets.{alias}.{name}");
        if aws.direct && matches!(target, Target::Sns(_)) && is_fifo(&aws.arn) {
            return fault(key("direct"), "EventBridge does not reach FIFO topics: leave out `direct`");
        }
        if let Some(group) = &aws.group {
            if !is_fifo(&aws.arn) {
                return fault(key("group"), "only a FIFO queue or topic has message groups: its name ends in .fifo");
            }
            if !(1..=MAX_GROUP).contains(&group.len()) || !group.chars().all(|c| c.is_ascii_graphic()) {
                return fault(key("group"), format!("must be 1 to {MAX_GROUP} letters, digits and punctuation marks of ASCII"));
            }
        }
        if let Some(source) = &aws.source {
            if !(1..=MAX_SOURCE).contains(&source.chars().count()) {
                return fault(key("source"), format!("must be 1 to {MAX_SOURCE} characters"));
            }
            if source.starts_with("aws.") {
                return fault(key("source"), "begins with \"aws.\", which is reserved for events of AWS");
            }
        }
        if aws.detail_type.as_ref().is_some_and(|text| !(1..=MAX_DETAIL_TYPE).contains(&text.chars().count())) {
            return fault(key("detail-type"), format!("must be 1 to {MAX_DETAIL_TYPE} characters"));
        }
        if aws.subnets.len() > MAX_SUBNETS {
            return fault(key("subnets"), format!("a task has at most {MAX_SUBNETS} subnets"));
        }
    }
    Ok(())
}

/// Checks that the ARN names the service of the target's kind, and that the target has all keys of its kind and no others.
pub fn check_aws(key: &str, target: &Target, aws: &AwsTarget) -> Result<(), ManifestError> {
    let service = match target {
        Target::Lambda(_) => "lambda",
        Target::Sqs(_) => "sqs",
        Target::Sns(_) => "sns",
        Target::StepFunctions(_) => "states",
        Target::Kinesis(_) => "kinesis",
        Target::EcsTask(_) => "ecs",
        _ => "events",
    };
    let kind = target.kind();
    check_arn(&format!("{key}.arn"), &aws.arn, service)?;
    if let Some(role) = &aws.role {
        check_arn(&format!("{key}.role"), role, "iam")?;
    }
    if !TIMEOUTS.contains(&aws.timeout) {
        return fault(format!("{key}.timeout"), "must be from 10ms to 15m");
    }
    let only_direct = matches!(target, Target::Kinesis(_) | Target::EcsTask(_) | Target::ApiDestination(_));
    if only_direct && !aws.direct {
        return fault(format!("{key}.direct"), format!("a target of the kind {kind} must be direct: add `direct = true`"));
    }
    let needs_role = only_direct || matches!(target, Target::StepFunctions(_) | Target::EventBus(_));
    if aws.direct && needs_role && aws.role.is_none() {
        return fault(format!("{key}.role"), format!("is missing: EventBridge needs a role to reach a target of the kind {kind}"));
    }
    if !aws.direct && aws.role.is_some() {
        return fault(format!("{key}.role"), "only a direct target takes a role: the host delivers to others with its own role");
    }
    let foreign = [
        ("group", aws.group.is_some(), matches!(target, Target::Sqs(_) | Target::Sns(_))),
        ("source", aws.source.is_some(), matches!(target, Target::EventBus(_)) && !aws.direct),
        ("detail-type", aws.detail_type.is_some(), matches!(target, Target::EventBus(_)) && !aws.direct),
        ("task-definition", aws.task_definition.is_some(), matches!(target, Target::EcsTask(_))),
        ("subnets", !aws.subnets.is_empty(), matches!(target, Target::EcsTask(_))),
    ];
    if let Some((name, ..)) = foreign.iter().find(|(_, given, taken)| *given && !taken) {
        let way = if aws.direct { "direct target" } else { "target" };
        return fault(format!("{key}.{name}"), format!("a {way} of the kind {kind} has no such key"));
    }
    if matches!(target, Target::EcsTask(_)) && aws.task_definition.is_none() {
        return fault(format!("{key}.task-definition"), "is missing: name the ARN of the task definition to run");
    }
    Ok(())
}

/// Checks an ARN of the form `arn:partition:service:region:account:resource`.
fn check_arn(key: &str, arn: &str, service: &str) -> Result<(), ManifestError> {
    let good = Arn::parse(arn).is_some_and(|arn| arn.service == service) && arn.len() <= 1600 && arn.chars().all(|c| c.is_ascii_graphic());
    if good {
        Ok(())
    } else {
        fault(key, format!("{arn:?} is not an ARN of the service {service}: \"arn:aws:{service}:region:account:name\""))
    }
}

#[cfg(test)]
mod tests;
