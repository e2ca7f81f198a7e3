//! The reference processor: the scheduled API call. From its config it makes one HTTP request.
//!
//! | config | default | |
//! |---|---|---|
//! | `url` | | template; must be inside `allow-http` |
//! | `method` | `POST` | template |
//! | `headers` | | a table of names and templates |
//! | `body` | the job's body as it is | template |
//! | `signing-secret` | no signature | the name of a secret that the use case lists under `secrets` |
//!
//! A template (Jinja, by the crate minijinja) sees `job` (`id`, `useCase`, `target`, `attempt`, `scheduledFor`) and
//! `body`, the job's body. An undefined variable is an error. `{{ x|urlencode }}` encodes a value for one segment of a
//! path or one value of a query, slashes included; `{{ x|tojson }}` makes JSON of it.
//!
//! Sent with it: `content-type: application/json` unless `headers` says otherwise, `x-correlation-id`,
//! `x-postdate-attempt` and, with a secret, the signature of Standard Webhooks (<https://www.standardwebhooks.com>):
//! `webhook-id`, `webhook-timestamp`, `webhook-signature`.
//!
//! 2xx is success, and the answer's body the result (64 KiB at the most, then cut with a note). 408, 425, 429, 5xx and a
//! broken connection ask for another attempt, after `Retry-After` where the answer has one. All else is permanent.

mod outcome;
mod request;
mod signature;
mod template;

use std::time::SystemTime;

use postdate_plugin::{Failure, Job, config, http, processor};

fn process(job: Job) -> Result<Option<String>, Failure> {
    let request = request::build(&job, &config, SystemTime::now())?;
    let answer = http::send(&request, outcome::RESULT_LIMIT_BYTES);
    // The path may carry what the body says, so the log has the origin only.
    let origin = http::origin(&request.url).unwrap_or_default();
    match &answer {
        Ok(answer) => eprintln!("{} {origin}: status {}", request.method, answer.status),
        Err(error) => eprintln!("{} {origin}: {error}", request.method),
    }
    outcome::judge(answer, &origin, SystemTime::now())
}

processor!(process);
