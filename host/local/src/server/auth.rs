//! Authentication: finds the caller of a request by its bearer token (RFC 6750), before the body is read.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use postdate_core::access::{Caller, Scope};
use postdate_core::api::{ApiError, Code, is_public};
use postdate_core::time::rfc3339;
use subtle::ConstantTimeEq as _;

use crate::keys::{self, Digest, Key, MASTER};

/// The address of the client, as an extension of a request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// The keys of a server. Without any, everybody may post, read and change, and nobody may upload.
pub struct Auth {
    /// Digest of `POSTDATE_API_KEY`, which may do everything.
    master: Option<Digest>,
    file: Option<Mutex<KeysFile>>,
    /// True if only programs of this machine reach the server.
    loopback: bool,
    failures: Mutex<Failures>,
}

impl Auth {
    /// Fails if the keys file is not usable now, or if a key of the file is also the one that may do everything: a client's variable
    /// `POSTDATE_API_KEY` reaches a server that is started in the same shell.
    pub fn open(api_key: Option<&str>, file: Option<PathBuf>, loopback: bool) -> anyhow::Result<Self> {
        let file = file.map(KeysFile::open).transpose().map_err(anyhow::Error::msg)?;
        // An empty variable protects nothing.
        let master = api_key.filter(|key| !key.trim().is_empty()).map(keys::digest);
        if let Some(Key { name, .. }) = file.iter().flat_map(|file| &file.keys).find(|key| Some(key.sha256) == master) {
            anyhow::bail!("POSTDATE_API_KEY has the token of the key {name:?} in the keys file, which would get every right: unset it");
        }
        Ok(Self { master, file: file.map(Mutex::new), loopback, failures: Mutex::default() })
    }

    /// Returns true if callers need a key.
    pub fn has_keys(&self) -> bool {
        self.master.is_some() || self.file.is_some()
    }

    /// Returns the caller of a request. A path that [`is_public`] needs no key; without a valid one, its caller has no rights. The answer
    /// to a wrong token is delayed; see [`Failures`].
    pub async fn authenticate(&self, parts: &Parts) -> Result<Caller, ApiError> {
        if !self.has_keys() {
            return Ok(self.anybody());
        }
        let needs_key = !is_public(parts.uri.path());
        let Some(token) = bearer_token(&parts.headers) else {
            return if needs_key { Err(refusal(parts.headers.contains_key(header::AUTHORIZATION))) } else { Ok(Caller::stranger()) };
        };
        match self.find(token, Utc::now()) {
            Ok(Some(caller)) => Ok(caller),
            // The token is right, so nobody guesses it.
            Err(expired) if needs_key => Err(expired),
            _ => {
                self.slow_down(parts).await?;
                if needs_key { Err(refusal(true)) } else { Ok(Caller::stranger()) }
            }
        }
    }

    /// Returns the caller of a request by the keys that are in force now; `None` without a valid key. Unlike [`Self::authenticate`], delays
    /// nothing: the request had a valid key when it came.
    pub fn caller_now(&self, headers: &HeaderMap) -> Option<Caller> {
        if !self.has_keys() {
            return Some(self.anybody());
        }
        self.find(bearer_token(headers)?, Utc::now()).ok().flatten()
    }

    /// Returns the caller of a server without keys. Only programs of the same machine see details of the host, and pause use cases.
    fn anybody(&self) -> Caller {
        let scopes = [Scope::Submit, Scope::Read, Scope::Change]
            .into_iter()
            .chain(self.loopback.then_some([Scope::Deploy, Scope::Operate]).into_iter().flatten());
        Caller { scopes: scopes.collect(), ..Caller::default() }
    }

    /// Returns the caller with this token, or `None` for a wrong one. Fails if the key has expired. The time of the comparison does not
    /// depend on the digests.
    fn find(&self, token: &str, now: DateTime<Utc>) -> Result<Option<Caller>, ApiError> {
        let given = keys::digest(token);
        let is_given = |digest: &Digest| bool::from(digest.ct_eq(&given));
        if self.master.as_ref().is_some_and(is_given) {
            return Ok(Some(Caller { name: Some(MASTER.to_owned()), ..Caller::everything() }));
        }
        let Some(file) = &self.file else { return Ok(None) };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.refresh();
        // Visits all keys, whichever one is found.
        let found = file.keys.iter().fold(None, |found: Option<&Key>, key| if is_given(&key.sha256) { Some(key) } else { found });
        match found {
            Some(Key { name, expires: Some(expires), .. }) if *expires <= now => {
                let detail = format!("the API key {name:?} expired at {}", rfc3339(*expires));
                Err(unauthorized(Code::KeyExpired, detail))
            }
            found => Ok(found.map(Key::caller)),
        }
    }

