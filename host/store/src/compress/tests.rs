use super::*;

#[test]
fn unpacking_returns_exactly_the_packed_bytes() {
    let content: Vec<u8> = (0..200_000_u32).flat_map(|n| (n / 100).to_le_bytes()).collect();
    let packed = pack(&content).unwrap();
    assert!(packed.len() < content.len() / 10);
    let mut unpacked = Vec::new();
    unpack(&packed, content.len() as u64, &mut unpacked).unwrap();
    assert_eq!(unpacked, content);
    for (bytes, said) in [(content.len() as u64 - 1, "more than"), (content.len() as u64 + 1, "fewer than")] {
        let mut unpacked = Vec::new();
        assert!(unpack(&packed, bytes, &mut unpacked).unwrap_err().to_string().contains(said));
        assert!(unpacked.len() as u64 <= bytes + 1);
    }
    assert!(unpack(&packed[..packed.len() / 2], content.len() as u64, &mut Vec::new()).is_err());
    assert!(unpack(b"not zstd at all", 10, &mut Vec::new()).is_err());
}
