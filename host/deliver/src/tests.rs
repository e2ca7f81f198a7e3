use super::*;

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = DateTime::parse_from_rfc3339("2027-01-01T00:00:00Z").unwrap().to_utc();
    assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
    assert_eq!(retry_after("Fri, 01 Jan 2027 00:01:00 GMT", now), Some(Duration::from_mins(1)));
    assert_eq!(retry_after("Thu, 01 Jan 2026 00:01:00 GMT", now), Some(Duration::ZERO));
    assert_eq!(retry_after("soon", now), None);
    assert_eq!(retry_after("-1", now), None);
}

/// An error of the HTTP client with an error of the operating system as its source.
#[derive(Debug)]
struct Above(io::Error);

impl std::fmt::Display for Above {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("client error (Connect)")
    }
}

impl std::error::Error for Above {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn lack_of_file_descriptors_is_a_host_fault_and_a_refused_connection_is_not() {
    let fault = |errno: Errno| host_fault(&Above(io::Error::from_raw_os_error(errno.raw_os_error())));
    for errno in [Errno::MFILE, Errno::NFILE] {
        assert_eq!(fault(errno).map(|fault| fault.waits_for).as_deref(), Some("a free file descriptor"));
    }
    assert_eq!(fault(Errno::CONNREFUSED), None);
}
