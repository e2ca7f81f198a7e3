//! The form of a body: its size, content type and content encoding, and the members of a small object.

use http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::{Map, Value};

use super::{ApiError, Code, MAX_BATCH_BYTES, MAX_BODY_BYTES, is_batch};
use crate::accept::Rejection;
use crate::json::parse_object;

/// Returns the limit of a body that is sent to this path, in bytes.
pub fn max_bytes(path: &str) -> usize {
    if is_batch(path) { MAX_BATCH_BYTES } else { MAX_BODY_BYTES }
}

/// Refuses a body that is larger than `limit` bytes, encoded, or not declared as JSON. The content type also keeps web pages of other
/// origins from posting here: browsers send `application/json` across origins only after a preflight. A call without a body needs no
/// content type.
pub fn check_body(headers: &HeaderMap, body: &[u8], limit: usize) -> Result<(), ApiError> {
    if body.len() > limit {
        return Err(ApiError::payload_too_large(limit));
    }
    if body.is_empty() {
        return Ok(());
    }
    check_encoding(headers)?;
    let is_json = |essence: &str| essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    check_type(headers, is_json, "\"content-type: application/json\" (with curl: --json)")
}

/// Refuses every content type that `is_right` does not accept, and none at all. `is_right` gets the type in lower case, without
/// parameters.
pub fn check_type(headers: &HeaderMap, is_right: impl Fn(&str) -> bool, right: &str) -> Result<(), ApiError> {
    let refuse = |detail| Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedMediaType, detail));
    if !headers.contains_key(header::CONTENT_TYPE) {
        return refuse(format!("the body has no content type: send {right}"));
    }
    for given in values(headers, header::CONTENT_TYPE) {
        let essence = given.split(';').next().unwrap_or_default().trim();
        if !is_right(essence) {
            return refuse(format!("the content type is {essence:?}: send {right}"));
        }
    }
    Ok(())
}

/// Refuses a compressed body. A validator and the ledger would otherwise see other bytes than the sender meant.
pub fn check_encoding(headers: &HeaderMap) -> Result<(), ApiError> {
    let encodings = values(headers, header::CONTENT_ENCODING).collect::<Vec<_>>().join(",");
    match encodings.split(',').map(str::trim).find(|coding| !["", "identity"].contains(coding)) {
        None => Ok(()),
        Some(coding) => {
            let detail = format!("the content encoding is {coding:?}: send the body as it is");
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedContentEncoding, detail)
                .with_header(header::ACCEPT_ENCODING, "identity"))
        }
    }
}

/// Returns all values of a header in lower case; the empty text for one that is not ASCII.
fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = String> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase())
}

/// Reads the members of a body, which may be absent. Fails for a member that is not among `known`.
pub fn members(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, ApiError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    let fields = parse_object(body).map_err(Rejection::Body)?;
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(other) => Err(malformed(other, &format!("{other:?} is unknown here; known are {}", known.join(", ")))),
        None => Ok(fields),
    }
}

/// Returns a member that is text; `None` if it is absent.
pub fn text_member<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ApiError> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(name, &format!("{name:?} must be text"))),
    }
}

/// Returns the error for a member that is unknown or not usable.
pub(super) fn malformed(name: &str, detail: &str) -> ApiError {
    let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::MemberMalformed, detail).with(|members| members.pointer = Some(pointer))
}
