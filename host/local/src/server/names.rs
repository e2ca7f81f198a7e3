//! Refuses calls that a web page of another origin makes through somebody's browser: by a DNS name that it points at this server, or
//! across origins.

use std::net::IpAddr;

use http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{StatusCode, Version};
use postdate_core::api::{ApiError, Code};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A name or an IP address of the server, in lower case and without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    /// Fails unless the text is a host name or an IP address, without a port.
    pub fn parse(text: &str) -> Result<Self, String> {
        match authority(text) {
            Some(host) if host.port().is_none() && !text.ends_with(':') => Ok(Self(name_of(&host))),
            _ => Err("write a host name or an IP address, without a scheme and a port".to_owned()),
        }
    }
}

/// Refuses a call whose `Host` is missing, ambiguous or no name of this server, and one that comes from another origin. `local` is the
/// server's address of the connection. Names of this server are that address, loopback addresses, `localhost`, and `names`.
pub fn check(parts: &Parts, local: IpAddr, names: &[HostName]) -> Result<(), ApiError> {
    let hosts = texts(&parts.headers, &HOST);
    let bad = |detail: &str| Err(ApiError::new(StatusCode::BAD_REQUEST, Code::BadHost, detail));
    let host = match hosts.as_slice() {
        [] if parts.version < Version::HTTP_11 => None,
        [] => return bad("the request has no Host: HTTP/1.1 requires one"),
        [host] => match authority(host) {
            Some(host) => Some(host),
            None => return bad("the Host is not a name with an optional port"),
        },
        _ => return bad("the request has more than one Host"),
    };
    // A target in absolute form overrides the header (RFC 9112, 3.2.2).
    for host in host.iter().chain(parts.uri.authority()) {
        if !is_ours(&name_of(host), local, names) {
            let detail = "the Host is no name of this server: call it by its address, or start it with --host NAME";
            return Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, Code::UnknownHost, detail));
        }
    }
    let is_foreign = |origin: &String| !host.as_ref().is_some_and(|host| is_same_origin(origin, host, names));
    let sites = texts(&parts.headers, &SEC_FETCH_SITE);
    if texts(&parts.headers, &ORIGIN).iter().any(is_foreign) || sites.iter().any(|site| !["same-origin", "none"].contains(&site.as_str())) {
        let detail = "a web page of another origin made this call, and pages may not call this API";
        return Err(ApiError::new(StatusCode::FORBIDDEN, Code::CrossOrigin, detail));
    }
    Ok(())
}

fn is_ours(name: &str, local: IpAddr, names: &[HostName]) -> bool {
    let is_address = |ip: IpAddr| ip.to_canonical().is_loopback() || ip.to_canonical() == local.to_canonical();
    name == "localhost" || name.parse().is_ok_and(is_address) || names.iter().any(|known| known.0 == name)
}

/// Returns true for the origin that has the call's host and port. A proxy may replace the `Host`, so a name of [`HostName`]s on a
/// default port counts as well.
fn is_same_origin(origin: &str, host: &Authority, names: &[HostName]) -> bool {
    let stripped = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let Some(origin) = stripped.and_then(authority) else { return false };
    let is_named = || origin.port().is_none() && names.iter().any(|known| known.0 == name_of(&origin));
    (name_of(&origin) == name_of(host) && origin.port_u16() == host.port_u16()) || is_named()
}

fn authority(text: &str) -> Option<Authority> {
    let authority = Authority::try_from(text).ok()?;
    (!authority.host().is_empty() && !text.contains('@')).then_some(authority)
}

/// Returns the name in lower case, without brackets and the root's dot.
fn name_of(authority: &Authority) -> String {
    let name = authority.host().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    name.trim_matches(['[', ']']).to_owned()
}

/// Returns all values of a header in lower case; the empty text for one that is not ASCII.
fn texts(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests;
