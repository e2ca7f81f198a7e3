//! Renders the templates of the config.

mod body;

use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters,
    value::{Kwargs, Serde, ValueKind},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use postdate_plugin::{
    Failure, Job,
    serde_json::{self, json},
};

/// All characters except the unreserved ones of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Most names in an error, and the longest one.
const SHOWN_NAMES: usize = 20;
const MAX_NAME_BYTES: usize = 40;

/// Renders templates with the values of one job.
pub struct Templates {
    environment: Environment<'static>,
    context: Value,
}

impl Templates {
    /// Takes the values from the job and its body.
    ///
    /// # Errors
    /// A permanent failure if the job's body is not JSON.
    pub fn over(job: &Job) -> Result<Self, Failure> {
        // Checks the body and its depth, and names the place of an error.
        job.json::<serde_json::Value>()?;
        let body = body::value(&job.body).map_err(|error| Failure::permanent(format!("body: {error}")))?;
        let mut environment = Environment::new();
        // An undefined variable is an error: a typo must not send a URL with a part missing.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_filter("urlencode", urlencode);
        environment.add_filter("tojson", tojson);
        environment.add_filter("float", float);
        let job = json!({
            "id": job.id, "useCase": job.use_case, "target": job.target,
            "attempt": job.attempt, "scheduledFor": job.scheduled_for,
        });
        Ok(Self { environment, context: Value::from_pairs([("job", Value::from(Serde(job))), ("body", body)]) })
    }

    /// Renders the template of the config key `key`.
    ///
    /// # Errors
    /// A permanent failure that names the key and, for an undefined variable, the variable and the names that there are. Its text
    /// contains no value of the body.
    pub fn render(&self, key: &str, template: &str) -> Result<String, Failure> {
        self.environment.render_str(template, self.context.clone()).map_err(|error| {
            let undefined = undefined(&error, template);
            let detail = match (error.detail(), undefined) {
                (Some(detail), Some(name)) if !detail.contains(name) => format!(": {detail}, `{name}`"),
                (Some(detail), _) => format!(": {detail}"),
                (None, _) => String::new(),
            };
            let there = undefined.and_then(|name| self.names_beside(name)).unwrap_or_default();
            Failure::permanent(format!("config `{key}`, line {}: {}{detail}{there}", error.line().unwrap_or(1), error.kind()))
        })
    }

    /// Returns a clause with the names that stand beside an undefined variable such as `body.typo`. Returns nothing for another
    /// expression, and for a variable of the template itself.
    fn names_beside(&self, path: &str) -> Option<String> {
        let (parent, _) = path.rsplit_once('.').unwrap_or(("", path));
        let segments = parent.split('.').filter(|segment| !segment.is_empty());
        let value = segments.clone().try_fold(self.context.clone(), |value, segment| value.get_attr(segment).ok())?;
        if value.kind() != ValueKind::Map {
            return None;
        }
        // A member's name may itself be data, such as an address: only names that a template can write after a dot are shown.
        let all: Vec<String> = value.try_iter().ok()?.map(|name| name.to_string()).collect();
        let shown: Vec<String> = all.iter().filter(|name| is_name(name)).take(SHOWN_NAMES).map(|name| format!("`{name}`")).collect();
        let more = match all.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let whose = if parent.is_empty() { "a template".to_owned() } else { format!("`{parent}`") };
        let names = if shown.is_empty() { "no such names".to_owned() } else { shown.join(", ") };
        Some(format!("; {whose} has {names}{more}"))
    }
}

/// Returns the variable that an error is about, as the template writes it.
fn undefined<'a>(error: &'a Error, template: &'a str) -> Option<&'a str> {
    if error.kind() != ErrorKind::UndefinedError {
        return None;
    }
    let quoted = error.detail().and_then(|detail| detail.split('`').nth(1));
    // A filter's own error has only a place: the variable stands before the filter.
    let filtered = || {
        let (expression, _) = template.get(..error.range()?.end)?.rsplit_once('|')?;
        expression.trim_end().rsplit(|letter: char| !letter.is_ascii_alphanumeric() && !"_.".contains(letter)).next()
    };
    quoted.or_else(filtered).filter(|name| !name.is_empty())
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && text.len() <= MAX_NAME_BYTES
}

/// Percent-encodes a value, more strictly than minijinja's own filter: it encodes a slash too, so that a value cannot change the
/// path, and an undefined value is an error instead of an empty string.
fn urlencode(value: &Value) -> Result<String, Error> {
    if value.kind() == ValueKind::Plain
        && let Some(number) = body::text(value)
    {
        return Ok(utf8_percent_encode(number, RESERVED).to_string());
    }
    match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => Ok(utf8_percent_encode(&value.to_string(), RESERVED).to_string()),
        ValueKind::Undefined => Err(Error::new(ErrorKind::UndefinedError, "urlencode of an undefined value")),
        other => Err(Error::new(ErrorKind::InvalidOperation, format!("urlencode takes a string or a number, not a {other}"))),
    }
}

/// Writes a part of the body as the client wrote it, and any other value as minijinja's own filter does.
fn tojson(value: &Value, indent: Option<Value>, arguments: Kwargs) -> Result<Value, Error> {
    let plain = indent.is_none() && !arguments.has("indent");
    if let Some(text) = body::text(value).filter(|_| plain) {
        return Ok(Value::from_safe_string(text.to_owned()));
    }
    if body::has_number(value) {
        let detail = "tojson can write a number of this many digits only as a part of the body, without `indent`";
        return Err(Error::new(ErrorKind::InvalidOperation, detail));
    }
    filters::tojson(value, indent, arguments)
}

/// Converts to a number to count with, also a number of the body that has more digits than that.
fn float(state: &State, value: &Value, default: Option<Value>, arguments: Kwargs) -> Result<Value, Error> {
    match body::text(value).and_then(|text| text.parse::<f64>().ok()) {
        Some(number) => Ok(Value::from(number)),
        None => filters::float(state, value, default, arguments),
    }
}

#[cfg(test)]
mod tests;
