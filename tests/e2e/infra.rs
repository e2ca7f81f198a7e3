//! `infra/`: the template is valid, its roles equal the documents in `infra/policies`, and each role allows the calls of its
//! function and no more. The tests run the programs of the Python environment that `cargo xtask test` installs.

mod actions;
mod calls;
mod encryption;
mod names;
mod observability;
mod policy;
mod source;
mod stack;
mod template;
mod terraform;
mod tools;
