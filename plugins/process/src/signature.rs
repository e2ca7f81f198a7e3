//! The signature of Standard Webhooks: how a receiver knows who sent a request, and that nobody changed or replayed it.
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The three headers for a request with this id and body at this time (Unix seconds).
///
/// `secret` is `whsec_` and Base64, as the scheme has it; without the prefix its bytes are the key.
///
/// # Errors
/// Where the secret has the prefix and no Base64 behind it. The text does not repeat it.
pub fn headers(secret: &str, id: &str, timestamp: u64, body: &[u8]) -> Result<[(String, String); 3], &'static str> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| "what follows `whsec_` is not Base64")?,
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
