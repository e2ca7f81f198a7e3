//! The actions of the validator.

use postdate_plugin::{
    Acceptance, Problem, Request, config,
    serde_json::{Value, json},
};

use crate::script::Script;

pub fn validate(request: Request) -> Result<Acceptance, Vec<Problem>> {
    let script = Script::of(&request.body, "validate");
    if script.act() {
        return Ok(Acceptance::unchanged());
    }
    let yes = Acceptance::unchanged();
    Ok(match script.what("accept") {
        "accept" => yes,
        "reject" => {
            let text = |name, default| script.text(name).unwrap_or(default).to_owned();
            return Err(vec![Problem::new(
                text("pointer", ""),
                text("code", "rejected"),
                script.message().unwrap_or_else(|| "told to reject".to_owned()),
            )]);
        }
        "reject-silently" => return Err(Vec::new()),
        "target" => yes.with_target(script.must_text("target")),
        "trigger-at" => yes.with_trigger_at(script.must_text("trigger-at")),
        "body" => match script.must("body") {
            Value::String(text) => Acceptance { body: Some(text.clone()), ..yes },
            body => yes.with_body(body),
        },
        // 8 is the length of `{"x":""}`.
        "output" => Acceptance { body: Some(format!(r#"{{"x":"{}"}}"#, script.filler(8))), ..yes },
        "config" => yes.with_body(&json!({ "config": config(script.must_text("key")) })),
        "request" => yes.with_body(&json!({ "seen": seen(&request) })),
        other => panic!("puppet: a validator does not know how to `{other}`"),
    })
}

fn seen(request: &Request) -> Value {
    json!({
        "id": request.id, "useCase": request.use_case, "receivedAt": request.received_at, "triggerAt": request.trigger_at,
        "target": request.target, "caller": request.caller, "headers": request.headers, "body": request.body,
    })
}
