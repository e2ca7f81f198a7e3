//! A processor that returns every field of its job, through each kind of answer. The fixture
//! `tests/fixtures/contract-1.0.0/process.wasm` was built from this source against version 1.0.0 of the contract. Do not rebuild
//! the fixture: it shows that hosts still load a plugin of version 1.0.0.

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
