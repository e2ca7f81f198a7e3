//! Where use cases are kept, in versions, for every host: a directory, or a prefix of an S3 bucket.
//!
//! ```text
//! orders/current                              which version serves, and which did before: the only thing that changes
//! orders/{version}/bundle.json                what the bundle's files are, signed: see Statement
//! orders/{version}/use-case.toml, validate.wasm, cases/…
//! orders/{version}/compiled/{arch}-{engine}/artifacts.json    what was compiled for such a machine, signed
//! orders/{version}/compiled/{arch}-{engine}/{digest}.zst      machine code, compressed
//! ```
//!
//! A version is the hash of its files and never changes; `current` is moved last, when all that it means is there, and only
//! by who has seen what it was before. What is read is compared with the digests that `bundle.json` or `artifacts.json` has,
//! and these are believed if whom the host trusts has signed them.

mod any_objects;
mod compress;
mod current;
mod directory;
mod error;
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
pub use objects::{Child, Got, Objects, Put, Stored, When};
pub use precompiled::PrecompiledCode;
pub use prune::Idle;
pub use publish::{Moved, Published};
pub use s3::S3;
pub use statement::{By, Statement, StatementError};
pub use versions::{CURRENT_FILE, Look, Versions};
