//! Does the work, at the request's time.

use postdate_plugin::{Failure, Job, processor, serde_json::json};

#[derive(serde::Deserialize)]
struct Reminder {
    message: String,
}

fn process(job: Job) -> Result<Option<String>, Failure> {
    // `?` ends a job whose body does not fit, for good; `Failure::retry("...")` would ask for another attempt.
    let reminder: Reminder = job.json()?;
    // Each line is a log line of the host with the correlation id. It is kept: log ids, never the customer's data.
    eprintln!("reminding of {}, attempt {}", job.id, job.attempt);
    // A job may run more than once, always with the same id: hand it on as the key that makes the work idempotent.
    Ok(Some(json!({ "reminded": reminder.message, "attempt": job.attempt }).to_string()))
}

processor!(process);
