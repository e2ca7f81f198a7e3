//! Reads an event: the request for the core's API, its caller and its base path.

use bytes::Bytes;
use http::{Request, Uri};
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt as _};
use postdate_core::api::{Code, is_call};
use serde_json::Value;

use super::tame::is_malformed;

/// Prefix of the claims of an API with IAM authorization. Claims of another authorizer with this prefix are dropped.
const IAM: &str = "iam:";

/// One event of API Gateway (REST or HTTP API), of a function URL, or of a load balancer.
#[derive(Debug)]
pub struct Incoming {
    /// The request, whose path has neither stage nor base path.
    pub request: Request<Bytes>,
    /// Claims of the authorizer, sorted by name.
    pub caller: Vec<(String, String)>,
    /// The path before `/requests` in the URL that the client called.
    pub base_path: String,
}

/// The reason why an event is no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedEvent {
    #[error("the path and the query of the call are not those of a URI")]
    Uri,
    #[error("the event says that its body is base64, and it is not")]
    Body,
}

impl MalformedEvent {
    /// Returns the code of the answer.
    pub fn code(self) -> Code {
        match self {
            Self::Uri => Code::MalformedUri,
            Self::Body => Code::MalformedBody,
        }
    }
}

impl Incoming {
    /// Reads an event. Without a configured `base_path`, the base path is the stage if the called URL contains it.
    pub fn read(event: lambda_http::Request, base_path: Option<&str>) -> Result<Self, MalformedEvent> {
        if is_malformed(event.headers()) {
            return Err(MalformedEvent::Body);
        }
        let context = event.request_context_ref();
        let stage = context.and_then(stage).map(|stage| format!("/{stage}"));
        let caller = context.map(caller).unwrap_or_default();

        let raw = raw_path(&event, stage.as_deref());
        let path = path_of_call(raw, stage.as_deref(), base_path, context.is_some_and(has_stage_in_path));
        let uri = match event.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let uri = Uri::try_from(uri).map_err(|_| MalformedEvent::Uri)?;
        // The client's URL has the stage where the event's path had it, or where API Gateway has removed it.
        let in_url = |stage: &String| {
            let was_removed = || context.and_then(called_path).is_some_and(|called| called.strip_prefix(stage.as_str()) == Some(raw));
            without(raw, Some(stage.as_str())) == Some(path) && raw != path || was_removed()
        };
        let base_path = base_path.map(str::to_owned).or_else(|| stage.clone().filter(in_url));
        let (parts, body) = event.into_parts();
        let mut request = Request::new(bytes(body));
        *request.method_mut() = parts.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = parts.headers;
        Ok(Self { request, caller, base_path: base_path.unwrap_or_default() })
    }
}

/// Returns the path that the event has. `lambda_http` adds the stage to a path that does not begin with it.
fn raw_path<'a>(event: &'a lambda_http::Request, stage: Option<&str>) -> &'a str {
    let path = event.uri().path();
    let was_there = stage.is_none_or(|stage| event.raw_http_path().starts_with(&format!("{stage}/")));
    if was_there { path } else { without(path, stage).unwrap_or(path) }
}

/// Returns the path without stage and base path. Which of the two a path has depends on the kind of API, on the mapping of a custom
/// domain name, and on proxies in front, and either may also be the name of a use case or of a call. The first way that leaves the path
/// of a call is taken.
fn path_of_call<'a>(raw: &'a str, stage: Option<&str>, base: Option<&str>, stage_first: bool) -> &'a str {
    let base = base.filter(|base| !base.is_empty());
    let with_stage: [&[Option<&str>]; 3] = [&[stage, base], &[base, stage], &[stage]];
    let without_stage: [&[Option<&str>]; 2] = [&[base], &[]];
    let (first, then): (&[_], &[_]) = if stage_first { (&with_stage, &without_stage) } else { (&without_stage, &with_stage) };
    let ways = first.iter().chain(then);
    let left: Vec<&str> = ways.filter_map(|way| way.iter().try_fold(raw, |path, &start| without(path, Some(start?)))).collect();
    left.iter().find(|path| is_call(path)).or(left.first()).copied().unwrap_or(raw)
}

/// Returns the rest of a path that begins with the base, which is compared in whole segments.
fn without<'a>(path: &'a str, base: Option<&str>) -> Option<&'a str> {
    match path.strip_prefix(base?)? {
        "" => Some("/"),
        rest => rest.starts_with('/').then_some(rest),
    }
}

/// Returns whether the event's path begins with the stage: that of an HTTP API does, unless a custom domain name maps to the stage. A REST
/// API removes it.
fn has_stage_in_path(context: &RequestContext) -> bool {
    let RequestContext::ApiGatewayV2(context) = context else { return false };
    context.domain_name.as_ref().is_none_or(|name| name.contains(".execute-api."))
}

fn bytes(body: Body) -> Bytes {
    match body {
        Body::Text(text) => Bytes::from(text),
        Body::Binary(bytes) => Bytes::from(bytes),
        _ => Bytes::new(),
    }
}

fn stage(context: &RequestContext) -> Option<&str> {
    let stage = match context {
        RequestContext::ApiGatewayV1(context) => context.stage.as_deref(),
        RequestContext::ApiGatewayV2(context) => context.stage.as_deref(),
        _ => None,
    };
    stage.filter(|stage| !stage.is_empty() && *stage != "$default")
}

/// Returns the path as clients call it: with the stage, unless a custom domain name maps to it.
fn called_path(context: &RequestContext) -> Option<&str> {
    match context {
        RequestContext::ApiGatewayV1(context) => context.path.as_deref(),
        RequestContext::ApiGatewayV2(context) => context.http.path.as_deref(),
        _ => None,
    }
}

/// Returns JWT claims and a Lambda authorizer's context under their own names, and IAM's `iam:userArn`, `iam:accountId` and
/// `iam:callerId`.
fn caller(context: &RequestContext) -> Vec<(String, String)> {
    let mut claims = Vec::new();
    let mut iam = Vec::new();
    match context {
        RequestContext::ApiGatewayV1(context) => {
            let identity = &context.identity;
            iam.extend([("userArn", &identity.user_arn), ("accountId", &identity.account_id), ("callerId", &identity.caller)]);
            for (name, value) in &context.authorizer.fields {
                match value {
                    // A Cognito authorizer puts all claims of the token in one object.
                    Value::Object(inner) if name == "claims" => claims.extend(inner.iter().filter_map(claim)),
                    _ if name == "integrationLatency" => {}
                    _ => claims.extend(claim((name, value))),
                }
            }
        }
        RequestContext::ApiGatewayV2(context) => {
            let Some(authorizer) = &context.authorizer else { return Vec::new() };
            if let Some(jwt) = &authorizer.jwt {
                claims.extend(jwt.claims.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            claims.extend(authorizer.fields.iter().filter_map(claim));
            if let Some(of) = &authorizer.iam {
                iam.extend([("userArn", &of.user_arn), ("accountId", &of.account_id), ("callerId", &of.caller_id)]);
            }
        }
        _ => {}
    }
    claims.retain(|(name, _)| !name.starts_with(IAM));
    let iam = iam.into_iter().filter_map(|(name, value)| Some((format!("{IAM}{name}"), value.clone()?)));
    claims.extend(iam.filter(|(_, value)| !value.is_empty()));
    claims.sort();
    claims
}

/// Returns a string unchanged and another value as JSON; `None` for null.
fn claim((name, value): (&String, &Value)) -> Option<(String, String)> {
    match value {
        Value::Null => None,
        Value::String(text) => Some((name.clone(), text.clone())),
        other => Some((name.clone(), other.to_string())),
    }
}
