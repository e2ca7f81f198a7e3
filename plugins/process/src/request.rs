//! From config and job to the one request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postdate_plugin::{
    Failure, Job, http,
    serde_json::{self, Map, Value},
};

use crate::{signature, template::Templates};

/// Builds the request; `config` looks a key up, `now` is the time of the signature.
///
/// # Errors
/// A permanent failure that names the config key: another attempt would find the same config and the same body.
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
            .map_err(|why| Failure::permanent(format!("secret `{name}` cannot sign: {why}")))?;
        for (name, value) in signed {
            set(&mut headers, &name, &value);
        }
    }
    Ok(http::Request { method, url, headers, body: body.into_bytes() })
}

/// `text` is a JSON object of names and templates.
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

/// A header that is ours: whatever the config says under that name gives way.
fn set(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    headers.retain(|(existing, _)| existing != name);
    headers.push((name.to_owned(), value.to_owned()));
}

/// `..` from a body could lead out of the path that the operator wrote: servers resolve it, and `%2e` as well.
fn refuse_dot_segments(url: &str) -> Result<(), Failure> {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    if path.split('/').skip(3).any(|segment| matches!(segment, "." | "..")) {
        return Err(Failure::permanent("config `url`: the path has `.` or `..` in it after rendering"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_SECONDS: u64 = 1_800_000_007;

    fn built(body: &str, config: &[(&str, &str)]) -> Result<http::Request, Failure> {
        let job = Job { id: "id-1".into(), attempt: 3, body: body.into(), ..Job::default() };
        let lookup = |key: &str| config.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        build(&job, &lookup, UNIX_EPOCH + Duration::from_secs(NOW_SECONDS))
    }

    #[track_caller]
    fn refused(body: &str, config: &[(&str, &str)], part: &str) {
        let failure = built(body, config).unwrap_err();
        assert!(failure.message.contains(part) && !failure.retry, "{failure:?}");
    }

    fn pairs(headers: &[(String, String)]) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn a_url_is_enough() {
        let request = built(r#"{"a": 1}"#, &[("url", "http://h/x")]).unwrap();
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "http://h/x"));
        assert_eq!(request.body, br#"{"a": 1}"#, "the body goes out as it came, byte for byte");
        let expected = [("content-type", "application/json"), ("x-correlation-id", "id-1"), ("x-postdate-attempt", "3")];
        assert_eq!(pairs(&request.headers), expected);
    }

    #[test]
    fn each_part_is_a_template() {
        let headers = r#"{"Content-Type": "text/plain", "X-Event": "{{ body.e }}", "X-Correlation-ID": "forged"}"#;
        let config =
            [("url", "http://h/{{ body.e|urlencode }}"), ("method", "{{ body.m }}"), ("headers", headers), ("body", "e={{ body.e }}")];
        let request = built(r#"{"e":"a/b","m":"put"}"#, &config).unwrap();
        assert_eq!((request.method.as_str(), request.url.as_str()), ("PUT", "http://h/a%2Fb"));
        assert_eq!(request.body, b"e=a/b");
        let expected = [("content-type", "text/plain"), ("x-event", "a/b"), ("x-correlation-id", "id-1"), ("x-postdate-attempt", "3")];
        assert_eq!(pairs(&request.headers), expected);
    }

    #[test]
    fn a_secret_signs_what_is_sent() {
        let config = [("url", "http://h/"), ("body", "B"), ("signing-secret", "KEY"), ("KEY", "secret")];
        let request = built("{}", &config).unwrap();
        let signed = signature::headers("secret", "id-1", NOW_SECONDS, b"B").unwrap();
        assert!(request.headers.ends_with(&signed));
    }

    #[test]
    fn what_is_wrong_with_the_config_is_named() {
        refused("{}", &[], "config `url` is missing");
        refused("{}", &[("url", "/hooks")], "config `url`: the request cannot be sent: the URL is not absolute");
        refused("{}", &[("url", "http://h/{{ body.x }}")], "config `url`, line 1");
        refused("{}", &[("url", "http://h/"), ("headers", "7")], "config `headers` is not a table");
        refused("{}", &[("url", "http://h/"), ("headers", r#"{"a":7}"#)], "config `headers.a` is not a string");
        refused("{}", &[("url", "http://h/"), ("headers", r#"{"a":"{{ x }}"}"#)], "config `headers.a`, line 1");
        refused("{}", &[("url", "http://h/"), ("signing-secret", "KEY")], "`KEY` is not granted");
        refused("{}", &[("url", "http://h/"), ("signing-secret", "KEY"), ("KEY", "whsec_!")], "secret `KEY` cannot sign");
        refused("[", &[("url", "http://h/")], "body at ``");
    }

    #[test]
    fn a_body_cannot_lead_out_of_the_path() {
        let config = [("url", "http://h/hooks/{{ body.e|urlencode }}")];
        refused(r#"{"e":".."}"#, &config, "`..`");
        refused(r#"{"e":"%2E."}"#, &[("url", "http://h/hooks/{{ body.e }}")], "`..`");
        assert_eq!(built(r#"{"e":"../x"}"#, &config).unwrap().url, "http://h/hooks/..%2Fx");
        assert_eq!(built(r#"{"e":"a..b"}"#, &config).unwrap().url, "http://h/hooks/a..b");
    }
}
