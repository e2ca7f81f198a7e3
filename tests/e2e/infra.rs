//! `infra/`: the template is one that AWS would take, its roles say what the documents say, allow what the code calls, and
//! nothing wider. Run with the programs of the Python environment that `cargo xtask test` makes.

mod calls;
mod names;
mod policy;
mod source;
mod stack;
mod template;
mod tools;
