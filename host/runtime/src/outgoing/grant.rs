//! Origins (RFC 6454), in one comparable form for the grants of a manifest's `allow-http` and for the URLs of requests.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// Scheme, host and port. `https://A.example` and `https://a.example:443` are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub https: bool,
    pub host: OriginHost,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginHost {
    Ip(IpAddr),
    /// A name in lower case.
    Name(String),
}

/// A text or a URL has no origin that can be granted. The error continues a sentence that begins with "its URL".
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

    /// Returns the origin of a URL.
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
        let host = OriginHost::parse(authority.host()).ok_or(OriginError::NoHost)?;
        // The text after the host is empty, or a colon and a port. `port_u16` alone would read "a:" as a URL without a port.
        let port = match &authority.as_str()[authority.host().len()..] {
            "" if https => 443,
            "" => 80,
            _ => authority.port_u16().filter(|port| *port != 0).ok_or(OriginError::Port)?,
        };
        Ok(Self { https, host, port })
    }
}

impl OriginHost {
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

impl fmt::Display for OriginHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Origin {
    /// Writes the origin in the form of a manifest: without the port if it is the scheme's default.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default) = if self.https { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests;
