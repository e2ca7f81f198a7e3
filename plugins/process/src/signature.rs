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
mod tests {
    use super::headers;

    #[test]
    fn signs_the_example_of_the_scheme() {
        // The example of the Svix and Standard Webhooks documents.
        let body = br#"{"test": 2432232314}"#;
        let signed = headers("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).unwrap();
        assert_eq!(signed[0].1, "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(signed[1].1, "1614265330");
        assert_eq!(signed[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_without_prefix_is_its_own_bytes() {
        // `secret` is `c2VjcmV0` in Base64.
        assert_eq!(headers("secret", "i", 1, b"{}"), headers("whsec_c2VjcmV0", "i", 1, b"{}"));
        assert_ne!(headers("secret", "i", 1, b"{}"), headers("secret", "i", 2, b"{}"));
    }

    #[test]
    fn a_secret_that_is_none_is_an_error_that_does_not_repeat_it() {
        assert_eq!(headers("whsec_%%%", "i", 1, b""), Err("what follows `whsec_` is not Base64"));
        assert_eq!(headers("", "i", 1, b""), Err("it is empty"));
    }
}
