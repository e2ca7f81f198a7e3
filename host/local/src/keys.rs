//! Keys of the API: the file with their digests and rights, and the strength of a token.
//!
//! ```toml
//! [[key]]
//! name = "shop"
//! sha256 = "…"                          # of the token, in hexadecimal
//! may = ["submit", "read", "change"]    # also "deploy" and "operate"
//! use-cases = ["orders"]                # default: all
//! sees = "own"                          # the default; or "all"
//! expires = 2027-06-01T00:00:00Z        # default: never
//! ```

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use chrono::{DateTime, Utc};
use postdate_core::access::{Caller, Scope};
use postdate_core::bundle::hex;
use postdate_core::time::{parse_time, rfc3339};
use postdate_core::use_case::is_use_case_name;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::private_file;

/// Name of the caller that holds `POSTDATE_API_KEY`. No key of a file has it.
pub const MASTER: &str = "POSTDATE_API_KEY";
/// Least strength of a token that other machines can try, in bits.
pub const MIN_BITS: f64 = 128.0;
/// Limit of a key's name, in characters.
const MAX_NAME: usize = 64;

/// The SHA-256 of a token.
pub type Digest = [u8; 32];

/// One key of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    pub sha256: Digest,
    pub may: BTreeSet<Scope>,
    /// `None` for all.
    pub use_cases: Option<BTreeSet<String>>,
    pub sees: Sees,
    pub expires: Option<DateTime<Utc>>,
}

/// The requests that a key sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sees {
    /// The requests that the key made itself.
    #[default]
    Own,
    All,
}

impl Sees {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::All => "all",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    #[serde(default)]
    key: Vec<KeyText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct KeyText {
    name: String,
    sha256: String,
    may: Vec<String>,
    use_cases: Option<BTreeSet<String>>,
    #[serde(default)]
    sees: Sees,
    expires: Option<toml::value::Datetime>,
}

impl Key {
    /// Returns true if the key is no longer valid at `now`.
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Returns the caller that holds the key.
    pub fn caller(&self) -> Caller {
        Caller {
            name: Some(self.name.clone()),
            scopes: self.may.clone(),
            use_cases: self.use_cases.clone(),
            own_only: self.sees == Sees::Own,
            key_space: Some(self.name.clone()),
        }
    }

    /// Returns the key as text for the end of a file.
    pub fn to_toml(&self) -> String {
        let list = |items: &mut dyn Iterator<Item = &str>| items.map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ");
        let mut text = format!("[[key]]\nname = \"{}\"\nsha256 = \"{}\"\n", self.name, hex(&self.sha256));
        let _ = writeln!(text, "may = [{}]", list(&mut self.may.iter().map(|scope| scope.as_str())));
        if let Some(names) = &self.use_cases {
            let _ = writeln!(text, "use-cases = [{}]", list(&mut names.iter().map(String::as_str)));
        }
        let _ = writeln!(text, "sees = \"{}\"", self.sees.as_str());
        if let Some(expires) = self.expires {
            let _ = writeln!(text, "expires = {}", rfc3339(expires));
        }
        text
    }

    fn read(text: KeyText) -> Result<Self, String> {
        let KeyText { name, sha256, may, use_cases, sees, expires } = text;
        check_name(&name)?;
        let wrong = |what: String| format!("the key {name:?}: {what}");
        if let Some(other) = use_cases.iter().flatten().find(|name| !is_use_case_name(name)) {
            return Err(wrong(format!("use-cases has {other:?}, which is not the name of a use case")));
        }
        let expires = expires.map(|at| parse_time(&at.to_string())).transpose();
        Ok(Self {
            sha256: digest_of_hex(&sha256).ok_or_else(|| wrong("sha256 is not 64 hexadecimal digits".to_owned()))?,
            may: may.iter().map(|scope| scope.parse()).collect::<Result<_, String>>().map_err(|error| wrong(format!("may: {error}")))?,
            use_cases,
            sees,
            expires: expires.map_err(|error| wrong(format!("expires: {error}")))?,
            name,
        })
    }
}

/// Reads the keys of a file. An error continues the sentence "the keys file PATH …".
pub fn read(path: &Path) -> Result<Vec<Key>, String> {
    parse(&private_file::read(path)?)
}

/// Reads the keys of a file's text. An error continues the sentence "the keys file PATH …".
pub fn parse(text: &str) -> Result<Vec<Key>, String> {
    // The message is that of the innermost fault and does not quote the line.
    let parsed: FileText = toml::from_str(text)
        .map_err(|error| format!("is not valid at line {}: {}", private_file::line_of(&error, text), error.message()))?;
    let keys: Vec<Key> =
        parsed.key.into_iter().map(Key::read).collect::<Result<_, _>>().map_err(|error| format!("is not valid: {error}"))?;
    for (at, key) in keys.iter().enumerate() {
        let before = &keys[..at];
        if before.iter().any(|other| other.name == key.name) {
            return Err(format!("has two keys with the name {:?}", key.name));
        }
        if let Some(other) = before.iter().find(|other| other.sha256 == key.sha256) {
            return Err(format!("has one token for the keys {:?} and {:?}", other.name, key.name));
        }
    }
    Ok(keys)
}

/// Fails if the text cannot name a key.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_good) {
        return Err(format!("{name:?} cannot name a key: 1 to {MAX_NAME} of A-Z, a-z, 0-9, \".\", \"_\", \"@\" and \"-\""));
    }
    if name == MASTER {
        return Err(format!("{name:?} cannot name a key: it is the name of the server's own key"));
    }
    Ok(())
}

/// Returns a new token of 256 random bits, in hexadecimal. Fails if the operating system gives no random bytes.
pub fn new_token() -> Result<String, rand::rand_core::OsError> {
    let mut random = [0; 32];
    OsRng.try_fill_bytes(&mut random)?;
    Ok(format!("pd_{}", hex(&random)))
}

pub fn digest(token: &str) -> Digest {
    Sha256::digest(token.trim()).into()
}

fn digest_of_hex(text: &str) -> Option<Digest> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = Digest::default();
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}

/// Returns the bits that a random token of this form has at most. The form is the length and the kinds of characters; punctuation counts
/// as separators. A token of fewer than six different characters has none.
pub fn strength(token: &str) -> f64 {
    let letters: Vec<char> = token.trim().chars().filter(|c| c.is_ascii_alphanumeric() || !c.is_ascii()).collect();
    if letters.iter().collect::<BTreeSet<_>>().len() < 6 {
        return 0.0;
    }
    let any = |kind: fn(&char) -> bool| letters.iter().any(kind);
    let is_hex = letters.iter().all(char::is_ascii_hexdigit) && !(any(char::is_ascii_lowercase) && any(char::is_ascii_uppercase));
    let alphabet: u32 = if is_hex && any(char::is_ascii_alphabetic) {
        16
    } else {
        [
            (any(char::is_ascii_digit), 10),
            (any(char::is_ascii_lowercase), 26),
            (any(|c| !c.is_ascii_digit() && !c.is_ascii_lowercase()), 26),
        ]
        .iter()
        .map(|(there, size)| if *there { *size } else { 0 })
        .sum()
    };
    f64::from(u32::try_from(letters.len()).unwrap_or(u32::MAX)) * f64::from(alphabet).log2()
}

#[cfg(test)]
mod tests;
