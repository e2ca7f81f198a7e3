//! The signature of Standard Webhooks, which lets a receiver detect requests that are forged, changed or replayed.
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Returns the three headers that sign a request with this id and body at `timestamp`, in Unix seconds.
///
/// `secret` is `whsec_` followed by the key in Base64. Without the prefix, the bytes of `secret` are the key.
///
/// # Errors
/// Fails if the key is empty, or not Base64 after the prefix. The text does not contain the secret.
pub fn headers(secret: &str, id: &str, timestamp: u64, body: &[u8]) -> Result<[(String, String); 3], &'static str> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| "the text after `whsec_` is not Base64")?,
        None => secret.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return Err("the key is empty");
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| "the key does not fit HMAC-SHA256")?;
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
