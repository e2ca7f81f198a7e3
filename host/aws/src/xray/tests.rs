use super::*;

const SAMPLED: &str = "Root=1-66f2a1b0-4dea0086f9763ac0667b115a;Parent=53995c3f42cd8ad8;Sampled=1";
const ADOPTED: &str = "00-66f2a1b04dea0086f9763ac0667b115a-53995c3f42cd8ad8-01";
const CLIENTS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// Checks the `traceparent` of a call with these headers; empty for none.
#[track_caller]
fn check(headers: &[(&'static str, &str)], expected: &str) {
    let mut headers: HeaderMap =
        headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect();
    adopt(&mut headers);
    let adopted = headers.get(TRACEPARENT).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(adopted.unwrap_or_default(), expected);
}

#[test]
fn a_sampled_context_is_adopted() {
    check(&[(HEADER, SAMPLED)], ADOPTED);
    check(&[(HEADER, &format!("Self=1-1-1; {};Lineage=a:0", SAMPLED.replace(';', "; ")))], ADOPTED);
    check(&[(HEADER, SAMPLED), (TRACEPARENT, "nonsense")], ADOPTED);
}

#[test]
fn a_clients_traceparent_is_kept() {
    check(&[(HEADER, SAMPLED), (TRACEPARENT, CLIENTS)], CLIENTS);
}

#[test]
fn a_context_that_nobody_records_or_that_cannot_be_read_is_ignored() {
    check(&[], "");
    check(&[(HEADER, &SAMPLED.replace("Sampled=1", "Sampled=0"))], "");
    check(&[(HEADER, "Root=1-66f2a1b0-4dea0086f9763ac0667b115a")], "");
    check(&[(HEADER, &SAMPLED.replace("53995c3f42cd8ad8", "0000000000000000"))], "");
    check(&[(HEADER, &SAMPLED.replace("1-66", "2-66"))], "");
    check(&[(HEADER, &SAMPLED.replace("66f2", "-+f2"))], "");
}

#[test]
fn a_context_is_written_as_it_was_read() {
    assert_eq!(header(parse(SAMPLED).unwrap()), SAMPLED);
    let clients: TraceParent = CLIENTS.parse().unwrap();
    assert_eq!(header(clients), "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=0");
}
