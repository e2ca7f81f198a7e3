use std::collections::BTreeMap;
use std::time::Duration;

use postdate_core::testing::moment;
use postdate_core::use_case::UseCase;

use super::*;
use crate::config::ScheduleService;

fn settings(backend: Backend) -> ScheduleSettings {
    ScheduleSettings {
        prefix: "postdate-".to_owned(),
        target_arn: "arn:aws:lambda:eu-west-1:123456789012:function:postdate-target:live".to_owned(),
        queue_url: None,
        hosts: BTreeMap::new(),
        delivery_targets: Vec::new(),
        backend,
        dead_letter_arn: "arn:aws:sqs:eu-west-1:123456789012:dead".to_owned(),
        max_event_age: Duration::from_hours(1),
    }
}

fn target(kind: &str, arn: &str) -> Target {
    let role = if kind == "sqs" || kind == "sns" { "" } else { r#", role = "arn:aws:iam::123456789012:role/postdate-direct-x""# };
    of_manifest(&format!("kind = \"{kind}\", direct = true{role}, arn = \"{arn}\""))
}

fn of_manifest(keys: &str) -> Target {
    UseCase::parse_stored(&format!("name = \"orders\"\n[targets]\nit = {{ {keys} }}\n")).unwrap().targets.get("it").unwrap().1.clone()
}

#[test]
fn each_backend_has_its_kinds_and_a_full_bus_changes_the_order_for_minutes() {
    let service = || ScheduleService { group: "postdate".to_owned(), role_arn: "role".to_owned() };
    let queue = target("sqs", "arn:aws:sqs:eu-west-1:123456789012:q");
    let here = Target::Plugin { host: None };
    for (backend, host, direct, full_host, full_direct, instead) in [
        (Backend::Rules(None), Rule, vec![Rule], Rule, vec![Rule], None),
        (Backend::Schedules(service()), Schedule, vec![KeptSchedule], Schedule, vec![KeptSchedule], Some(Schedule)),
        (Backend::Auto(service()), Rule, vec![Rule, KeptSchedule], Schedule, vec![KeptSchedule, Rule], Some(Schedule)),
    ] {
        let (kinds, settings) = (Kinds::of(&backend), settings(backend.clone()));
        let now = moment();
        let seen = |now| (kinds.of_host(now), kinds.reaching(&queue, &settings, now).unwrap());
        assert_eq!(seen(now), (host, direct.clone()), "{backend:?}");
        // A clone knows that the bus is full, and forgets it after five minutes.
        assert_eq!(kinds.clone().instead_of_rule(Some(&here), &settings, false, now), instead, "{backend:?}");
        assert_eq!(seen(now + TimeDelta::seconds(299)), (full_host, full_direct.clone()), "{backend:?}");
        assert_eq!(seen(now + TimeDelta::seconds(300)), (host, direct.clone()), "{backend:?}");
        let busy = now + TimeDelta::seconds(400);
        assert_eq!(kinds.instead_of_rule(Some(&here), &settings, true, busy), instead, "{backend:?}");
        assert_eq!(seen(busy + TimeDelta::seconds(9)), (full_host, full_direct), "{backend:?}");
        assert_eq!(seen(busy + TimeDelta::seconds(10)), (host, direct), "{backend:?}");
    }
}

#[test]
fn a_target_that_one_service_cannot_reach_goes_by_the_other_where_auto_allows_it() {
    let service = || ScheduleService { group: "postdate".to_owned(), role_arn: "role".to_owned() };
    let hook = target("api-destination", "arn:aws:events:eu-west-1:123456789012:api-destination/d/1");
    let foreign = target("event-bus", "arn:aws:events:eu-west-1:210987654321:event-bus/b");
    let own = target("event-bus", "arn:aws:events:eu-west-1:123456789012:event-bus/b");
    let fifo = target("sns", "arn:aws:sns:eu-west-1:123456789012:t.fifo");
    // The host delivers to a FIFO topic that is not direct, so only the host has to be reached.
    let by_host = of_manifest("kind = \"sns\", arn = \"arn:aws:sns:eu-west-1:123456789012:t.fifo\"");
    let kinds = |backend: Backend, target: &Target| Kinds::of(&backend).reaching(target, &settings(backend), moment());
    for (target, rules, schedules, auto) in [
        (&hook, Ok(vec![Rule]), Err(()), Ok(vec![Rule])),
        (&foreign, Err(()), Ok(vec![KeptSchedule]), Ok(vec![KeptSchedule])),
        (&own, Ok(vec![Rule]), Ok(vec![KeptSchedule]), Ok(vec![Rule, KeptSchedule])),
        (&fifo, Err(()), Err(()), Err(())),
        (&by_host, Ok(vec![Rule]), Ok(vec![Schedule]), Ok(vec![Rule])),
    ] {
        assert_eq!(kinds(Backend::Rules(None), target).map_err(drop), rules);
        assert_eq!(kinds(Backend::Schedules(service()), target).map_err(drop), schedules);
        assert_eq!(kinds(Backend::Auto(service()), target).map_err(drop), auto);
    }
    // A full bus leaves no way to an API destination.
    let auto = Backend::Auto(service());
    assert_eq!(Kinds::of(&auto).instead_of_rule(Some(&hook), &settings(auto), false, moment()), None);
}
