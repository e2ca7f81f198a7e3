//! Does the work when the request is due.

use postdate_plugin::{Failure, Job, processor};

// `job.json()?` reads the accepted body. `Err(Failure::retry("..."))` asks for another attempt, `Err(Failure::permanent("..."))` does not.
fn process(job: Job) -> Result<Option<String>, Failure> {
    // The host logs each line with the correlation id. Log ids, never the customer's data.
    eprintln!("processing {}, attempt {}", job.id, job.attempt);
    // A job may run more than once, always with the same id. Use the id as the idempotency key of the work.
    Ok(None)
}

processor!(process);
