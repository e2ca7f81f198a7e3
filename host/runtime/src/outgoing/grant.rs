//! Origins (RFC 6454): what a manifest's `allow-http` grants, and what a request goes to, in one comparable form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// Scheme, host and port. Equal when they mean the same place by name: `https://A.example` and `https://a.example:443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub https: bool,
    pub host: Host,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Ip(IpAddr),
    /// Lower-case.
    Name(String),
}

/// Why a text or a URL has no origin that can be granted; reads on after "its URL".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    #[error("cannot be read")]
    Syntax,
    #[error("is neither http nor https")]
    Scheme,
    #[error("names no host")]
    NoHost,
    #[error("carries a user name, which is not allowed")]
    UserInfo,
    #[error("has a port that is no number from 1 to 65535")]
    Port,
}

impl Origin {
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        Self::of(&text.parse().map_err(|_| OriginError::Syntax)?)
    }

    /// The origin that a request with this URL goes to.
    pub fn of(uri: &Uri) -> Result<Self, OriginError> {
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(OriginError::Scheme),
        };
        let authority = uri.authority().ok_or(OriginError::NoHost)?;
        if authority.as_str().contains('@') {
            return Err(OriginError::UserInfo);
        }
        let host = Host::parse(authority.host()).ok_or(OriginError::NoHost)?;
        // What stands behind the host: nothing, or a colon and a port. `port_u16` alone would take "a:" for no port.
        let port = match &authority.as_str()[authority.host().len()..] {
            "" if https => 443,
            "" => 80,
            _ => authority.port_u16().filter(|port| *port != 0).ok_or(OriginError::Port)?,
        };
        Ok(Self { https, host, port })
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(|ip| Self::Ip(ip.into()));
        }
        match text.parse::<Ipv4Addr>() {
            Ok(ip) => Some(Self::Ip(ip.into())),
            Err(_) if text.is_empty() => None,
            Err(_) => Some(Self::Name(text.to_ascii_lowercase())),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Origin {
    /// As it is written in a manifest: without the port where it is the scheme's own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default) = if self.https { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(grant: &str, url: &str, allowed: bool) {
        let grant = Origin::parse(grant).unwrap();
        let granted = Origin::parse(url).is_ok_and(|origin| origin == grant);
        assert_eq!(granted, allowed, "{url} under the grant {grant}");
    }

    #[test]
    fn a_grant_is_scheme_host_and_port() {
        check("https://api.example.com", "https://api.example.com/a?b=c", true);
        check("https://api.example.com", "https://API.Example.COM:443/", true);
        check("http://api.example.com:80", "http://api.example.com", true);
        check("https://api.example.com", "http://api.example.com", false);
        check("https://api.example.com", "https://api.example.com:8443", false);
        check("https://api.example.com", "https://api.example.com.evil.org", false);
        check("https://api.example.com", "https://evil.org/https://api.example.com", false);
        check("https://api.example.com", "https://x.api.example.com", false);
        check("https://api.example.com", "https://api.example.com.", false);
        check("https://api.example.com", "https://api.example.com@evil.org", false);
        check("https://api.example.com", "https://user@api.example.com", false);
        check("http://127.0.0.1:9000", "http://127.0.0.1:9000/hooks", true);
        check("http://127.0.0.1:9000", "http://2130706433:9000", false);
        check("http://127.0.0.1:9000", "http://localhost:9000", false);
        check("http://[::1]:9000", "http://[0:0:0:0:0:0:0:1]:9000/x", true);
        check("http://[::1]:9000", "http://[::2]:9000", false);
    }

    #[test]
    fn what_has_no_origin_says_why() {
        assert_eq!(Origin::parse("ftp://a.example"), Err(OriginError::Scheme));
        assert_eq!(Origin::parse("/path"), Err(OriginError::Scheme));
        assert_eq!(Origin::parse("http://u:p@a.example"), Err(OriginError::UserInfo));
        assert_eq!(Origin::parse("http://a.example:0"), Err(OriginError::Port));
        assert_eq!(Origin::parse("http://a.example:99999"), Err(OriginError::Port));
    }

    #[test]
    fn is_shown_as_a_manifest_has_it() {
        for text in ["https://api.example.com", "http://127.0.0.1:9000", "http://[::1]", "https://a.example:80"] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), text);
        }
    }
}
