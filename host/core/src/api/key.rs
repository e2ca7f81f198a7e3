//! The optional API key: a bearer token (RFC 6750).

use http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};

use super::ApiError;

/// The key that callers must send. Only its SHA-256 is kept and compared, so that neither a log nor the time of a comparison reveals
/// the key.
#[derive(Clone)]
pub struct ApiKey([u8; 32]);

impl ApiKey {
    /// Trims white space. Returns `None` for an empty key, since an empty variable protects nothing.
    pub fn new(key: &str) -> Option<Self> {
        (!key.trim().is_empty()).then(|| Self(Sha256::digest(key.trim()).into()))
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let digest: Option<[u8; 32]> = token.map(|(_, token)| Sha256::digest(token.trim()).into());
        if digest == Some(self.0) {
            return Ok(());
        }
        let detail = if given.is_some() { "the API key is wrong" } else { "send the API key as \"Authorization: Bearer …\"" };
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).with_header(header::WWW_AUTHENTICATE, "Bearer"))
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(…)")
    }
}
