//! Example processor: places the order and returns a receipt.

use postdate_plugin::{Failure, Job, processor, serde_json::json};

/// The members that the validator added to the client's order.
#[derive(serde::Deserialize)]
struct Order {
    total: u64,
    currency: String,
}

fn process(job: Job) -> Result<Option<String>, Failure> {
    // If the body does not fit, `?` ends the job with a permanent failure: the next attempt would get the same body.
    let order: Order = job.json()?;

    // The host logs each line on stderr with the correlation id. Log ids, never the customer's data.
    eprintln!("placing order {}, attempt {}", job.id, job.attempt);

    // A job may run more than once, for instance after a crash, always with the same id. The receipt number is made from the id, so
    // it is the same each time. A real shop would use the id as the idempotency key in its database.
    let receipt = format!("R-{}", job.id.rsplit('-').next().unwrap_or_default());
    Ok(Some(json!({ "receipt": receipt, "total": order.total, "currency": order.currency }).to_string()))
}

processor!(process);

#[cfg(test)]
mod tests;
