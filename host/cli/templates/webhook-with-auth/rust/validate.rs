//! Accepts or rejects a request before it is acknowledged: first its key, then its body.

use postdate_plugin::{Acceptance, Problem, Request, required_config, validator};

#[derive(serde::Deserialize)]
struct Event {
    event: String,
}

fn validate(request: Request) -> Result<Acceptance, Vec<Problem>> {
    // A secret arrives under its own name, like config. Behind an authorizer, check a claim of `request.caller` instead.
    let expected = required_config("SECRET_CLIENT_KEY");
    let given = request.headers.iter().find(|(name, _)| name == "x-client-key").map_or("", |(_, value)| value);
    if expected.is_empty() || !is_equal(given.as_bytes(), expected.as_bytes()) {
        return Err(vec![Problem::new("", "unauthorized", "the header x-client-key is missing or wrong")]);
    }
    let body: Event = request.json()?;
    if body.event.is_empty() {
        return Err(vec![Problem::new("/event", "required", "the event has no name")]);
    }
    Ok(Acceptance::unchanged())
}

/// Compares two keys. The time does not tell how much of a guess is right.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
}

validator!(validate);
