use super::*;

#[test]
fn the_bare_timer_is_never_early() {
    let lateness = bare_timer(Schedule { count: 10, span: Duration::from_millis(20) }).unwrap();
    assert_eq!(lateness.len(), 10);
    assert!(lateness.iter().all(|late| (0.0..1000.0).contains(late)), "{lateness:?}");
}
