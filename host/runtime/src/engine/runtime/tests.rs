use super::*;

#[test]
fn a_dropped_runtime_frees_its_engine() {
    let runtime = Runtime::new(Options { slots: 1, ..Options::default() }).unwrap();
    let engine = runtime.inner.engine.weak();
    drop(runtime.clone());
    assert!(engine.upgrade().is_some());
    drop(runtime);
    // The deadline clock holds the engine briefly at each tick.
    let end = std::time::Instant::now() + Duration::from_secs(5);
    while engine.upgrade().is_some() {
        assert!(std::time::Instant::now() < end, "the deadline clock keeps the engine");
        std::thread::sleep(TICK);
    }
}

#[test]
fn a_runtime_without_slots_is_refused() {
    assert!(matches!(Runtime::new(Options { slots: 0, ..Options::default() }), Err(RuntimeError::NoSlots)));
}
