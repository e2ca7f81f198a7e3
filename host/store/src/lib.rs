//! The versioned store of use cases, for every host: a directory, or a prefix of an S3 bucket.
//!
//! ```text
//! orders/current                              the current version and the former ones: the only object that changes
//! orders/unused/{version}                     the time since which `prune` has found the version unused
//! orders/{version}/bundle.json                the list of the bundle's files, signed: see Statement
//! orders/{version}/use-case.toml, validate.wasm, cases/…
//! orders/{version}/compiled/{arch}-{engine}/artifacts.json    the list of machine code for such machines, signed
//! orders/{version}/compiled/{arch}-{engine}/{digest}.zst      machine code, compressed
//! ```
//!
//! A version is the hash of its files and never changes. `current` is moved last, when everything that it names is stored, and only
//! if it has not changed since it was read. Files are compared with the digests in `bundle.json` or `artifacts.json`, which a host
//! accepts if a key that it trusts has signed them.

mod any_objects;
mod compress;
mod current;
mod directory;
mod error;
mod list;
mod location;
mod objects;
mod precompiled;
mod prune;
mod publish;
mod s3;
mod statement;
pub mod tarball;
mod versions;

pub use any_objects::AnyObjects;
pub use current::{Current, Former};
pub use directory::Directory;
pub use error::StoreError;
pub use list::Versioned;
pub use location::StoreLocation;
pub use objects::{Child, Got, Objects, Put, StoredObject, When};
pub use precompiled::PrecompiledCode;
pub use prune::{Idle, MARKED_FOR, Pruned};
pub use publish::{Moved, Published};
pub use s3::S3;
pub use statement::{By, Statement, StatementError};
pub use versions::{CURRENT_FILE, Look, Versions};
