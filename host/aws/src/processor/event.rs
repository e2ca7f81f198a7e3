//! Reads an event: the request for the core's API, its caller and its base path.

use bytes::Bytes;
use http::{Request, Uri};
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt as _};
use serde_json::Value;

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

/// The path and query of a call do not form a URI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path and the query of the call are not those of a URI")]
pub struct MalformedUri;

impl Incoming {
    /// Reads an event. Without a configured `base_path`, the base path is the stage if the called URL contains it.
    pub fn read(event: lambda_http::Request, base_path: Option<&str>) -> Result<Self, MalformedUri> {
        let context = event.request_context_ref();
        let stage = context.and_then(stage).map(|stage| format!("/{stage}"));
        let seen_path = context.and_then(called_path).unwrap_or_else(|| event.raw_http_path()).to_owned();
        let caller = context.map(caller).unwrap_or_default();

        // lambda_http adds the stage to every path that lacks it.
        let path = without(event.uri().path(), stage.as_deref());
        let path = without(path, base_path);
        let uri = match event.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let uri = Uri::try_from(uri).map_err(|_| MalformedUri)?;
        let base_path = base_path.map(str::to_owned).or_else(|| stage.filter(|stage| without(&seen_path, Some(stage)) != seen_path));
        let (parts, body) = event.into_parts();
        let mut request = Request::new(bytes(body));
        *request.method_mut() = parts.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = parts.headers;
        Ok(Self { request, caller, base_path: base_path.unwrap_or_default() })
    }
}

/// Returns the path without the base, which is removed in whole segments only.
fn without<'a>(path: &'a str, base: Option<&str>) -> &'a str {
    match base.and_then(|base| path.strip_prefix(base)) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
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
