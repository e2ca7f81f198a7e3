//! Signed documents (DSSE).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::{SecretKey, Trust};

/// Most signatures of an envelope.
const MAX_SIGNATURES: usize = 100;

/// An envelope is not accepted. Each text ends a sentence that begins with the document's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedEnvelopeError {
    #[error("is not a signed document: {0}")]
    Malformed(String),
    #[error("is a document of the type {found:?}, and not {expected:?}")]
    WrongType { found: String, expected: &'static str },
    #[error("is not signed, and this host loads only what is signed by a key that it trusts: push it with --key")]
    NotSigned,
    #[error(
        "is signed by {}, and this host trusts no such key: push it with a key that it trusts, or add the public key to POSTDATE_TRUSTED_KEYS",
        names(.0)
    )]
    NotTrusted(Vec<String>),
    #[error("has a signature of the trusted key {0} that does not fit what it says: it was changed after it was signed")]
    Forged(String),
}

/// A payload with its type and any number of signatures. The file is JSON, with the payload in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEnvelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signature {
    keyid: String,
    sig: String,
}

/// The JSON document of an envelope.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

impl SignedEnvelope {
    pub fn new(payload_type: &str, payload: Vec<u8>) -> Self {
        Self { payload_type: payload_type.to_owned(), payload, signatures: Vec::new() }
    }

    pub fn parse(document: &[u8]) -> Result<Self, SignedEnvelopeError> {
        let malformed = |reason: String| SignedEnvelopeError::Malformed(reason);
        let document: Document = serde_json::from_slice(document).map_err(|error| malformed(error.to_string()))?;
        if document.signatures.len() > MAX_SIGNATURES {
            return Err(malformed(format!("it has more than {MAX_SIGNATURES} signatures")));
        }
        let payload = BASE64_STANDARD.decode(document.payload).map_err(|_| malformed("its payload is not base64".into()))?;
        Ok(Self { payload_type: document.payload_type, payload, signatures: document.signatures })
    }

    /// Returns the text of the envelope's file.
    pub fn to_json(&self) -> String {
        let payload = BASE64_STANDARD.encode(&self.payload);
        let document = Document { payload_type: self.payload_type.clone(), payload, signatures: self.signatures.clone() };
        // A document has only strings, which JSON can always represent.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    /// Adds a signature. Replaces an earlier one of the same key.
    pub fn sign(&mut self, key: &SecretKey) {
        let keyid = key.public().id();
        self.signatures.retain(|signature| signature.keyid != keyid);
        let sig = BASE64_STANDARD.encode(key.sign(&signed_bytes(&self.payload_type, &self.payload)));
        self.signatures.push(Signature { keyid, sig });
    }

    /// Returns the ids of the keys in the signatures, which are not verified.
    pub fn signers(&self) -> Vec<String> {
        self.signatures.iter().map(|signature| signature.keyid.clone()).collect()
    }

    /// Returns the payload. Fails if it is of another type, or if no trusted key has signed it. Without trusted keys, ignores the
    /// signatures.
    pub fn open(&self, payload_type: &'static str, trust: &Trust) -> Result<&[u8], SignedEnvelopeError> {
        if self.payload_type != payload_type {
            return Err(SignedEnvelopeError::WrongType { found: self.payload_type.clone(), expected: payload_type });
        }
        if !trust.is_required() {
            return Ok(&self.payload);
        }
        if self.signatures.is_empty() {
            return Err(SignedEnvelopeError::NotSigned);
        }
        let message = signed_bytes(&self.payload_type, &self.payload);
        let mut forged = None;
        for key in trust.keys() {
            let id = key.id();
            for signature in self.signatures.iter().filter(|signature| signature.keyid == id) {
                let bytes = BASE64_STANDARD.decode(&signature.sig).unwrap_or_default();
                if key.verifies(&message, &bytes) {
                    return Ok(&self.payload);
                }
                forged = Some(id.clone());
            }
        }
        Err(forged.map_or_else(|| SignedEnvelopeError::NotTrusted(self.signers()), SignedEnvelopeError::Forged))
    }
}

/// Returns the bytes to sign: DSSE's pre-authentication encoding.
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn names(ids: &[String]) -> String {
    if let [one] = ids { format!("the key {one}") } else { format!("the keys {}", ids.join(", ")) }
}

#[cfg(test)]
mod tests;
