//! Renders the templates of the config.

use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior, Value,
    value::{Serde, ValueKind},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use postdate_plugin::{
    Failure, Job,
    serde_json::{self, json},
};

/// All characters but the unreserved ones of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The environment and the variables of the templates for one job.
pub struct Templates {
    environment: Environment<'static>,
    context: Value,
}

impl Templates {
    /// Returns the templates with the variables of `job`.
    ///
    /// # Errors
    /// A permanent failure if the job's body is not JSON.
    pub fn over(job: &Job) -> Result<Self, Failure> {
        let body: serde_json::Value = job.json()?;
        let mut environment = Environment::new();
        // A typo in a template must not send an incomplete URL.
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

    /// Renders the template of a config key.
    ///
    /// # Errors
    /// A permanent failure that names the key. It contains no text of the template or the body.
    pub fn render(&self, key: &str, template: &str) -> Result<String, Failure> {
        self.environment.render_str(template, self.context.clone()).map_err(|error| {
            let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
            Failure::permanent(format!("config `{key}`, line {}: {}{detail}", error.line().unwrap_or(1), error.kind()))
        })
    }
}

/// Encodes a value for a URL. In contrast to minijinja's filter, it encodes slashes, so that a value cannot change the path, and
/// fails on an undefined value.
fn urlencode(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => Ok(utf8_percent_encode(&value.to_string(), RESERVED).to_string()),
        ValueKind::Undefined => Err(Error::new(ErrorKind::UndefinedError, "urlencode of an undefined value")),
        other => Err(Error::new(ErrorKind::InvalidOperation, format!("urlencode takes a string or a number, not a {other}"))),
    }
}

#[cfg(test)]
mod tests;
