//! Accepts or rejects a request before it is acknowledged.

use postdate_plugin::{Acceptance, Problem, Request, required_config, serde_json::json, validator};

#[derive(serde::Deserialize)]
struct Reminder {
    message: String,
}

fn validate(request: Request) -> Result<Acceptance, Vec<Problem>> {
    // If the body does not fit, `?` rejects it with a problem that points at the wrong member.
    let reminder: Reminder = request.json()?;
    let message = reminder.message.trim();
    let longest: usize = required_config("longest").parse().expect("config `longest` is a number");
    if message.is_empty() {
        return Err(vec![Problem::new("/message", "required", "the message is empty")]);
    }
    if message.chars().count() > longest {
        return Err(vec![Problem::new("/message", "maximum", format!("at most {longest} characters"))]);
    }
    Ok(Acceptance::unchanged().with_body(&json!({ "message": message })))
}

validator!(validate);
