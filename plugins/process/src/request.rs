//! Builds the HTTP request from the config and the job.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postdate_plugin::{
    Failure, Job, http,
    serde_json::{self, Map, Value},
};
use postdate_webhooks::{Key, headers as signed_headers};

use crate::template::Templates;

/// Builds the request. `config` returns the value of a key, `now` is the time of the signature.
///
/// # Errors
/// A permanent failure that names the config key: another attempt would have the same config and the same body.
pub fn build(job: &Job, config: &dyn Fn(&str) -> Option<String>, now: SystemTime) -> Result<http::Request, Failure> {
    let templates = Templates::over(job)?;
    let url = config("url").ok_or_else(|| Failure::permanent("config `url` is missing: set it in use-case.toml"))?;
    let url = templates.render("url", url.trim())?;
    http::origin(&url).map_err(|error| Failure::permanent(format!("config `url`: {error}")))?;
    refuse_dot_segments(&url)?;
    let method = match config("method") {
        Some(template) => templates.render("method", template.trim())?.to_ascii_uppercase(),
        None => "POST".to_owned(),
    };
    let body = match config("body") {
        Some(template) => templates.render("body", &template)?,
        None => job.body.clone(),
    };
    let mut headers = match config("headers") {
        Some(text) => render_headers(&templates, &text)?,
        None => Vec::new(),
    };
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    set(&mut headers, "x-correlation-id", &job.id);
    set(&mut headers, "x-postdate-attempt", &job.attempt.to_string());
    if let Some(name) = config("signing-secret") {
        let secret = config(&name)
            .ok_or_else(|| Failure::permanent(format!("config `signing-secret`: `{name}` is not granted: list it under `secrets`")))?;
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let key = Key::parse(&secret).map_err(|why| Failure::permanent(format!("secret `{name}` cannot sign: {why}")))?;
        for (name, value) in signed_headers(&[key], &job.id, seconds, body.as_bytes()) {
            set(&mut headers, name, &value);
        }
    }
    Ok(http::Request { method, url, headers, body: body.into_bytes() })
}

/// Renders the headers. `text` is a JSON object of names and templates.
fn render_headers(templates: &Templates, text: &str) -> Result<Vec<(String, String)>, Failure> {
    let table: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| Failure::permanent(format!("config `headers` is not a table: {error}")))?;
    let mut headers = Vec::new();
    for (name, template) in table {
        let key = format!("headers.{name}");
        let template = template.as_str().ok_or_else(|| Failure::permanent(format!("config `{key}` is not a string")))?;
        headers.push((name.to_ascii_lowercase(), templates.render(&key, template)?));
    }
    Ok(headers)
}

/// Sets a header, and replaces one of that name from the config.
fn set(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    headers.retain(|(existing, _)| existing != name);
    headers.push((name.to_owned(), value.to_owned()));
}

/// Fails if the URL's path has a segment `.` or `..`, also if it is written as `%2e`. Servers resolve these, so a body could reach
/// another path than the one that the operator wrote.
fn refuse_dot_segments(url: &str) -> Result<(), Failure> {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    if path.split('/').skip(3).any(|segment| matches!(segment, "." | "..")) {
        return Err(Failure::permanent("config `url`: the path has `.` or `..` in it after rendering"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
