//! Confirmation of a command that cannot be undone.

use std::io::{self, BufRead, IsTerminal as _};

use anyhow::{Context as _, bail};

use crate::output::err;

/// Fails if a command needs an answer, and nobody is there to give it: without `--yes`, and without a terminal. `what` begins the message,
/// and `instead` follows "add --yes".
pub fn check(yes: bool, what: &str, instead: &str) -> anyhow::Result<()> {
    if !yes && !io::stdin().is_terminal() {
        bail!("{what} needs a confirmation, and stdin is no terminal: add --yes{instead}");
    }
    Ok(())
}

/// Asks on stderr, unless `yes`, and returns whether the answer is yes.
pub fn ask(yes: bool, question: &str) -> anyhow::Result<bool> {
    if yes { Ok(true) } else { is_confirmed(question, &mut io::stdin().lock()) }
}

fn is_confirmed(question: &str, input: &mut impl BufRead) -> anyhow::Result<bool> {
    err(question);
    let mut answer = String::new();
    input.read_line(&mut answer).context("cannot read the answer")?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests;
