//! A processor that returns every field of its job, through each kind of answer. Built once against version 1.0.0 of the contract,
//! it is the fixture `tests/fixtures/contract-1.0.0/process.wasm`. Do not rebuild the fixture: hosts must load it for ever.

use postdate_plugin::{Failure, Job, config, processor};

fn process(job: Job) -> Result<Option<String>, Failure> {
    eprintln!("attempt {}", job.attempt);
    let told = format!(
        "{}|{}|{}|{}|{}|{}",
        job.id,
        job.use_case,
        job.target,
        job.attempt,
        job.scheduled_for,
        config("key").unwrap_or_else(|| "-".to_owned())
    );
    match job.body.as_str() {
        "{\"answer\":\"nothing\"}" => Ok(None),
        "{\"answer\":\"text\"}" => Ok(Some(told)),
        "{\"answer\":\"later\"}" => Err(Failure::retry(told).after_seconds(7)),
        _ => Err(Failure::permanent(told)),
    }
}

processor!(process);
