//! Times on the command line: `--at` and `--in`, checked here so that a slip is told before anything is sent.

use std::time::Duration;

use postdate_core::time::{parse_delay, parse_time};

/// An RFC 3339 time with an offset, as it was typed.
pub fn at(text: &str) -> Result<String, String> {
    parse_time(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// A delay, `PT90S` or `90s` or `1h30m`, as ISO 8601.
pub fn delay(text: &str) -> Result<String, String> {
    if text.starts_with('P') {
        return parse_delay(text).map(|_| text.to_owned()).map_err(|error| error.to_string());
    }
    duration(text).map(iso8601)
}

/// A duration such as `90s`, `500ms` or `1h 30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units = || text.split(|c: char| !c.is_alphabetic()).filter(|unit| !unit.is_empty());
    // humantime knows them, as averages; nobody who writes "1month" means 30.44 days.
    if units().any(|unit| unit.starts_with("mo") || unit == "M" || unit.starts_with('y')) {
        return Err("months and years have no fixed length: give days, or a time with --at".to_owned());
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 90s, 1h30m or PT90S"))
}

fn iso8601(duration: Duration) -> String {
    let fraction = format!("{:09}", duration.subsec_nanos());
    match fraction.trim_end_matches('0') {
        "" => format!("PT{}S", duration.as_secs()),
        fraction => format!("PT{}.{fraction}S", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests;
