//! Signatures: the ed25519 keys that a host trusts, and signed envelopes.
//!
//! An [`Envelope`] is a DSSE envelope (<https://github.com/secure-systems-lab/dsse>, version 1): the signature covers the
//! payload's very bytes and its type. What is signed are lists of digests, of a bundle's files and of machine code; a host
//! compares the bytes that it uses with them.

mod envelope;
mod key;

pub use envelope::{Envelope, EnvelopeError};
pub use key::{KeyError, PublicKey, SecretKey};

/// The public keys that a host trusts. Without keys it trusts everybody: only write permission then protects its store or package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    keys: Vec<PublicKey>,
}

impl Trust {
    /// Trusts these keys; everybody, if there are none.
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

    /// Reads public keys as [`PublicKey`] writes them, with commas or white space between them; at least one: a list that was
    /// meant to be there must not mean that everybody is believed.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        let keys = words.map(str::parse).collect::<Result<Vec<PublicKey>, _>>()?;
        if keys.is_empty() { Err(KeyError::None) } else { Ok(Self { keys }) }
    }
}