    /// Delays the answer to a failed authentication. Fails at once with 429 if too many answers to this client wait already.
    async fn slow_down(&self, parts: &Parts) -> Result<(), ApiError> {
        let peer = parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        let delay = self.failures.lock().unwrap_or_else(PoisonError::into_inner).delay(peer, Instant::now());
        let Some(delay) = delay else {
            let detail = "too many wrong API keys came from this address";
            let seconds = MAX_DELAY.as_secs().to_string();
            return Err(
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyFailures, detail).with_header(header::RETRY_AFTER, &seconds)
            );
        };
        tokio::time::sleep(delay).await;
        Ok(())
    }
}

fn refusal(given: bool) -> ApiError {
    let detail = if given { "the API key is wrong" } else { "send the API key as \"Authorization: Bearer …\"" };
    unauthorized(Code::Unauthorized, detail.to_owned())
}

fn unauthorized(code: Code, detail: String) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, detail).with_header(header::WWW_AUTHENTICATE, "Bearer")
}

/// Returns the bearer token of a request, if it has one.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

/// Time between the answers to two failures of one client.
const STEP: Duration = Duration::from_millis(100);
/// Longest delay of an answer. Limits the connections that wait to 20 for each client.
const MAX_DELAY: Duration = Duration::from_secs(2);
/// Limit of clients that are remembered. Each is forgotten [`MAX_DELAY`] after its last failure at the latest.
const MAX_CLIENTS: usize = 4096;

/// Delays answers to failed authentications, so that a client gets ten of them in a second. Right tokens are never delayed, also those
/// from the same address.
#[derive(Default)]
struct Failures {
    /// Time of the next answer to each client that failed lately.
    next: HashMap<IpAddr, Instant>,
}

impl Failures {
    /// Returns the delay of the answer to a failure at `now`, or `None` if it would exceed [`MAX_DELAY`].
    fn delay(&mut self, peer: IpAddr, now: Instant) -> Option<Duration> {
        let mut client = client_of(peer);
        if !self.next.contains_key(&client) && self.next.len() >= MAX_CLIENTS {
            self.next.retain(|_, next| *next > now);
            if self.next.len() >= MAX_CLIENTS {
                // All further clients share one place.
                client = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            }
        }
        let at = self.next.get(&client).map_or(now, |next| (*next).max(now)) + STEP;
        let delay = at - now;
        if delay > MAX_DELAY {
            return None;
        }
        self.next.insert(client, at);
        Some(delay)
    }
}

/// Returns the address that stands for a client: of IPv6 the network of 64 bits, since one client has all its addresses.
fn client_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// A keys file, which is read again when it has changed.
struct KeysFile {
    path: PathBuf,
    keys: Vec<Key>,
    /// State of the file when it was read last; `None` if it may have changed during that.
    seen: Option<Stamp>,
    /// The last error, which is logged once.
    error: Option<String>,
}

/// Identifies a content of a file: device, inode, size, mode, and times of the last change of content and of status.
type Stamp = (u64, u64, u64, u32, (i64, i64), (i64, i64));

/// Age from which the times of a file tell two contents apart. A file system's clock has steps of some milliseconds.
const SETTLED: Duration = Duration::from_millis(100);

impl KeysFile {
    fn open(path: PathBuf) -> Result<Self, String> {
        let seen = stamp(&path);
        let keys = keys::read(&path).map_err(|reason| format!("the keys file {} {reason}", path.display()))?;
        Ok(Self { path, keys, seen, error: None })
    }

    /// Reads the file again if it has changed. Keeps the former keys if the new content is not usable.
    fn refresh(&mut self) {
        let now = stamp(&self.path);
        if now.is_some() && now == self.seen {
            return;
        }
        match keys::read(&self.path) {
            Ok(keys) => {
                if self.error.take().is_some() || keys != self.keys {
                    tracing::info!(file = %self.path.display(), keys = keys.len(), "API keys loaded");
                }
                (self.keys, self.seen) = (keys, now);
            }
            Err(reason) => {
                if self.error.as_ref() != Some(&reason) {
                    tracing::error!(file = %self.path.display(), reason, "the keys file is not usable; the former keys stay valid");
                }
                (self.error, self.seen) = (Some(reason), now);
            }
        }
    }
}

/// Returns the state of the file, or `None` if it cannot be read or if the file changed a moment ago.
fn stamp(path: &std::path::Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    let changed = DateTime::from_timestamp(file.ctime(), u32::try_from(file.ctime_nsec()).ok()?)?;
    let is_settled = (Utc::now() - changed).to_std().is_ok_and(|age| age > SETTLED);
    is_settled
        .then(|| (file.dev(), file.ino(), file.size(), file.mode(), (file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec())))
}

#[cfg(test)]
mod tests;
