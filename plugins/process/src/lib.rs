//! The reference processor, a scheduled API call: sends one HTTP request that its config describes.
//!
//! | config | default | |
//! |---|---|---|
//! | `url` | | template; must be inside `allow-http` |
//! | `method` | `POST` | template |
//! | `headers` | | a table of names and templates |
//! | `body` | the job's body, unchanged | template |
//! | `signing-secret` | no signature | the name of a secret that the use case lists under `secrets` |
//!
//! The variables of a template (Jinja, by the crate minijinja) are `job` (`id`, `useCase`, `target`, `attempt`, `scheduledFor`) and
//! `body`, the job's body. An undefined variable is an error. `{{ x|urlencode }}` encodes a value for one segment of a
//! path or one value of a query, slashes included; `{{ x|tojson }}` converts it to JSON.
//!
//! The request also has the headers `content-type: application/json` (unless `headers` sets another), `x-correlation-id`,
//! `x-postdate-attempt` and, with a secret, the signature of Standard Webhooks (<https://www.standardwebhooks.com>):
//! `webhook-id`, `webhook-timestamp`, `webhook-signature`.
//!
//! After a 2xx answer, the job succeeds with the answer's body as result, cut with a note after 64 KiB. After 408, 425, 429, 5xx
//! and a failed connection, the host makes another attempt, not before `Retry-After`. Every other answer is a permanent failure.

mod outcome;
mod request;
mod signature;
mod template;

use std::time::SystemTime;

use postdate_plugin::{Failure, Job, config, http, processor};

fn process(job: Job) -> Result<Option<String>, Failure> {
    let request = request::build(&job, &config, SystemTime::now())?;
    let answer = http::send(&request, outcome::RESULT_LIMIT_BYTES);
    // The path may contain values of the body, so only the origin is logged.
    let origin = http::origin(&request.url).unwrap_or_default();
    match &answer {
        Ok(answer) => eprintln!("{} {origin}: status {}", request.method, answer.status),
        Err(error) => eprintln!("{} {origin}: {error}", request.method),
    }
    outcome::judge(answer, &origin, SystemTime::now())
}

processor!(process);
