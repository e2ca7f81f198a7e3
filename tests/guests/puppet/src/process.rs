//! The actions of the processor.

use std::sync::atomic::{AtomicU32, Ordering};

use postdate_plugin::{Failure, Job, config, http, serde_json::json};

use crate::{env, script::Script};

/// Number of calls of this instance. More than 1 means that the host used the instance twice.
static CALLS: AtomicU32 = AtomicU32::new(0);

pub fn process(job: Job) -> Result<Option<String>, Failure> {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    let script = Script::of(&job.body, "process");
    if script.act() {
        return Ok(script.text("result").map(str::to_owned));
    }
    let message = || script.message().unwrap_or_else(|| "told to fail".to_owned());
    match script.what("succeed") {
        "succeed" => Ok(script.text("result").map(str::to_owned)),
        "fail" => Err(Failure::permanent(message())),
        "retry" => retry(&script, job.attempt, &message()),
        "output" => Ok(Some(script.filler(0))),
        "http" => fetch(&script),
        "flood" => flood(&script),
        "config" => {
            let key = script.must_text("key");
            config(key).map(Some).ok_or_else(|| Failure::permanent(format!("no config `{key}`")))
        }
        "env" => Ok(Some(env::seen().to_string())),
        "count" => Ok(Some(calls.to_string())),
        "job" => Ok(Some(
            json!({
                "id": job.id, "useCase": job.use_case, "target": job.target, "attempt": job.attempt,
                "scheduledFor": job.scheduled_for, "body": job.body,
            })
            .to_string(),
        )),
        other => panic!("puppet: a processor does not know how to `{other}`"),
    }
}

fn retry(script: &Script, attempt: u32, message: &str) -> Result<Option<String>, Failure> {
    if script.number("untilAttempt").is_some_and(|until| u64::from(attempt) >= until) {
        return Ok(script.text("result").map(str::to_owned));
    }
    let failure = Failure::retry(format!("{message}, attempt {attempt}"));
    Err(match script.number("retryAfterSeconds").and_then(|seconds| u32::try_from(seconds).ok()) {
        Some(seconds) => failure.after_seconds(seconds),
        None => failure,
    })
}

/// Sends the request `times` times. Panics if one fails.
fn flood(script: &Script) -> Result<Option<String>, Failure> {
    let request = http::Request {
        method: "POST".to_owned(),
        url: script.must_text("url").to_owned(),
        headers: Vec::new(),
        body: script.filler(0).into_bytes(),
    };
    for turn in 1..=script.must_number("times") {
        http::send(&request, 8 << 20).unwrap_or_else(|error| panic!("request {turn}: {error}"));
    }
    Ok(None)
}

fn fetch(script: &Script) -> Result<Option<String>, Failure> {
    let request = http::Request {
        method: script.text("method").unwrap_or("GET").to_owned(),
        url: script.must_text("url").to_owned(),
        headers: script.text("traceparent").map(|value| ("traceparent".to_owned(), value.to_owned())).into_iter().collect(),
        body: script.text("body").unwrap_or_default().into(),
    };
    match http::send(&request, 64 * 1_024) {
        Ok(answer) => Ok(Some(json!({ "status": answer.status, "body": String::from_utf8_lossy(&answer.body) }).to_string())),
        Err(error) => Err(Failure::permanent(error.to_string())),
    }
}
