//! Cleans an event before `lambda_http` converts it: the conversion panics if the caller's host, scheme, path and query do not form
//! a URI.

use std::net::Ipv4Addr;

use http::{HeaderMap, header};
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

const PROTO: &str = "x-forwarded-proto";
/// Characters that a query may not hold (RFC 3986, 3.4). `%` is not among them, so that encoded characters stay as they are.
const NOT_IN_A_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');

/// Removes an invalid host or scheme, which the API does not use, and makes path and query valid.
pub fn tame(event: &mut LambdaRequest) {
    match event {
        LambdaRequest::ApiGatewayV1(event) => {
            tame_headers(&mut event.headers);
            event.request_context.domain_name.take_if(|name| !is_host(name));
            tame_path(&mut event.path);
        }
        LambdaRequest::ApiGatewayV2(event) => {
            tame_headers(&mut event.headers);
            event.request_context.domain_name.take_if(|name| !is_host(name));
            tame_path(&mut event.raw_path);
            if let Some(query) = &mut event.raw_query_string {
                *query = utf8_percent_encode(query, NOT_IN_A_QUERY).to_string();
            }
        }
        LambdaRequest::Alb(event) => {
            tame_headers(&mut event.headers);
            tame_path(&mut event.path);
        }
        _ => {}
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
