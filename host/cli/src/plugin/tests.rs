use super::*;

#[test]
fn sizes_are_cut_to_one_decimal() {
    let sizes = [0, 1023, 1024, 1536, 0x10_0000 - 1, 0x10_0000, 0x19_0000].map(size_text);
    assert_eq!(sizes, ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "1023.9 KiB", "1.0 MiB", "1.5 MiB"]);
}
