use std::io::Write as _;

use super::*;

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn a_file_has_the_digest_of_its_bytes_however_many_parts_it_is_read_in() {
    // From the specification of BLAKE3: the digest of nothing.
    assert_eq!(digest(b""), "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    let bytes: Vec<u8> = (0..u32::try_from(3 * SMALL_BYTES).unwrap()).flat_map(u32::to_le_bytes).collect();
    let of = |length: u64| (digest_of(&file(&bytes), length).unwrap(), digest(&bytes[..usize::try_from(length).unwrap()]));
    for length in [0, 1, 1_024, 1_025, 600_000, SMALL_BYTES, SMALL_BYTES + 1, 2 * SMALL_BYTES, 4 * SMALL_BYTES + 1, 12 * SMALL_BYTES] {
        let (found, expected) = of(length);
        assert_eq!(found, expected, "{length}");
    }
}

#[test]
fn a_file_that_is_shorter_has_none() {
    for length in [10, 3 * SMALL_BYTES] {
        assert_eq!(digest_of(&file(b"123456789"), length).unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{length}");
    }
}
