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
mod tests;
