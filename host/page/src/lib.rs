//! The page, a client of the API, over HTTP. Its files are built into the program, if `page/dist` had them when this crate was compiled.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, REFERRER_POLICY};
use http::header::{HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Response, StatusCode};
use postdate_core::api::{ApiError, Code};
use postdate_core::bundle::hex;
use sha2::{Digest as _, Sha256};

/// Path of the page. Its files are below it.
pub const PATH: &str = "/ui";

/// Nothing but the page's own files and the API of the same origin: no inline script, no other host, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

struct File {
    name: &'static str,
    bytes: &'static [u8],
    tag: HeaderValue,
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let files: &[(&'static str, &'static [u8])] = &include!(concat!(env!("OUT_DIR"), "/files.rs"));
    files.iter().map(|&(name, bytes)| File { name, bytes, tag: tag(bytes) }).collect()
});

fn tag(bytes: &[u8]) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}\"", hex(&Sha256::digest(bytes)[..16]))).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Returns whether the program has the page.
pub fn is_built() -> bool {
    !FILES.is_empty()
}

/// Returns whether a path is [`PATH`] or below it.
pub fn has(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// Answers a call of [`PATH`] or a path below it. Needs no key: the files are the same for everybody, and hold no data.
///
/// # Errors
/// `no-page` (404) if the program was built without the page, `not-found` (404), `method-not-allowed` (405).
pub fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Result<Response<Bytes>, ApiError> {
    if !reads(method) {
        return Err(ApiError::method_not_allowed(path, "GET, HEAD"));
    }
    if !is_built() {
        let detail =
            "this program was built without the page: `cargo xtask serve` and `cargo xtask build` build it where Node.js is installed";
        return Err(ApiError::new(StatusCode::NOT_FOUND, Code::NoPage, detail));
    }
    let unknown = || ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, format!("the page has no file {path}"));
    let name = match path.strip_prefix(PATH).ok_or_else(unknown)? {
        "" => return Ok(to_page(StatusCode::PERMANENT_REDIRECT)),
        "/" => "index.html",
        below => below.strip_prefix('/').ok_or_else(unknown)?,
    };
    let file = FILES.iter().find(|file| file.name == name).ok_or_else(unknown)?;
    let is_known = matches(headers, &file.tag);
    let mut response = Response::new(Bytes::from_static(if is_known { b"" } else { file.bytes }));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let fields = response.headers_mut();
    fields.insert(ETAG, file.tag.clone());
    // A browser asks each time, and a new version of the program shows its page at once.
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(type_of(name)));
    fields.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// Redirects a browser from the root to the page. Returns `None` for another client, which wants the API's answer, and without a page.
pub fn from_root(method: &Method, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let wants_html = |value: &HeaderValue| value.to_str().is_ok_and(|types| types.contains("text/html"));
    (reads(method) && is_built() && headers.get_all(ACCEPT).iter().any(wants_html)).then(|| to_page(StatusCode::TEMPORARY_REDIRECT))
}

fn reads(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

/// Redirects to the path with a slash, to which the page's paths are relative. The target is relative, so that it fits behind a proxy that
/// adds a prefix.
fn to_page(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("ui/"));
    response
}

/// Returns whether `If-None-Match` names the tag (RFC 9110, 13.1.2).
fn matches(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|text| text == "*" || text.strip_prefix("W/").unwrap_or(text).as_bytes() == tag.as_bytes())
}

fn type_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}
