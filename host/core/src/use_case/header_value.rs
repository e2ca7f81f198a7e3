//! Parses the value of a header of an `http` target: text, with `${secret:NAME}` where the host puts a secret.

/// A part of a header's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    Text(&'a str),
    /// The name of a secret.
    Secret(&'a str),
}

const OPEN: &str = "${";
const SECRET: &str = "secret:";

/// Splits a value into its parts. Fails at a `${` that does not begin `${secret:NAME}`; the message does not contain the value.
pub fn parse(value: &str) -> Result<Vec<Part<'_>>, &'static str> {
    let mut parts = Vec::new();
    let mut rest = value;
    while let Some((text, after)) = rest.split_once(OPEN) {
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        let (name, after) = after.strip_prefix(SECRET).and_then(|after| after.split_once('}')).ok_or("`${` must begin `${secret:NAME}`")?;
        parts.push(Part::Secret(name));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests;
