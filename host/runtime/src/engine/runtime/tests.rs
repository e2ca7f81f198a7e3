use super::*;

#[test]
fn nothing_keeps_a_dropped_runtime_alive() {
    let runtime = Runtime::new(Options { slots: 1, ..Options::default() }).unwrap();
    let engine = runtime.inner.engine.weak();
    drop(runtime.clone());
    assert!(engine.upgrade().is_some());
    drop(runtime);
    // The clock holds the engine for a moment at each tick.
    let end = std::time::Instant::now() + Duration::from_secs(5);
    while engine.upgrade().is_some() {
        assert!(std::time::Instant::now() < end, "the deadline clock keeps the engine");
        std::thread::sleep(TICK);
    }
}

#[test]
fn a_runtime_needs_a_slot() {
    assert!(matches!(Runtime::new(Options { slots: 0, ..Options::default() }), Err(RuntimeError::NoSlots)));
}
