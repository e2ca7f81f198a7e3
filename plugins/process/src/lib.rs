//! The reference processor. Sends one HTTP request, built from templates in the use case's config.
//!
//! | config | default | |
//! |---|---|---|
//! | `url` | | template; its origin must be in `allow-http` |
//! | `method` | `POST` | template |
//! | `headers` | none | a table of names and templates |
//! | `body` | the job's body, unchanged | template |
//! | `signing-secret` | no signature | the name of a secret that the use case lists under `secrets` |
//!
//! Templates are Jinja, rendered by the crate minijinja. A template can use `job` (`id`, `useCase`, `target`, `attempt`,
//! `scheduledFor`) and `body`, the job's body. An undefined variable is an error. `{{ x|urlencode }}` encodes a value for one
//! segment of a path or one value of a query, slashes included; `{{ x|tojson }}` writes a value as JSON.
//!
//! The request has the headers `content-type: application/json` (unless `headers` sets another), `x-correlation-id`,
//! `x-postdate-attempt` and, with a secret, the signature of Standard Webhooks (<https://www.standardwebhooks.com>):
//! `webhook-id`, `webhook-timestamp`, `webhook-signature`.
//!
//! An answer with 2xx is a success, also if its body breaks off. The body is the result, cut with a note after 64 KiB or where it
//! broke off. 408, 425, 429, 5xx and a connection that breaks before the answer ask for another attempt, after `Retry-After` if the
//! answer has that header. Any other status is a permanent failure, which quotes the answer without the URL's path and query.

mod outcome;
mod request;
mod template;

use std::time::SystemTime;

use postdate_plugin::{Failure, Job, config, http, processor};

fn process(job: Job) -> Result<Option<String>, Failure> {
    let request = request::build(&job, &config, SystemTime::now())?;
    let answer = http::send(&request, outcome::RESULT_LIMIT_BYTES);
    // Log the origin only: a template may have put parts of the body into the path.
    let origin = http::origin(&request.url).unwrap_or_default();
    match &answer {
        Ok(answer) => eprintln!("{} {origin}: status {}", request.method, answer.status),
        Err(error) => eprintln!("{} {origin}: {error}", request.method),
    }
    outcome::judge(answer, &origin, &request, SystemTime::now())
}

processor!(process);
