//! The signature of Standard Webhooks, which lets a receiver detect requests that are forged, changed or replayed.
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Marks a secret whose rest is the key in Base64.
const PREFIX: &str = "whsec_";
/// Name of the signature's version. Some services show it before the secret.
const VERSION: &str = "v1,";

const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The key of a signature.
pub struct Key(Vec<u8>);

/// A secret is no key. The text does not contain the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    Empty,
    /// The text after `whsec_` is not Base64.
    NotBase64,
    /// Only almost the text of a secret: in quotes, or with another prefix.
    Misspelt,
    /// A key of the signature `v1a`, which is made with ed25519.
    Asymmetric,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the key is empty",
            Self::NotBase64 => "the text after `whsec_` is not Base64",
            Self::Misspelt => "it is neither `whsec_` with Base64, nor plain text: remove quotes, and write the prefix in lower case",
            Self::Asymmetric => "it is a key for ed25519, and signatures are made with HMAC-SHA256: use a secret that begins with `whsec_`",
        })
    }
}

impl std::error::Error for KeyError {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Parses a secret: `whsec_` and the key in Base64, or plain text, whose bytes are the key. Ignores white space around the secret, and
    /// `v1,` before `whsec_`. Base64 may lack its padding, and may have the alphabet for URLs.
    ///
    /// # Errors
    /// Fails if the key would be empty, or if the text is not what it seems to be: a signature with wrong bytes helps nobody.
    pub fn parse(secret: &str) -> Result<Self, KeyError> {
        let text = secret.trim();
        let encoded = text.strip_prefix(VERSION).unwrap_or(text).strip_prefix(PREFIX);
        let key = match encoded {
            // Base64 for URLs has `_`, so a second prefix would be taken for a part of the key.
            Some(encoded) if encoded.starts_with(PREFIX) => return Err(KeyError::Misspelt),
            Some(encoded) => LENIENT.decode(encoded.replace('-', "+").replace('_', "/")).map_err(|_| KeyError::NotBase64)?,
            None => plain(text)?,
        };
        if key.is_empty() { Err(KeyError::Empty) } else { Ok(Self(key)) }
    }

    fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        // HMAC takes keys of every length (RFC 2104).
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("{VERSION}{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Returns the bytes of a secret without a prefix. Refuses texts that were probably meant to have one.
fn plain(text: &str) -> Result<Vec<u8>, KeyError> {
    let lower = text.to_ascii_lowercase();
    if ["whsk_", "whpk_"].iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(KeyError::Asymmetric);
    }
    if lower.starts_with("whsec") || lower.starts_with(VERSION) || text.starts_with(['"', '\'', '`']) {
        return Err(KeyError::Misspelt);
    }
    Ok(text.as_bytes().to_vec())
}

/// Returns the three headers that sign a request with this id and body at `timestamp`, in Unix seconds. With several keys the signature
/// holds one value for each, so that a receiver can have either while a key is rotated.
pub fn headers(keys: &[Key], id: &str, timestamp: u64, body: &[u8]) -> [(&'static str, String); 3] {
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(id, timestamp, body)).collect();
    [("webhook-id", id.to_owned()), ("webhook-timestamp", timestamp.to_string()), ("webhook-signature", signatures.join(" "))]
}

#[cfg(test)]
mod tests;
