//! Cleans an event before `lambda_http` converts it: the conversion panics if the caller's host, scheme, path and query do not form
//! a URI, and if a body is not the base64 that it should be.

use std::net::Ipv4Addr;

use aws_smithy_types::base64;
use http::{HeaderMap, HeaderValue, header};
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

const PROTO: &str = "x-forwarded-proto";
/// Header that marks an event whose body is not the base64 that it should be. Nothing else of the event survives the conversion.
const MALFORMED: &str = "x-postdate-malformed-body";
/// Characters that a query may not hold (RFC 3986, 3.4). `%` is not among them, so that encoded characters stay as they are.
const NOT_IN_A_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');

/// Reads an event, and makes it one that `lambda_http` converts. Takes a null member, as test events of the console have it, for one that
/// is not there. Fails if the event is none of API Gateway, a function URL or a load balancer.
pub fn read_event(event: &str) -> serde_json::Result<LambdaRequest> {
    let without_nulls = |error: serde_json::Error| -> serde_json::Result<LambdaRequest> {
        let mut members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(event).map_err(|_| error)?;
        members.retain(|_, value| !value.is_null());
        serde_json::from_str(&serde_json::Value::Object(members).to_string())
    };
    let mut event: LambdaRequest = serde_json::from_str(event).or_else(without_nulls)?;
    tame(&mut event);
    Ok(event)
}

/// Removes an invalid host or scheme, which the API does not use, and makes path and query valid.
fn tame(event: &mut LambdaRequest) {
    match event {
        LambdaRequest::ApiGatewayV1(event) => {
            tame_headers(&mut event.headers);
            tame_body(&mut event.body, &mut event.is_base64_encoded, [&mut event.headers, &mut event.multi_value_headers]);
            event.request_context.domain_name.take_if(|name| !is_host(name));
            event.request_context.stage.take_if(|stage| stage.is_empty());
            tame_path(&mut event.path);
        }
        LambdaRequest::ApiGatewayV2(event) => {
            tame_headers(&mut event.headers);
            tame_body(&mut event.body, &mut event.is_base64_encoded, [&mut event.headers, &mut HeaderMap::new()]);
            event.request_context.domain_name.take_if(|name| !is_host(name));
            event.request_context.stage.take_if(|stage| stage.is_empty());
            tame_path(&mut event.raw_path);
            if let Some(query) = &mut event.raw_query_string {
                *query = utf8_percent_encode(query, NOT_IN_A_QUERY).to_string();
            }
        }
        LambdaRequest::Alb(event) => {
            tame_headers(&mut event.headers);
            tame_body(&mut event.body, &mut event.is_base64_encoded, [&mut event.headers, &mut event.multi_value_headers]);
            tame_path(&mut event.path);
        }
        _ => {}
    }
}

/// Returns whether [`tame`] has marked the event of these headers.
pub fn is_malformed(headers: &HeaderMap) -> bool {
    headers.contains_key(MALFORMED)
}

/// Decodes a body of base64 that is text. Marks the event if the body is no base64; a client cannot set the mark.
fn tame_body(body: &mut Option<String>, is_base64: &mut bool, headers: [&mut HeaderMap; 2]) {
    let [headers, others] = headers;
    headers.remove(MALFORMED);
    others.remove(MALFORMED);
    let Some(encoded) = body.as_ref().filter(|_| *is_base64) else { return };
    let Ok(decoded) = base64::decode(encoded) else {
        headers.insert(MALFORMED, HeaderValue::from_static("base64"));
        (*body, *is_base64) = (None, false);
        return;
    };
    // A body that is no text stays encoded; the API refuses it.
    if let Ok(text) = String::from_utf8(decoded) {
        (*body, *is_base64) = (Some(text), false);
    }
}

fn tame_headers(headers: &mut HeaderMap) {
    let is = |name: &str, good: fn(&str) -> bool| headers.get(name).is_none_or(|value| value.to_str().is_ok_and(good));
    let (host, proto) = (is(header::HOST.as_str(), is_host), is(PROTO, |proto| proto == "http" || proto == "https"));
    if !host {
        headers.remove(header::HOST);
    }
    if !proto {
        headers.remove(PROTO);
    }
}

/// Adds a missing slash at the beginning; without it, the path would be read as part of the host.
fn tame_path(path: &mut Option<String>) {
    if let Some(path) = path
        && !path.starts_with('/')
    {
        path.insert(0, '/');
    }
}

/// Accepts a name or an IPv4 address, with or without a port. Refuses international names.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, "443"));
    let is_label = |label: &str| {
        let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        !label.is_empty() && label.bytes().all(legal) && !label.to_ascii_lowercase().starts_with("xn--")
    };
    let is_name =
        || name.split('.').all(is_label) && name.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic()));
    let is_port = port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok();
    text.len() <= 255 && is_port && (is_name() || name.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests;
