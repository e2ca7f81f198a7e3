//! A validator that returns every field of its request, through each kind of answer. Built once against version 1.0.0 of the
//! contract, it is the fixture `tests/fixtures/contract-1.0.0/validate.wasm`. Do not rebuild the fixture: hosts must load it for ever.

use postdate_plugin::{Acceptance, Problem, Request, config, validator};

fn validate(request: Request) -> Result<Acceptance, Vec<Problem>> {
    let pairs = |pairs: &[(String, String)]| pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",");
    let told = [
        request.id.clone(),
        request.use_case.clone(),
        request.received_at.clone(),
        request.trigger_at.clone(),
        request.target.clone().unwrap_or_else(|| "-".to_owned()),
        pairs(&request.caller),
        pairs(&request.headers),
        config("key").unwrap_or_else(|| "-".to_owned()),
    ]
    .join("|");
    match request.body.as_str() {
        "{\"answer\":\"unchanged\"}" => Ok(Acceptance::unchanged()),
        "{\"answer\":\"changed\"}" => {
            Ok(Acceptance { body: Some(told), target: Some("other".to_owned()), trigger_at: Some("2027-02-01T00:00:00Z".to_owned()) })
        }
        _ => Err(vec![Problem::new("/answer", "first", told), Problem::new("", "second", request.body)]),
    }
}

validator!(validate);
