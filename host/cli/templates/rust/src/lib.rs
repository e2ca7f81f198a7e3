//! Exports both plugins of the use case from one component.

mod process;
mod validate;
