//! A processor that succeeds at once without a result.

use postdate_plugin::{Failure, Job, processor};

fn process(_: Job) -> Result<Option<String>, Failure> {
    Ok(None)
}

processor!(process);
