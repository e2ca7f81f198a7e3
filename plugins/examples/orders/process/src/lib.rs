//! Example processor: returns a receipt for the order.

use postdate_plugin::{Failure, Job, processor, serde_json::json};

/// The members of the accepted body that the receipt needs; the validator has added them.
#[derive(serde::Deserialize)]
struct Order {
    total: u64,
    currency: String,
}

fn process(job: Job) -> Result<Option<String>, Failure> {
    // `?` fails the job for an invalid body; the failure is permanent, since the next attempt has the same body.
    let order: Order = job.json()?;

    // The host logs each line on stderr with the correlation id. Log ids, never data of a customer.
    eprintln!("placing order {}, attempt {}", job.id, job.attempt);

    // A job may run more than once, for example after a crash, always with the same id. The receipt number is derived from the
    // id, so it is the same in each run. A real shop would store the id as a unique key, which makes the order idempotent.
    let receipt = format!("R-{}", job.id.rsplit('-').next().unwrap_or_default());
    Ok(Some(json!({ "receipt": receipt, "total": order.total, "currency": order.currency }).to_string()))
}

processor!(process);

#[cfg(test)]
mod tests;
