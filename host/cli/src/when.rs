//! Parses times and durations of the command line, before a request is sent.

use std::time::Duration;

use postdate_core::time::{TimeError, parse_delay, parse_time};

/// Checks an RFC 3339 time with an offset, and returns it unchanged.
pub fn at(text: &str) -> Result<String, TimeError> {
    parse_time(text).map(|_| text.to_owned())
}

/// Converts a delay such as `90s` or `1h30m` to ISO 8601; a delay in ISO 8601 stays unchanged.
pub fn delay(text: &str) -> Result<String, String> {
    if text.starts_with('P') {
        return parse_delay(text).map(|_| text.to_owned()).map_err(|error| error.to_string());
    }
    duration(text).map(iso8601)
}

/// Parses a duration such as `90s`, `500ms` or `1h 30m`. Refuses months and years.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units = || text.split(|c: char| !c.is_alphabetic()).filter(|unit| !unit.is_empty());
    // humantime takes averages for them: "1month" would be 30.44 days.
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
