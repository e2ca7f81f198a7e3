//! Example processor: places the order and returns a receipt.

use postdate_plugin::{Failure, Job, processor, serde_json::json};

/// What the validator accepted: the client's order, and the total that the validator added.
#[derive(serde::Deserialize)]
struct Order {
    total: u64,
    currency: String,
}

fn process(job: Job) -> Result<Option<String>, Failure> {
    // `?` ends a job whose body does not fit: that is permanent, the next attempt would see the same body.
    let order: Order = job.json()?;

    // Each line on stderr becomes a log line of the host with the correlation id. Log ids, never the customer's data.
    eprintln!("placing order {}, attempt {}", job.id, job.attempt);

    // A job may run more than once (a crash in the middle of it), always with the same id. A receipt number made from
    // the id is the same each time; a real shop would hand the id to its database as the key that makes placing idempotent.
    let receipt = format!("R-{}", job.id.rsplit('-').next().unwrap_or_default());
    Ok(Some(json!({ "receipt": receipt, "total": order.total, "currency": order.currency }).to_string()))
}

processor!(process);

#[cfg(test)]
mod tests;
