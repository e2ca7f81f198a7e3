//! `postdate schema use-case|case`: prints the JSON Schema of a manifest or a test case, for editors.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::output::out;

const USE_CASE: &str = include_str!("../../../schemas/use-case.schema.json");
const CASE: &str = include_str!("../../../schemas/case.schema.json");

/// File names in a project, and contents.
pub const FILES: [(&str, &str); 2] = [("use-case.schema.json", USE_CASE), ("case.schema.json", CASE)];

#[derive(Debug, Args)]
pub struct Schema {
    /// File that the schema describes: the manifest, or a test case
    #[arg(value_enum)]
    of: Of,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Of {
    UseCase,
    Case,
}

pub fn run(arguments: &Schema) -> ExitCode {
    out(match arguments.of {
        Of::UseCase => USE_CASE,
        Of::Case => CASE,
    });
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests;
