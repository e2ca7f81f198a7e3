use super::*;
use crate::step::root;

fn of(name: &str) -> Outcome {
    simulate(LOADS.iter().find(|load| load.name == name).expect("a load"))
}

#[test]
fn the_page_has_the_tables_that_the_simulation_prints() {
    let page = std::fs::read_to_string(root().join("docs/aws.md")).expect("docs/aws.md");
    let tables = tables();
    assert!(page.contains(&tables), "replace the tables in docs/aws.md by the output of `cargo xtask simulate`:\n{tables}");
}

#[test]
fn the_units_are_those_of_the_page() {
    let page = std::fs::read_to_string(root().join("docs/aws.md")).expect("docs/aws.md");
    let row = page.lines().find(|line| line.starts_with("| a body of 1 KB |")).expect("the row of the ledger's test");
    let cells: Vec<f64> = row.split('|').filter_map(|cell| cell.trim().parse().ok()).collect();
    assert_eq!(cells[3..], [WRITES_OF_A_LIFE, READS_OF_A_LIFE], "{row}");
}

#[test]
fn every_accepted_request_runs_once() {
    for load in LOADS.iter().filter(|load| load.pending.0 == 0) {
        let out = simulate(load);
        // Nothing accepted is due after the end, so each has run or is counted as left.
        assert_eq!(out.ran + out.left, out.accepted, "{}", load.name);
        assert_eq!(out.late.values().sum::<u64>(), out.ran, "{}", load.name);
    }
}

#[test]
fn a_hundred_a_second_are_on_time_with_the_default_quotas() {
    let out = of("100 a second");
    assert_eq!((out.lateness(1.0), out.left), (0, 0));
}

#[test]
fn ten_thousand_a_second_exceed_the_default_quotas() {
    let out = of("10,000 a second");
    assert!(out.refused * 10 > out.accepted && out.limits().contains(CREATES.name), "{}", out.limits());
}

#[test]
fn ten_thousand_a_second_are_late_by_seconds_with_raised_quotas() {
    let out = of("10,000 a second, raised quotas");
    assert_eq!((out.refused, out.left), (0, 0), "{}", out.limits());
    assert!(out.lateness(0.5) == 0 && out.lateness(1.0) <= 10, "{} s", out.lateness(1.0));
}

#[test]
fn a_new_table_carries_a_thousand_a_second_after_half_an_hour() {
    let out = of("1,000 a second, a new table");
    assert_eq!((out.refused, out.left), (0, 0));
    assert!(out.held[NEW_WRITES.name] > 0 && out.lateness(1.0) > 60, "{}", out.limits());
}

#[test]
fn ten_million_pending_requests_leave_no_schedule_for_most_others() {
    let out = of("100 a second, 10 M pending for 30 days");
    assert!(out.refused > 10 * out.accepted && out.limits() == SCHEDULES.name, "{}", out.limits());
}

/// A quota that the model lists without using it would be no limit of the table.
#[test]
fn each_quota_binds_if_it_is_low() {
    let load = |quotas| Load { has_new_table: true, quotas, ..Load::new("a test", 1_000.0) };
    let usual = simulate(&load(&[]));
    for quota in QUOTAS {
        let low: &'static [_] = Box::leak(Box::new([(quota, (quota.value / 10_000).max(1))]));
        let out = simulate(&load(low));
        // A bus without room holds nothing back: its requests get schedules.
        let binds = out.held.get(quota.name) > usual.held.get(quota.name) || out.by_rule < usual.by_rule;
        assert!(binds, "{}: {:?}", quota.name, out.held);
    }
}

#[test]
fn an_hour_without_functions_is_caught_up_within_the_next_hour() {
    let load = LOADS.iter().find(|load| !load.outage.is_empty()).expect("a load");
    let out = simulate(load);
    assert!(out.lateness(1.0) > HOUR, "the first of them waited for the whole hour");
    assert_eq!(out.left, 0);
    assert!(out.caught_up > load.outage.end && out.caught_up <= load.outage.end + HOUR, "caught up at {}", out.caught_up);
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let numbers = || {
        let mut random = Random(SEED);
        (0..5).map(|_| random.around(100.0)).collect::<Vec<_>>()
    };
    assert_eq!(numbers(), numbers());
    let mut random = Random(SEED);
    let mean = (0..10_000).map(|_| random.around(100.0)).sum::<u64>() as f64 / 10_000.0;
    assert!((mean - 100.0).abs() < 0.5, "{mean}");
}
