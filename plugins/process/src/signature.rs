//! The signature of Standard Webhooks, by which a receiver authenticates a request and detects a change or a replay.
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Returns the three headers for a request with this id and body at this time (Unix seconds).
///
/// `secret` is `whsec_` and the key in Base64, as in the specification; without the prefix, its bytes are the key.
///
/// # Errors
/// If the text after the prefix is not Base64, or the secret is empty. The error does not contain the secret.
pub fn headers(secret: &str, id: &str, timestamp: u64, body: &[u8]) -> Result<[(String, String); 3], &'static str> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| "the text after `whsec_` is not Base64")?,
        None => secret.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return Err("it is empty");
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| "it is no key for HMAC-SHA256")?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Ok([
        ("webhook-id".to_owned(), id.to_owned()),
        ("webhook-timestamp".to_owned(), timestamp.to_string()),
        ("webhook-signature".to_owned(), format!("v1,{signature}")),
    ])
}

#[cfg(test)]
mod tests;
