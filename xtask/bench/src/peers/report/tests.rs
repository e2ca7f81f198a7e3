use super::*;
use crate::schedule::Schedule;

/// Returns figures that differ for each system.
pub fn figures(name: &'static str, factor: f64) -> Figures {
    let settings = Settings { versions: format!("{name} 1.0"), settings: "defaults".to_owned() };
    Figures {
        accepts: vec![3000.0 * factor, 1000.0 * factor, 2000.0 * factor],
        latencies: vec![Duration::from_millis(4)],
        lateness: Some(Sample::new(name, vec![-1.0, 1.0, 9.0]).unwrap()),
        memory: Some(50_000_000),
        worker_memory: (factor < 1.0).then_some(70_000_000),
        ..Figures::new(name, settings)
    }
}

pub const NUMBERS: Numbers = Numbers {
    rounds: 3,
    turn: Duration::from_secs(8),
    warm_up: Duration::ZERO,
    pending: 200_000,
    schedule: Schedule { count: 20_000, span: Duration::from_secs(5) },
    lead: Duration::ZERO,
};

#[test]
fn the_table_has_a_column_for_each_system_and_the_median_of_the_rounds() {
    let text = table(&[figures("Ours", 1.0), figures("Theirs", 0.5)], NUMBERS, "2 cores", 0.5).unwrap();
    for line in [
        "2 cores, one fsync takes 0.50 ms",
        "- **Theirs**: Theirs 1.0; defaults.",
        "| | Ours | Theirs |",
        "|---|--:|--:|",
        "| accepted a second, 64 connections, 3 × 8 s | 2000 | 1000 |",
        "| lateness of 20000 due in 5 s, p50 | 1.00 ms | 1.00 ms |",
        "| started early | 1 | 1 |",
        "| memory of the server, 200000 pending | 50.0 MB | 50.0 MB |",
        "| and of the process with the handler | none needed | 70.0 MB |",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn a_system_without_a_measure_is_an_error() {
    let missing = Figures { lateness: None, ..figures("Ours", 1.0) };
    let error = table(&[missing], NUMBERS, "2 cores", 0.5).unwrap_err();
    assert_eq!(error.to_string(), "the lateness of Ours was not measured");
}
