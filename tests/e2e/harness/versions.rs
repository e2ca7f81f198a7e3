//! Versions in a store, as if they had been there for long.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::text;

/// Times of this year in a document, as of a year that is long over.
pub fn aged(document: &str) -> String {
    let year = chrono::Utc::now().format("%Y").to_string();
    document.replace(&format!("\"{year}-"), "\"2001-")
}

/// A version's `bundle.json`, as if it had been pushed then. Nobody has signed that.
pub fn aged_statement(envelope: &str) -> String {
    let mut envelope: Value = serde_json::from_str(envelope).expect("an envelope");
    let payload = BASE64_STANDARD.decode(text(&envelope, "payload")).expect("its payload");
    let payload = String::from_utf8(payload).expect("a statement");
    envelope["payload"] = json!(BASE64_STANDARD.encode(aged(&payload)));
    envelope.to_string()
}
