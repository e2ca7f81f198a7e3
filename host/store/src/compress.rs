//! Machine code is kept compressed, and unpacked with a bound: what says that it becomes so many bytes becomes no more.

use std::io::{self, Read as _, Write};

/// Twice as fast to make as the next that is noticeably smaller; how fast it is unpacked does not depend on it.
const LEVEL: i32 = 9;

pub fn pack(content: &[u8]) -> io::Result<Vec<u8>> {
    zstd::encode_all(content, LEVEL)
}

/// Writes exactly `bytes` bytes to `to`; anything else is an error, and not much more than that is ever unpacked.
pub fn unpack(packed: &[u8], bytes: u64, to: &mut impl Write) -> io::Result<()> {
    let mut decoder = zstd::Decoder::with_buffer(packed)?.take(bytes.saturating_add(1));
    let written = io::copy(&mut decoder, to)?;
    if written != bytes {
        let more = if written > bytes { "more than" } else { "fewer than" };
        return Err(io::Error::other(format!("it unpacks to {more} the {bytes} bytes that it should have")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_and_nothing_larger() {
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
}
