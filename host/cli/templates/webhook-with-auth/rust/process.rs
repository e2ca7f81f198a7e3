//! Sends the accepted body to the webhook when the request is due.

use postdate_plugin::{Failure, Job, http, processor, required_config, serde_json::json};

/// Most bytes of the webhook's answer that are read.
const ANSWER_LIMIT_BYTES: usize = 1_024;

fn process(job: Job) -> Result<Option<String>, Failure> {
    let header = |name: &str, value: String| (name.to_owned(), value);
    let request = http::Request {
        method: "POST".to_owned(),
        url: required_config("url"),
        headers: vec![
            header("content-type", "application/json".to_owned()),
            header("authorization", format!("Bearer {}", required_config("SECRET_WEBHOOK_TOKEN"))),
            // A job may run more than once, always with the same id: the receiver can recognise a repetition.
            header("idempotency-key", job.id),
        ],
        body: job.body.into_bytes(),
    };
    let answer = http::send(&request, ANSWER_LIMIT_BYTES).map_err(|error| match error {
        http::Error::Failed(_) => Failure::retry(error.to_string()),
        http::Error::Invalid(_) | http::Error::Refused(_) => Failure::permanent(error.to_string()),
    })?;
    // A failure shows the status only: the webhook's text may repeat the token.
    match answer.status {
        200..=299 => Ok(Some(json!({ "status": answer.status }).to_string())),
        status @ (408 | 425 | 429 | 500..=599) => {
            let failure = Failure::retry(format!("the webhook answered {status}"));
            // Seconds only: after a date, the wait is that of `[retry]`.
            Err(match answer.header("retry-after").and_then(|wait| wait.parse().ok()) {
                Some(seconds) => failure.after_seconds(seconds),
                None => failure,
            })
        }
        status => Err(Failure::permanent(format!("the webhook answered {status}"))),
    }
}

processor!(process);
