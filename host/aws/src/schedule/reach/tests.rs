use std::time::Duration;

use postdate_core::use_case::UseCase;

use super::*;
use crate::config::{Backend, HostAddress};

fn settings(delivery_targets: &[&str]) -> ScheduleSettings {
    let host = |name: &str| HostAddress { arn: format!("arn:aws:lambda:eu-west-1:123456789012:function:{name}"), queue_url: None };
    ScheduleSettings {
        prefix: "shop-".to_owned(),
        target_arn: "arn:aws:lambda:eu-west-1:123456789012:function:own".to_owned(),
        queue_url: None,
        hosts: [("big", "shop-target-big:live"), ("other", "reports"), ("near", "shop-processor"), ("same", "own")]
            .map(|(name, function)| (name.to_owned(), host(function)))
            .into(),
        delivery_targets: delivery_targets.iter().map(|&pattern| pattern.to_owned()).collect(),
        backend: Backend::Rules(None),
        dead_letter_arn: "arn:aws:sqs:eu-west-1:123456789012:dead".to_owned(),
        max_event_age: Duration::from_hours(1),
    }
}

#[test]
fn only_hosts_whose_functions_the_roles_may_invoke_are_reached() {
    let reached = |host: &str| check(&Target::Plugin { host: Some(host.to_owned()) }, &settings(&[]));
    assert_eq!(reached("big"), Ok(()));
    assert_eq!(reached("same"), Ok(()), "the default host has its own permission");
    assert_eq!(check(&Target::Plugin { host: None }, &settings(&[])), Ok(()));
    for (host, expected) in [("other", "shop-target"), ("near", "shop-target"), ("lost", "no target host \"lost\"")] {
        assert!(reached(host).unwrap_err().contains(expected), "{host}");
    }
}

#[test]
fn only_arns_of_the_deployments_list_are_targets_direct_or_not() {
    let queue = "arn:aws:sqs:eu-west-1:123456789012:orders";
    for direct in [true, false] {
        let manifest = format!("name = \"orders\"\n[targets]\nit = {{ kind = \"sqs\", direct = {direct}, arn = \"{queue}\" }}\n");
        let target = UseCase::parse(&manifest).unwrap().targets.get("it").unwrap().1.clone();
        for (list, allowed) in [
            (vec![], false),
            (vec!["arn:aws:sqs:eu-west-1:123456789012:orders-2"], false),
            (vec!["arn:aws:sns:*:*:*", "arn:aws:sqs:*:210987654321:*"], false),
            (vec!["arn:aws:sns:*:*:*", queue], true),
            (vec!["arn:aws:sqs:eu-west-1:123456789012:*"], true),
            (vec!["arn:aws:sqs:*:*:*"], true),
        ] {
            assert_eq!(check(&target, &settings(&list)).is_ok(), allowed, "{list:?} {direct}");
        }
    }
}

#[test]
fn only_roles_that_the_deployment_may_pass_are_roles_of_direct_targets() {
    let account = "arn:aws:iam::123456789012:role/";
    for (role, allowed) in [
        (format!("{account}shop-direct-flow"), true),
        (format!("{account}shop-flow"), false),
        (format!("{account}admin"), false),
        (format!("{account}team/shop-direct-flow"), false),
        ("arn:aws:iam::210987654321:role/shop-direct-flow".to_owned(), false),
    ] {
        let arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:flow";
        let manifest = format!(
            "name = \"orders\"\n[targets]\nit = {{ kind = \"step-functions\", direct = true, role = \"{role}\", arn = \"{arn}\" }}\n"
        );
        let target = UseCase::parse(&manifest).unwrap().targets.get("it").unwrap().1.clone();
        let checked = check(&target, &settings(&["arn:aws:states:*:*:*"]));
        assert_eq!(checked.is_ok(), allowed, "{role}");
        assert!(allowed || checked.unwrap_err().contains("\"shop-direct-\""), "{role}");
    }
}
