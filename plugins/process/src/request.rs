//! Builds the request from config and job.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postdate_plugin::{
    Failure, Job, http,
    serde_json::{self, Map, Value},
};

use crate::{signature, template::Templates};

/// Builds the request. `config` looks up a key; `now` is the time of the signature.
///
/// # Errors
/// A permanent failure that names the config key, since another attempt has the same config and the same body.
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
        let signed = signature::headers(&secret, &job.id, seconds, body.as_bytes())
            .map_err(|reason| Failure::permanent(format!("secret `{name}` cannot sign: {reason}")))?;
        for (name, value) in signed {
            set(&mut headers, &name, &value);
        }
    }
    Ok(http::Request { method, url, headers, body: body.into_bytes() })
}

/// Renders the headers of `text`, a JSON object of names and templates.
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

/// Sets a header, and replaces one of the same name from the config.
fn set(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    headers.retain(|(existing, _)| existing != name);
    headers.push((name.to_owned(), value.to_owned()));
}

/// Fails if the path has a segment `.` or `..`, also written with `%2e`. Servers resolve such a segment, so that a value from the
/// body could leave the path of the config.
fn refuse_dot_segments(url: &str) -> Result<(), Failure> {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    if path.split('/').skip(3).any(|segment| matches!(segment, "." | "..")) {
        return Err(Failure::permanent("config `url`: the path has `.` or `..` in it after rendering"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
