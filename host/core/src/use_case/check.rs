//! Checks the rules of a manifest that its types do not express. Each error names its key.

use std::collections::BTreeMap;
use std::time::Duration;

use jsonptr::Pointer;

use super::check_aws::check_aws;
use super::header_value::{self, Part};
use super::{ManifestError, PluginSpec, TIMEOUTS, Target, Targets, UseCase, fault};
use crate::file_name::{CASES_DIR, is_file_name};
use crate::plugin::Role;

/// Longest timeout of a validator. The client waits for the answer, and its call holds a slot meanwhile.
pub const MAX_VALIDATE_TIMEOUT: Duration = Duration::from_secs(30);
/// Range of memory limits: at least one page of WebAssembly memory.
const MEMORY_BYTES: std::ops::RangeInclusive<u64> = (64 << 10)..=(1 << 30);
/// Limit of `max-ahead`. It keeps every `triggerAt` in a year of four digits.
const MAX_AHEAD: Duration = Duration::from_hours(100 * 366 * 24);
/// Range of `expire-after`. Less than a second is within the lateness of a busy host.
const EXPIRE_AFTER: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=MAX_AHEAD;
/// Longest description, in characters. The list of use cases carries that of each.
const MAX_DESCRIPTION: usize = 1000;
/// Limit of labels. A ledger writes an entry of an index for each label of each request.
pub const MAX_LABELS: usize = 5;
/// Limit of targets. A host looks at the oldest request of each whenever it claims some, and `/metrics` has series of each.
const MAX_TARGETS: usize = 64;
/// Limit of secrets for one plugin. The host may have to fetch each while a call waits.
const MAX_SECRETS: usize = 20;

/// Headers that carry credentials for this API, for a proxy in front of it, or for the client's account. A validator that gets one can
/// hand it on. API keys of API Gateway, and what a load balancer adds after a login, are among them.
const CREDENTIAL_HEADERS: [&str; 7] =
    ["authorization", "proxy-authorization", "cookie", "x-amz-security-token", "x-api-key", "x-amzn-oidc-accesstoken", "x-amzn-oidc-data"];

/// Returns whether no validator gets the header of this name, in lower case.
pub fn is_credential_header(name: &str) -> bool {
    CREDENTIAL_HEADERS.contains(&name)
}

/// Fails if a validator's timeout is longer than [`MAX_VALIDATE_TIMEOUT`].
pub fn check_validate_timeout(use_case: &UseCase) -> Result<(), ManifestError> {
    match use_case.validate.as_ref().and_then(|spec| spec.timeout) {
        Some(timeout) if timeout > MAX_VALIDATE_TIMEOUT => {
            fault("validate.timeout", "must be from 10ms to 30s: a client waits for the validator")
        }
        _ => Ok(()),
    }
}

/// Fails if the description is longer than [`MAX_DESCRIPTION`].
pub fn check_description(use_case: &UseCase) -> Result<(), ManifestError> {
    match use_case.description.chars().count() {
        0..=MAX_DESCRIPTION => Ok(()),
        characters => fault("description", format!("has {characters} characters; the limit is {MAX_DESCRIPTION}")),
    }
}

/// Fails if there are more than [`MAX_TARGETS`].
pub fn check_target_count(use_case: &UseCase) -> Result<(), ManifestError> {
    match use_case.targets.iter().count() {
        0..=MAX_TARGETS => Ok(()),
        count => fault("targets", format!("has {count} targets; the limit is {MAX_TARGETS}")),
    }
}

/// Fails if a validator asks for a header with credentials.
pub fn check_headers(use_case: &UseCase) -> Result<(), ManifestError> {
    let mut asked = use_case.validate.iter().flat_map(|spec| &spec.headers);
    match asked.find(|name| is_credential_header(name)) {
        Some(name) => fault(
            "validate.headers",
            format!("{name:?} carries credentials, which no plugin gets: let clients send what the validator needs in another header"),
        ),
        None => Ok(()),
    }
}

