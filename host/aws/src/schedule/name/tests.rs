use super::*;
use postdate_core::testing::sample_id;

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
                assert_eq!(parse(&rule, &prefix), Some(Name { id, attempts: None }), "{rule}");
                assert_eq!(&rule[rule.len() - ID_CHARACTERS..], id.to_string());
                for attempts in [0, 1, 10, 9_999, 99_999] {
                    let schedule = of_one_time_schedule(&prefix, &use_case, id, attempts);
                    assert!(legal(&schedule), "{schedule}");
                    assert_eq!(parse(&schedule, &prefix), Some(Name { id, attempts: Some(attempts) }), "{schedule}");
                }
            }
        }
    }
    let wrapped = of_one_time_schedule("Postdate._-prefix-01", "orders", sample_id(1), u32::MAX);
    assert!(legal(&wrapped) && parse(&wrapped, "Postdate._-prefix-01").is_some());
}

#[test]
fn names_have_the_documented_form() {
    let id = sample_id(1);
    assert_eq!(of_rule("postdate-", "orders", id), format!("postdate-orders-{id}"));
    assert_eq!(of_one_time_schedule("postdate-", "orders", id, 2), format!("postdate-orders-{id}-2"));
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
