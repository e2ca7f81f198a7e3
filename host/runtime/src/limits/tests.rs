use super::*;

#[test]
fn the_memory_limit_is_for_all_memories_together() {
    let mut limits = CallLimits::new(100);
    assert!(limits.memory_growing(0, 60, None).unwrap());
    assert!(limits.memory_growing(0, 40, None).unwrap());
    assert_eq!(limits.refused(), None);
    assert!(!limits.memory_growing(40, 41, None).unwrap());
    assert_eq!(limits.refused(), Some(&Stopped::Memory(100)));
    assert_eq!(limits.peak(), 100);
}

#[test]
fn the_first_limit_that_a_guest_reached_is_reported() {
    let mut limits = CallLimits::new(100);
    assert!(!limits.table_growing(0, TABLE_ELEMENTS + 1, None).unwrap());
    assert!(!limits.memory_growing(0, 101, None).unwrap());
    assert_eq!(limits.refused().map(Stopped::code), Some("limit"));
}

#[test]
fn tables_count_as_memory() {
    let mut limits = CallLimits::new(100);
    assert!(limits.memory_growing(0, 20, None).unwrap());
    assert!(limits.table_growing(0, 10, None).unwrap());
    assert!(!limits.table_growing(10, 11, None).unwrap());
    assert_eq!((limits.refused(), limits.peak()), (Some(&Stopped::Memory(100)), 100));
}
