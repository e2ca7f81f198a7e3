//! ed25519 keys (RFC 8032), as text.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pem::{EncodeConfig, LineEnding, Pem, PemError};
use postdate_core::bundle::hex;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "ed25519:";
const PEM_TAG: &str = "PRIVATE KEY";

/// A text is not a key. The error never quotes the text, which may be a secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("not a public key: it should be \"ed25519:\" and 44 characters of base64, as `postdate key show` prints it{}", .0)]
    Public(&'static str),
    #[error("not a private key: it should be a PKCS #8 PEM file with an ed25519 key, as `postdate key new` writes it ({0})")]
    Private(String),
    #[error("it names no key")]
    None,
    #[error("the operating system gave no randomness for a key")]
    Random,
}

/// A public key. Its text is `ed25519:` and the key's 32 bytes in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Returns the key's name in signatures: the first 16 hexadecimal digits of its SHA-256.
    pub fn id(&self) -> String {
        hex(&Sha256::digest(self.0)[..8])
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64_STANDARD.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            let private = text.contains("PRIVATE KEY");
            return Err(KeyError::Public(if private { "; this is a private key, which stays with who signs" } else { "" }));
        };
        let bytes = BASE64_STANDARD.decode(encoded).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(KeyError::Public(""))
    }
}

/// A private key. Its text is a PKCS #8 PEM document (RFC 5958, RFC 8410), which other tools read as well.
pub struct SecretKey {
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// Returns a new key as the text of its file.
    pub fn generate() -> Result<String, KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
        let pem = Pem::new(PEM_TAG, document.as_ref());
        Ok(pem::encode_config(&pem, EncodeConfig::new().set_line_ending(LineEnding::LF)))
    }

    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let fault = |what: &str| KeyError::Private(what.to_owned());
        let document = pem::parse(text).map_err(|error| match error {
            PemError::InvalidData(_) => fault("its text is not base64"),
            _ => fault("it has no text between BEGIN and END PRIVATE KEY"),
        })?;
        if document.tag() != PEM_TAG {
            return Err(fault("it is not a PRIVATE KEY"));
        }
        // Some tools do not write the public key into the document.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document.contents()).map_err(|error| KeyError::Private(error.to_string()))?;
        Ok(Self { pair })
    }

    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(bytes)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests;
