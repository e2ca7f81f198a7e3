use super::*;

#[test]
fn resident_memory_is_read_from_proc() {
    assert_eq!(parse_resident("Name:\tpostdate\nVmRSS:\t    2048 kB\nThreads:\t3\n"), Some(2 << 20));
    assert_eq!(parse_resident("Name:\tpostdate\n"), None);
}
