//! What a caller may write into a call, and the adapter of `lambda_http` takes for good: of a host, a scheme or a query
//! that make no URI, it makes a panic.

use std::net::Ipv4Addr;

use http::{HeaderMap, header};
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

const PROTO: &str = "x-forwarded-proto";
/// What a query may not hold as it is (RFC 3986, 3.4); what is encoded already stays.
const NOT_IN_A_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');

/// Makes the event one that the adapter can read. The host of a call means nothing here, so a bad one is left out.
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

/// Without a slash at its beginning, it would go on with the host.
fn tame_path(path: &mut Option<String>) {
    if let Some(path) = path
        && !path.starts_with('/')
    {
        path.insert(0, '/');
    }
}

/// A name or an IPv4 address, and perhaps a port. Narrower than what there is: an international name is none.
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
mod tests {
    use std::panic::catch_unwind;

    use serde_json::Value;

    use super::*;

    fn event(file: &str) -> Value {
        let path = format!("{}/tests/events/{file}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn read(event: &Value, tamed: bool) -> Option<lambda_http::Request> {
        let mut event: LambdaRequest = serde_json::from_value(event.clone()).unwrap();
        if tamed {
            tame(&mut event);
        }
        catch_unwind(|| lambda_http::Request::from(event)).ok()
    }

    #[test]
    fn no_host_makes_a_panic_and_a_good_one_stays() {
        let bad = ["a b", "[::1", "%zz", "", "a:b", "a:99999", "1.2.3.999", "xn--a", "a..b", "a@b@c", "#", "<script>", ":", "a:+1"];
        let mut panics = 0;
        for file in ["rest-iam.json", "http-jwt.json", "function-url.json", "alb.json"] {
            let good = event(file);
            let path = read(&good, false).unwrap().uri().path().to_owned();
            for host in bad {
                let mut event = good.clone();
                event["headers"]["host"] = host.into();
                panics += usize::from(read(&event, false).is_none());
                let request = read(&event, true).unwrap_or_else(|| panic!("{file}: {host:?}"));
                assert_eq!(request.uri().path(), path, "{file}: {host:?}");
            }
            for host in ["example.com", "127.0.0.1:9000", "localhost", "a-b.c_d.example:1"] {
                let mut event = good.clone();
                event["headers"]["host"] = host.into();
                assert_eq!(read(&event, true).unwrap().headers()["host"], host, "{file}");
            }
        }
        assert!(panics > 0, "the adapter needs this no more");
    }

    #[test]
    fn neither_does_a_scheme_a_path_or_a_query() {
        let mut event = event("function-url.json");
        event["headers"]["x-forwarded-proto"] = "ht tp".into();
        event["rawQueryString"] = "useCase=a b&x=<\"é\">&y=%20#z".into();
        event["rawPath"] = "requests/ü <x>".into();
        event["requestContext"]["domainName"] = "no domain".into();
        assert!(read(&event, false).is_none());
        let request = read(&event, true).unwrap();
        assert_eq!(request.uri().path(), "/requests/%C3%BC%20%3Cx%3E");
        assert_eq!(request.uri().query().unwrap(), "useCase=a%20b&x=%3C%22%C3%A9%22%3E&y=%20%23z");
    }
}