pub fn check(use_case: &UseCase) -> Result<(), ManifestError> {
    check_name("name", &use_case.name)?;
    for role in [Role::Validate, Role::Process] {
        if let Some(spec) = use_case.plugin(role) {
            check_plugin(role, spec)?;
        }
    }
    check_targets(use_case)?;
    check_labels(&use_case.labels)?;
    if use_case.schedule.max_ahead.is_zero() || use_case.schedule.max_ahead > MAX_AHEAD {
        return fault("schedule.max-ahead", "must be more than 0s and at most 100 years");
    }
    if use_case.schedule.expire_after.is_some_and(|after| !EXPIRE_AFTER.contains(&after)) {
        return fault("schedule.expire-after", "must be from 1s to 100 years");
    }
    if use_case.retry.max_attempts == 0 || use_case.retry.max_attempts > 100 {
        return fault("retry.max-attempts", "must be from 1 to 100");
    }
    if !(1.0..=10.0).contains(&use_case.retry.backoff.factor) {
        return fault("retry.backoff.factor", "must be from 1 to 10");
    }
    if !(0.0..=1.0).contains(&use_case.retry.backoff.jitter) {
        return fault("retry.backoff.jitter", "must be from 0 to 1");
    }
    Ok(())
}

fn check_plugin(role: Role, spec: &PluginSpec) -> Result<(), ManifestError> {
    check_file(&format!("{role}.plugin"), &spec.plugin)?;
    if !TIMEOUTS.contains(&spec.timeout(role)) {
        return fault(format!("{role}.timeout"), "must be from 10ms to 15m");
    }
    if !MEMORY_BYTES.contains(&spec.memory) {
        return fault(format!("{role}.memory"), "must be from 64KiB to 1GiB");
    }
    if role == Role::Validate && !spec.allow_http.is_empty() {
        return fault("validate.allow-http", "a validator has no network: allow-http belongs to [process]");
    }
    if role == Role::Process && !spec.headers.is_empty() {
        return fault("process.headers", "only a validator sees request headers");
    }
    if let Some(upper) = spec.headers.iter().find(|name| name.chars().any(|c| c.is_ascii_uppercase())) {
        return fault("validate.headers", format!("write {upper:?} in lower case"));
    }
    for (index, origin) in spec.allow_http.iter().enumerate() {
        check_origin(&format!("process.allow-http[{index}]"), origin)?;
    }
    for (key, file) in &spec.config_files {
        check_file(&format!("{role}.config-files.{key}"), file)?;
    }
    if spec.secrets.len() > MAX_SECRETS {
        return fault(format!("{role}.secrets"), format!("a plugin may have at most {MAX_SECRETS} secrets"));
    }
    for (index, name) in spec.secrets.iter().enumerate() {
        check_secret(&format!("{role}.secrets[{index}]"), name)?;
    }
    let mut keys: Vec<&String> = spec.config.keys().chain(spec.config_files.keys()).chain(&spec.secrets).collect();
    keys.sort();
    if let Some([twice, _]) = keys.array_windows().find(|[one, next]| one == next) {
        return fault(format!("{role}.config"), format!("{twice:?} is given twice among config, config-files and secrets: remove one"));
    }
    Ok(())
}

