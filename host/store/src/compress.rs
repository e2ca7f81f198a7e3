//! Compresses machine code, and unpacks it up to a known size.

use std::io::{self, Read as _, Write};

/// Compression level. The next level with a clearly smaller result takes twice the time. The level does not change the speed of
/// unpacking.
const LEVEL: i32 = 9;

pub fn pack(content: &[u8]) -> io::Result<Vec<u8>> {
    zstd::encode_all(content, LEVEL)
}

/// Unpacks to `to`. Fails if the result does not have exactly `bytes` bytes. Never unpacks much more than that.
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
