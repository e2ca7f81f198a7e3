//! Does the work when the request is due.

use postdate_plugin::{Failure, Job, processor, serde_json::json};

#[derive(serde::Deserialize)]
struct Reminder {
    message: String,
}

fn process(job: Job) -> Result<Option<String>, Failure> {
    // If the body does not fit, `?` returns a permanent failure. `Failure::retry("...")` asks for another attempt.
    let reminder: Reminder = job.json()?;
    // The host logs each line with the correlation id. Log ids, never the customer's data.
    eprintln!("reminding of {}, attempt {}", job.id, job.attempt);
    // A job may run more than once, always with the same id. Use the id as the idempotency key of the work.
    Ok(Some(json!({ "reminded": reminder.message, "attempt": job.attempt }).to_string()))
}

processor!(process);
