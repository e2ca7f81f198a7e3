use std::io::Write as _;

use super::*;

/// A size in bytes that several threads hash.
const LARGE_BYTES: usize = 24 << 20;

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn a_file_of_any_size_has_the_digest_of_its_bytes() {
    // From BLAKE3's specification: the digest of an empty file.
    assert_eq!(digest(b""), "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    let bytes: Vec<u8> = (0..u32::try_from(LARGE_BYTES / 4).unwrap()).flat_map(u32::to_le_bytes).collect();
    for length in [0, 1, 1_024, 1_025, 600_000, 2 << 20, (2 << 20) + 1, LARGE_BYTES] {
        assert_eq!(digest_of(&file(&bytes[..length])).unwrap(), digest(&bytes[..length]), "{length}");
    }
}

#[test]
fn the_open_file_is_hashed_after_its_name_points_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("code");
    std::fs::write(&path, "compiled").unwrap();
    let open = File::open(&path).unwrap();
    std::fs::write(dir.path().join("other"), "replaced").unwrap();
    std::fs::rename(dir.path().join("other"), &path).unwrap();
    assert_eq!(digest_of(&open).unwrap(), digest(b"compiled"));
}
