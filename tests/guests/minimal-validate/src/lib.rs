//! A validator that accepts every request unchanged.

use postdate_plugin::{Acceptance, Problem, Request, validator};

fn validate(_: Request) -> Result<Acceptance, Vec<Problem>> {
    Ok(Acceptance::unchanged())
}

validator!(validate);
