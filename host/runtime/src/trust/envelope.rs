//! What was signed, and by whom.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::{SecretKey, Trust};

/// More is no list of a bundle's files, whose manifest names each.
const MAX_SIGNATURES: usize = 100;

/// Why an envelope is not believed. Each is a sentence's end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
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

/// The payload's bytes with their type and signatures. As a file it is JSON, the payload in base64; without signatures it is
/// the same, and says what is there, but not whether to believe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signature {
    keyid: String,
    sig: String,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

impl Envelope {
    pub fn new(payload_type: &str, payload: Vec<u8>) -> Self {
        Self { payload_type: payload_type.to_owned(), payload, signatures: Vec::new() }
    }

    pub fn parse(document: &[u8]) -> Result<Self, EnvelopeError> {
        let malformed = |reason: String| EnvelopeError::Malformed(reason);
        let document: Document = serde_json::from_slice(document).map_err(|error| malformed(error.to_string()))?;
        if document.signatures.len() > MAX_SIGNATURES {
            return Err(malformed(format!("it has more than {MAX_SIGNATURES} signatures")));
        }
        let payload = BASE64_STANDARD.decode(document.payload).map_err(|_| malformed("its payload is not base64".into()))?;
        Ok(Self { payload_type: document.payload_type, payload, signatures: document.signatures })
    }

    /// The text of its file.
    pub fn to_json(&self) -> String {
        let payload = BASE64_STANDARD.encode(&self.payload);
        let document = Document { payload_type: self.payload_type.clone(), payload, signatures: self.signatures.clone() };
        // Strings alone: there is nothing in it that cannot be written.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    /// Adds a signature, in place of an earlier one of the same key.
    pub fn sign(&mut self, key: &SecretKey) {
        let keyid = key.public().id();
        self.signatures.retain(|signature| signature.keyid != keyid);
        let sig = BASE64_STANDARD.encode(key.sign(&signed_bytes(&self.payload_type, &self.payload)));
        self.signatures.push(Signature { keyid, sig });
    }

    /// The ids of the keys that are said to have signed it.
    pub fn signers(&self) -> Vec<String> {
        self.signatures.iter().map(|signature| signature.keyid.clone()).collect()
    }

    /// The payload, if it is of this type and signed by a key that is trusted; where no key is asked for, without a look at
    /// signatures.
    pub fn open(&self, payload_type: &'static str, trust: &Trust) -> Result<&[u8], EnvelopeError> {
        if self.payload_type != payload_type {
            return Err(EnvelopeError::WrongType { found: self.payload_type.clone(), expected: payload_type });
        }
        if !trust.is_required() {
            return Ok(&self.payload);
        }
        if self.signatures.is_empty() {
            return Err(EnvelopeError::NotSigned);
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
        Err(forged.map_or_else(|| EnvelopeError::NotTrusted(self.signers()), EnvelopeError::Forged))
    }
}

/// DSSE's pre-authentication encoding.
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn names(ids: &[String]) -> String {
    if let [one] = ids { format!("the key {one}") } else { format!("the keys {}", ids.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::PublicKey;

    const TYPE: &str = "application/vnd.postdate.test+json";

    fn key() -> SecretKey {
        SecretKey::from_pem(&SecretKey::generate().unwrap()).unwrap()
    }

    fn only(key: &SecretKey) -> Trust {
        Trust::new(vec![key.public()])
    }

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // From the specification of DSSE, "Test vectors".
        let bytes = signed_bytes("http://example.com/HelloWorld", b"hello world");
        assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn one_trusted_signature_is_enough_and_none_is_asked_for_without_keys() {
        let (ours, theirs) = (key(), key());
        let mut envelope = Envelope::new(TYPE, b"{}".to_vec());
        assert_eq!(envelope.open(TYPE, &Trust::default()).unwrap(), b"{}");
        assert_eq!(envelope.open(TYPE, &only(&ours)), Err(EnvelopeError::NotSigned));
        envelope.sign(&theirs);
        assert_eq!(envelope.open(TYPE, &only(&ours)), Err(EnvelopeError::NotTrusted(vec![theirs.public().id()])));
        envelope.sign(&ours);
        envelope.sign(&ours);
        assert_eq!(envelope.signers(), [theirs.public().id(), ours.public().id()]);
        let read = Envelope::parse(envelope.to_json().as_bytes()).unwrap();
        assert_eq!(read, envelope);
        assert_eq!(read.open(TYPE, &only(&ours)).unwrap(), b"{}");
        let both: Vec<PublicKey> = vec![key().public(), theirs.public()];
        assert!(read.open(TYPE, &Trust::new(both)).is_ok());
    }

    #[test]
    fn what_was_changed_is_not_believed() {
        let key = key();
        let mut envelope = Envelope::new(TYPE, b"{\"a\":1}".to_vec());
        envelope.sign(&key);
        let mut changed = envelope.clone();
        changed.payload[5] = b'2';
        assert_eq!(changed.open(TYPE, &only(&key)), Err(EnvelopeError::Forged(key.public().id())));
        let mut renamed = envelope.clone();
        renamed.payload_type = "application/vnd.postdate.other+json".to_owned();
        assert!(matches!(renamed.open(TYPE, &only(&key)), Err(EnvelopeError::WrongType { .. })));
        assert_eq!(renamed.open("application/vnd.postdate.other+json", &only(&key)), Err(EnvelopeError::Forged(key.public().id())));
        let mut borrowed = Envelope::new(TYPE, b"{}".to_vec());
        borrowed.signatures.clone_from(&envelope.signatures);
        assert_eq!(borrowed.open(TYPE, &only(&key)), Err(EnvelopeError::Forged(key.public().id())));
        let mut empty = envelope.clone();
        empty.signatures[0].sig.clear();
        assert_eq!(empty.open(TYPE, &only(&key)), Err(EnvelopeError::Forged(key.public().id())));
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        for wrong in ["", "{}", "[]", "{\"payloadType\":\"\",\"payload\":\"?\",\"signatures\":[]}"] {
            assert!(matches!(Envelope::parse(wrong.as_bytes()), Err(EnvelopeError::Malformed(_))), "{wrong}");
        }
    }
}
