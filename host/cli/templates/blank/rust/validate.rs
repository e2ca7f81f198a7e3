//! Accepts or rejects a request before it is acknowledged.

use postdate_plugin::{Acceptance, Problem, Request, validator};

// `request.json()?` reads the body as a type of your own, and rejects a body that does not fit.
// `Err(vec![Problem::new("/member", "code", "a sentence for people")])` rejects the request.
fn validate(_request: Request) -> Result<Acceptance, Vec<Problem>> {
    Ok(Acceptance::unchanged())
}

validator!(validate);