fn check_targets(use_case: &UseCase) -> Result<(), ManifestError> {
    if use_case.process.is_none() && use_case.targets == Targets::default() {
        return fault("process", "is missing: requests go to its plugin by default; add [process], or name other targets in [targets]");
    }
    for (alias, target) in use_case.targets.iter() {
        check_name(&format!("targets.{alias}"), alias)?;
        match target {
            Target::Plugin { .. } if use_case.process.is_none() => {
                return fault(format!("targets.{alias}"), "is a plugin target, and there is no [process]: add it, with the plugin");
            }
            Target::Plugin { host: Some(host) } => check_name(&format!("targets.{alias}.host"), host)?,
            Target::Plugin { host: None } => {}
            Target::Http { url, timeout, headers, sign } => {
                check_url(&format!("targets.{alias}.url"), url)?;
                if !TIMEOUTS.contains(timeout) {
                    return fault(format!("targets.{alias}.timeout"), "must be from 10ms to 15m");
                }
                check_target_headers(&format!("targets.{alias}.headers"), headers)?;
                check_sign(&format!("targets.{alias}.sign"), sign)?;
                if target.secrets().len() > MAX_SECRETS {
                    return fault(format!("targets.{alias}"), format!("a target may have at most {MAX_SECRETS} secrets"));
                }
            }
            other => {
                if let Some(aws) = other.aws() {
                    check_aws(&format!("targets.{alias}"), other, aws)?;
                }
            }
        }
    }
    if let Some((alias, _)) =
        use_case.targets.iter().find(|(alias, target)| target.is_direct() && !use_case.targets.limits(alias).is_none())
    {
        return fault(format!("targets.{alias}"), "is direct, so no host sees its attempts: remove concurrency and rate, or direct");
    }
    let known = use_case.targets.aliases().join(", ");
    if use_case.target(None).is_none() {
        return fault("targets.default", format!("{:?} is not among the targets: {known}", use_case.targets.default));
    }
    for (key, alias) in [("on.success", &use_case.on.success), ("on.failure", &use_case.on.failure)] {
        let Some(alias) = alias else { continue };
        match use_case.targets.get(alias) {
            None => return fault(key, format!("{alias:?} is not among the targets: {known}")),
            Some((_, Target::Plugin { .. })) => {
                return fault(key, format!("{alias:?} is a plugin; name a target that a host delivers to, such as one of the kind http"));
            }
            Some((_, target)) if target.is_direct() => {
                return fault(key, format!("{alias:?} is direct; name a target that a host delivers to"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), ManifestError> {
    if labels.len() > MAX_LABELS {
        return fault("labels", format!("a use case may have at most {MAX_LABELS} labels"));
    }
    for (name, pointer) in labels {
        let key = format!("labels.{name}");
        check_name(&key, name)?;
        if !Pointer::parse(pointer).is_ok_and(|pointer| !pointer.is_root()) {
            return fault(key, format!("{pointer:?} is not a JSON Pointer to a member of the body; write it as \"/customer/id\""));
        }
    }
    Ok(())
}

/// Checks the URL of a target. The message does not contain the URL, whose path and query may be secret.
fn check_url(key: &str, url: &str) -> Result<(), ManifestError> {
    let Ok(uri) = url.parse::<http::Uri>() else { return fault(key, "is not a URL") };
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return fault(key, "is not an http:// or https:// URL");
    }
    Ok(())
}

/// Fails if the URL of a target carries a user name or password.
pub fn check_user_info(use_case: &UseCase) -> Result<(), ManifestError> {
    for (alias, target) in use_case.targets.iter() {
        let Target::Http { url, .. } = target else { continue };
        let uri = url.parse::<http::Uri>().ok();
        if uri.as_ref().and_then(http::Uri::authority).is_some_and(|authority| authority.as_str().contains('@')) {
            let advice = "carries a user name or password: send a header, `headers = { authorization = \"Basic ${secret:NAME}\" }`";
            return fault(format!("targets.{alias}.url"), advice);
        }
    }
    Ok(())
}

/// Headers that describe the connection or the form of the message (RFC 9110, sections 7.6 and 8.4 to 8.6, and others). The HTTP client
/// sets them; a value of a manifest could break the request off, or split it in two.
const PROTOCOL_HEADERS: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
/// Headers of a delivery. A receiver relies on their values.
const DELIVERY_HEADERS: [&str; 5] = ["idempotency-key", "traceparent", "x-correlation-id", "x-postdate-attempt", "x-postdate-use-case"];
const SIGNATURE_HEADERS: [&str; 3] = ["webhook-id", "webhook-signature", "webhook-timestamp"];
/// Limits of a target's headers, so that a receiver with common limits takes them.
const MAX_HEADERS: usize = 32;
const MAX_HEADER_BYTES: usize = 4 << 10;

/// Checks the headers of a target. No message contains a value.
fn check_target_headers(key: &str, headers: &BTreeMap<String, String>) -> Result<(), ManifestError> {
    if headers.len() > MAX_HEADERS {
        return fault(key, format!("a target may have at most {MAX_HEADERS} headers"));
    }
    for (name, value) in headers {
        let key = format!("{key}.{name}");
        if name.chars().any(|c| c.is_ascii_uppercase()) {
            return fault(key, "write the name in lower case");
        }
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return fault(key, "is not the name of a header");
        }
        if PROTOCOL_HEADERS.contains(&name.as_str()) {
            return fault(key, "belongs to the protocol, and the host sets it as the request needs it: remove it");
        }
        if DELIVERY_HEADERS.contains(&name.as_str()) {
            return fault(key, "is a header of every delivery, and the host sets it: choose another name");
        }
        if SIGNATURE_HEADERS.contains(&name.as_str()) {
            return fault(key, "is a header of the signature: name the secret with `sign`");
        }
        if value.len() > MAX_HEADER_BYTES {
            return fault(key, "has more than 4 KiB");
        }
        // A secret may have other characters than a manifest's text; they are checked when it is read.
        if !value.is_ascii() || http::HeaderValue::from_str(value).is_err() {
            return fault(key, "has a character that a header cannot have: use visible ASCII and spaces");
        }
        let parts = header_value::parse(value).map_err(|message| ManifestError::Value { key: key.clone(), message: message.to_owned() })?;
        for part in parts {
            if let Part::Secret(name) = part {
                check_secret(&key, name)?;
            }
        }
    }
    Ok(())
}

fn check_sign(key: &str, names: &[String]) -> Result<(), ManifestError> {
    if names.len() > 2 || matches!(names, [one, other] if one == other) {
        return fault(key, "takes the name of one secret, or of two while a key is rotated");
    }
    names.iter().try_for_each(|name| check_secret(key, name))
}

/// The rule of [`is_use_case_name`], for messages.
pub const NAME_RULE: &str = "1 to 32 of a-z, 0-9 and \"-\"";

/// Returns true if the name matches `[a-z0-9-]{1,32}`. Such a name is safe as part of a path.
pub fn is_use_case_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=32).contains(&name.len()) && name.chars().all(legal)
}

fn check_name(key: &str, name: &str) -> Result<(), ManifestError> {
    if !is_use_case_name(name) {
        return fault(key, format!("{name:?} is not a name: {NAME_RULE}"));
    }
    Ok(())
}

/// Checks that a secret's name matches `[A-Za-z0-9_-]{1,64}`. The name becomes part of a path in the store of secrets, and must not
/// lead to those of another use case.
fn check_secret(key: &str, name: &str) -> Result<(), ManifestError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
        return fault(key, format!("{name:?} is not the name of a secret: 1 to 64 of A-Z, a-z, 0-9, \"_\" and \"-\""));
    }
    Ok(())
}

/// Names that a store, `plugin compile` or the test cases use beside a bundle's files.
const RESERVED_FILES: [&str; 3] = ["bundle.json", "compiled", CASES_DIR];

/// Checks that a file name is neither hidden, nor reserved, nor a path out of the bundle.
fn check_file(key: &str, file: &str) -> Result<(), ManifestError> {
    if file.starts_with('.') || file.contains('/') || !is_file_name(file) {
        return fault(key, format!("{file:?} is not the name of a file in the bundle"));
    }
    if RESERVED_FILES.contains(&file) {
        return fault(key, format!("{file:?} is a reserved name in a bundle: choose another"));
    }
    Ok(())
}

/// Checks an origin (RFC 6454): `scheme://host[:port]` and nothing after it.
fn check_origin(key: &str, origin: &str) -> Result<(), ManifestError> {
    let uri = origin.parse::<http::Uri>().ok();
    let good = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.path_and_query().is_none_or(|rest| rest.as_str() == "/")
            && !origin.ends_with('/')
    });
    if good {
        Ok(())
    } else {
        // Without the text: a path or a password in it may be secret.
        fault(key, "is not an origin; write it as \"https://api.example.com\" or \"http://127.0.0.1:9000\"")
    }
}
