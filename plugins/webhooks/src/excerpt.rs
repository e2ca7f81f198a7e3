//! Quotes the start of an answer in a failure, without the request's own secrets: a server may repeat the URL or a header in its page.

use percent_encoding::percent_decode_str;

/// Replaces a hidden text.
pub const HIDDEN: &str = "[hidden]";

/// Limit of the quoted text.
const LIMIT_CHARACTERS: usize = 200;
/// Shortest header value, segment of a path or value of a query that is hidden, in bytes. Shorter ones occur in any text.
const LEAST_BYTES: usize = 6;

/// Returns the first 200 characters of an answer, with every part of `url` after its origin, and every text of `secrets`, replaced by
/// [`HIDDEN`]. Segments of the path, values of the query and secrets are hidden if they have 6 bytes or more.
pub fn excerpt<'a>(answer: &str, url: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut hidden = parts(url);
    hidden.extend(secrets.into_iter().filter(|secret| secret.len() >= LEAST_BYTES).map(str::to_owned));
    // A text that contains another one is replaced first; otherwise its rest would stay readable.
    hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let mut text = answer.trim().to_owned();
    for part in &hidden {
        if text.contains(part) {
            text = text.replace(part, HIDDEN);
        }
    }
    text.chars().take(LIMIT_CHARACTERS).collect()
}

/// Returns the parts of a URL after its origin, as they are written, and decoded.
fn parts(url: &str) -> Vec<String> {
    let Some((_, rest)) = url.split_once("://") else { return Vec::new() };
    let rest = rest.split('#').next().unwrap_or_default();
    let (_, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // Two bytes at least: `/` alone stands in any text.
    let whole = [target, path, query].into_iter().filter(|part| part.len() > 1);
    let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    let pieces = path.split('/').chain(values).filter(|piece| piece.len() >= LEAST_BYTES);
    whole.chain(pieces).flat_map(|part| [part.to_owned(), percent_decode_str(part).decode_utf8_lossy().into_owned()]).collect()
}

#[cfg(test)]
mod tests;
