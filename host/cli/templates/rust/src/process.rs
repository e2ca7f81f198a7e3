//! Does the work at the trigger time of the request.

use postdate_plugin::{Failure, Job, processor, serde_json::json};

#[derive(serde::Deserialize)]
struct Reminder {
    message: String,
}

fn process(job: Job) -> Result<Option<String>, Failure> {
    // `?` fails the job permanently for an invalid body; with `Failure::retry("...")`, the host makes another attempt.
    let reminder: Reminder = job.json()?;
    // The host logs each line with the correlation id, and keeps its log. Log ids, never data of a customer.
    eprintln!("reminding of {}, attempt {}", job.id, job.attempt);
    // A job may run more than once, always with the same id: use it as the key that makes the work idempotent.
    Ok(Some(json!({ "reminded": reminder.message, "attempt": job.attempt }).to_string()))
}

processor!(process);
