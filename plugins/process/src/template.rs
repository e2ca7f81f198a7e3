//! Rendering the templates of the config.

use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior, Value,
    value::{Serde, ValueKind},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use postdate_plugin::{
    Failure, Job,
    serde_json::{self, json},
};

/// All but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Templates over one job.
pub struct Templates {
    environment: Environment<'static>,
    context: Value,
}

impl Templates {
    /// # Errors
    /// A permanent failure where the job's body is not JSON.
    pub fn over(job: &Job) -> Result<Self, Failure> {
        let body: serde_json::Value = job.json()?;
        let mut environment = Environment::new();
        // A typo must not quietly send half a URL.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_filter("urlencode", urlencode);
        let context = json!({
            "job": {
                "id": job.id, "useCase": job.use_case, "target": job.target,
                "attempt": job.attempt, "scheduledFor": job.scheduled_for,
            },
            "body": body,
        });
        Ok(Self { environment, context: Value::from(Serde(context)) })
    }

    /// Renders the template that stands under `key` in the config.
    ///
    /// # Errors
    /// A permanent failure that names the key; it never repeats what the template or the body says.
    pub fn render(&self, key: &str, template: &str) -> Result<String, Failure> {
        self.environment.render_str(template, self.context.clone()).map_err(|error| {
            let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
            Failure::permanent(format!("config `{key}`, line {}: {}{detail}", error.line().unwrap_or(1), error.kind()))
        })
    }
}

/// Stricter than the filter that minijinja has: a slash is encoded as well, so that a value cannot reach another path,
/// and an undefined value is an error instead of nothing.
fn urlencode(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => Ok(utf8_percent_encode(&value.to_string(), RESERVED).to_string()),
        ValueKind::Undefined => Err(Error::new(ErrorKind::UndefinedError, "urlencode of an undefined value")),
        other => Err(Error::new(ErrorKind::InvalidOperation, format!("urlencode takes a string or a number, not a {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: Result<&str, &str>) {
        let job = Job {
            id: "id-1".into(),
            use_case: "webhook".into(),
            attempt: 2,
            body: r#"{"event":"a/b c","n":7,"data":{"x":[1,"\""]}}"#.into(),
            ..Job::default()
        };
        let actual = Templates::over(&job).unwrap().render("url", template);
        match (actual, expected) {
            (Ok(actual), Ok(expected)) => assert_eq!(actual, expected),
            (Err(failure), Err(part)) => {
                assert!(failure.message.starts_with("config `url`, line "), "{}", failure.message);
                assert!(failure.message.contains(part), "{}", failure.message);
                assert!(!failure.retry);
            }
            (actual, expected) => panic!("{actual:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_template_sees_job_and_body() {
        check("{{ job.id }} {{ job.useCase }} {{ job.attempt }}", Ok("id-1 webhook 2"));
        check("{{ body.event|urlencode }}/{{ body.n|urlencode }}", Ok("a%2Fb%20c/7"));
        check("{{ body.data|tojson }}", Ok(r#"{"x": [1, "\""]}"#));
        check("{% if job.attempt > 1 %}again{% endif %}", Ok("again"));
    }

    #[test]
    fn what_a_template_cannot_find_is_an_error() {
        check("{{ body.typo }}", Err("undefined value"));
        check("{{ body.typo|urlencode }}", Err("undefined value"));
        check("{{ body.data|urlencode }}", Err("not a map"));
        check("\n{{ body.", Err("line 2: syntax error"));
    }

    #[test]
    fn an_error_does_not_repeat_the_body() {
        let job = Job { body: r#"{"event":"SECRET"}"#.into(), ..Job::default() };
        let failure = Templates::over(&job).unwrap().render("body", "{{ body.event + 1 }}").unwrap_err();
        assert!(!failure.message.contains("SECRET"), "{}", failure.message);
    }
}
