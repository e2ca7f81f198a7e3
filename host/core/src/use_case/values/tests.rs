use super::parse_memory;

#[test]
fn a_size_needs_a_binary_unit() {
    assert_eq!(parse_memory("32MiB"), Some(32 << 20));
    assert_eq!(parse_memory("512 KiB"), Some(512 << 10));
    for wrong in ["", "32", "32MB", "MiB", "-1MiB", "99999999999999999999GiB", "1.5GiB"] {
        assert_eq!(parse_memory(wrong), None, "{wrong}");
    }
}
