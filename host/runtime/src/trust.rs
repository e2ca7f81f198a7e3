//! Signatures: the ed25519 keys that a host trusts, and signed envelopes.
//!
//! A [`SignedEnvelope`] is a DSSE envelope (<https://github.com/secure-systems-lab/dsse>, version 1): the signature covers the
//! payload's exact bytes and its type. The payload is a list of digests, of a bundle's files or of machine code. A host compares the
//! bytes that it uses with the list.

mod envelope;
mod key;

pub use envelope::{SignedEnvelope, SignedEnvelopeError};
pub use key::{KeyError, PublicKey, SecretKey};

/// The public keys that a host trusts. Without keys it trusts everybody, and only write permission protects its store or package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    keys: Vec<PublicKey>,
}

impl Trust {
    /// Makes a trust in these keys; in everybody, if there are none.
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self { keys }
    }

    /// Returns whether unsigned documents are refused.
    pub fn is_required(&self) -> bool {
        !self.keys.is_empty()
    }

    pub(crate) fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Parses public keys in the form of [`PublicKey`], separated by commas or white space. Fails without a key, because an empty list
    /// would otherwise trust everybody.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        let keys = words.map(str::parse).collect::<Result<Vec<PublicKey>, _>>()?;
        if keys.is_empty() { Err(KeyError::None) } else { Ok(Self { keys }) }
    }
}
