use super::*;
use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::testing::{moment, new_request, sample_id};

fn request(use_case: &str, trigger_at: DateTime<Utc>, attempts: u32) -> Request {
    Request { attempts, ..new_request(sample_id(1), use_case, trigger_at).request }
}

#[test]
fn every_use_case_and_prefix_makes_a_legal_name_that_parses_back() {
    let legal = |name: &str| name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    for prefix_length in 1..=MAX_PREFIX_CHARACTERS {
        let prefix = "Postdate._-prefix-01"[..prefix_length].to_owned();
        for length in 1..=32 {
            for letter in ["o", "-", "7"] {
                let use_case = letter.repeat(length);
                let id = sample_id(length as u64);
                let rule = of_rule(&prefix, &use_case, id);
                assert!(legal(&rule), "{rule}");
                assert_eq!(parse(&rule, &prefix), Some(Name { id, is_schedule: false }), "{rule}");
                assert_eq!(&rule[rule.len() - ID_CHARACTERS..], id.to_string());
                let earlier = [0, 1, 9_999, 99_999].map(|claims| of_earlier_schedule(&prefix, &use_case, id, claims));
                let of_times = [0, 1, i64::from(u32::MAX), 7_258_118_400].map(|seconds| {
                    let due = DateTime::from_timestamp(seconds, 0).unwrap();
                    of(ScheduleKind::Schedule, &prefix, &Request { id, ..request(&use_case, due, 3) })
                });
                for schedule in earlier.iter().chain(&of_times) {
                    assert!(legal(schedule), "{schedule}");
                    assert_eq!(parse(schedule, &prefix), Some(Name { id, is_schedule: true }), "{schedule}");
                }
            }
        }
    }
}

#[test]
fn a_schedule_has_another_name_after_a_move_and_after_a_claim_and_the_same_name_after_a_move_back() {
    let name =
        |minutes, attempts| of(ScheduleKind::Schedule, "postdate-", &request("orders", moment() + TimeDelta::minutes(minutes), attempts));
    let first = name(60, 0);
    assert_ne!(name(61, 0), first);
    assert_ne!(name(60, 1), first);
    assert_eq!(name(60, 0), first);
    let kept = |minutes| of(ScheduleKind::KeptSchedule, "postdate-", &request("orders", moment() + TimeDelta::minutes(minutes), 0));
    assert_eq!(kept(60), kept(600), "a kept schedule is changed in place");
    assert_ne!(kept(60), first);
}

#[test]
fn names_have_the_documented_form() {
    let id = sample_id(1);
    assert_eq!(of_rule("postdate-", "orders", id), format!("postdate-orders-{id}"));
    // 2027-01-01T00:00Z is minute 29,979,360 since 1970; one claim makes it 29,979,361.
    let minute = base_36(29_979_361);
    assert_eq!(of(ScheduleKind::Schedule, "postdate-", &request("orders", moment(), 1)), format!("postdate-orders-{id}-{minute}"));
    assert_eq!(of(ScheduleKind::KeptSchedule, "postdate-", &request("orders", moment(), 1)), format!("postdate-orders-{id}-0"));
    assert_eq!((base_36(0).as_str(), base_36(35).as_str(), base_36(36 * 36).as_str()), ("00000", "0000z", "00100"));
    let long = of_rule("postdate-", "a-use-case-with-a-very-long-name", id);
    assert_eq!(long, format!("postdate-a-use-case-with-a--{id}"));
}

#[test]
fn names_of_another_form_are_not_parsed() {
    let id = sample_id(1);
    for name in [
        format!("other-orders-{id}"),
        format!("postdate-{id}"),
        format!("postdate-orders{id}"),
        format!("postdate-orders-{}", id.to_string().to_uppercase()),
        format!("postdate-orders-{id}-x"),
        format!("postdate-orders-{id}-01"),
        format!("postdate-orders-{id}-ABCDE"),
        format!("postdate-orders-{id}-100000"),
        format!("postdate-orders-{id}-"),
        "postdate-".to_owned(),
        "postdate-janitor".to_owned(),
        "postdate-ärger-an-einem-langen-namen-mit-umlauten".to_owned(),
        String::new(),
    ] {
        assert_eq!(id_of(&name, "postdate-"), None, "{name}");
    }
}
