use std::time::Duration;

use http::StatusCode;
use postdate_core::testing::{at, new_request, sample_id};
use serde_json::{Map, Value};
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

const TRACE: &str = "1-66f2a1b0-4dea0086f9763ac0667b115a";
const SEGMENT: &str = "53995c3f42cd8ad8";

fn header(sampled: u8) -> String {
    format!("Root={TRACE};Parent={SEGMENT};Sampled={sampled}")
}

/// Runs `work` in an invocation with this header, with a log that shows everything. Returns the documents that the daemon gets.
fn sent(header: &str, work: impl FnOnce()) -> Vec<Value> {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    let layer = layer(&daemon.local_addr().unwrap().to_string());
    assert!(layer.is_some());
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::TRACE);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer).with(log), || {
        // Spans of the log lie between the invocation and its subsegments.
        let older = tracing::info_span!("call");
        invocation(Some(header)).in_scope(|| older.in_scope(|| tracing::info_span!("fire").in_scope(work)));
    });
    daemon.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 65_535];
    std::iter::from_fn(|| {
        let length = daemon.recv(&mut buffer).ok()?;
        let text = str::from_utf8(&buffer[..length]).unwrap();
        Some(serde_json::from_str(text.strip_prefix("{\"format\":\"json\",\"version\":1}\n").unwrap()).unwrap())
    })
    .collect()
}

/// Takes the members that differ from run to run. Returns the id, the begin and the end.
#[track_caller]
fn take(document: &mut Value) -> (String, f64, f64) {
    let members = document.as_object_mut().unwrap();
    let mut member = |name| members.remove(name).unwrap();
    let id = member("id").as_str().unwrap().to_owned();
    assert!(id.len() == 16 && u64::from_str_radix(&id, 16).is_ok(), "{id}");
    (id, member("start_time").as_f64().unwrap(), member("end_time").as_f64().unwrap())
}

fn answer(status: StatusCode) -> Response<Bytes> {
    Response::builder().status(status).header(CORRELATION_HEADER, "the-id").body(Bytes::new()).unwrap()
}

fn call(status: StatusCode) {
    let call = async { tracing::info_span!(target: TARGET, "commit").in_scope(|| answer(status)) };
    futures_util::FutureExt::now_or_never(accept("orders", call)).unwrap();
}

#[test]
fn a_call_is_a_subsegment_of_lambdas_segment_and_the_parent_of_its_steps() {
    let begin = seconds(SystemTime::now());
    let mut documents = sent(&header(1), || call(StatusCode::ACCEPTED));
    let times: Vec<_> = documents.iter_mut().map(take).collect();
    let [(_, commit_start, commit_end), (accept, start, end)] = &times[..] else { panic!("{times:?}") };
    assert!(begin <= *start && start <= commit_start && commit_start <= commit_end && commit_end <= end, "{begin} {times:?}");
    assert_eq!(
        documents,
        [
            json!({ "name": "commit", "trace_id": TRACE, "parent_id": accept, "type": "subsegment" }),
            json!({
                "name": "accept", "trace_id": TRACE, "parent_id": SEGMENT, "type": "subsegment",
                "annotations": { "http_status": 202, "postdate_use_case": "orders", "postdate_correlation_id": "the-id" },
            }),
        ]
    );
}

#[test]
fn a_call_that_failed_has_xrays_flag_and_no_name_from_its_path() {
    for (status, flag) in [(StatusCode::NOT_FOUND, "error"), (StatusCode::SERVICE_UNAVAILABLE, "fault")] {
        let documents = sent(&header(1), || call(status));
        let flags = ["error", "fault"].map(|name| documents[1].get(name).map(|_| name));
        assert_eq!(flags.into_iter().flatten().collect::<Vec<_>>(), [flag], "{documents:?}");
        assert_eq!(documents[1]["annotations"], json!({ "http_status": status.as_u16(), "postdate_correlation_id": "the-id" }));
    }
}

#[test]
fn an_attempt_begins_with_its_claim_and_names_the_trace_of_the_call() {
    let since = SystemTime::now() - Duration::from_secs(2);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok();
    let request = Request { trace, attempts: 2, ..new_request(sample_id(1), "orders", at(0)).request };
    let mut documents = sent(&header(1), || {
        let span = super::attempt(&request, since);
        span.record("postdate_outcome", "failed");
        span.record("fault", true);
    });
    let times: Vec<_> = documents.iter_mut().map(take).collect();
    assert!(times.iter().all(|(_, start, end)| (*start - seconds(since)).abs() < 0.001 && end - start >= 2.0), "{times:?}");
    assert_eq!(documents[0], json!({ "name": "claim", "trace_id": TRACE, "parent_id": times[1].0, "type": "subsegment" }));
    let id = request.id.to_string();
    let annotations = json!({
        "postdate_correlation_id": id, "postdate_use_case": "orders", "postdate_target": request.target, "postdate_attempt": 2,
        "postdate_accepted_trace_id": "1-0af76519-16cd43dd8448eb211c80319c", "postdate_outcome": "failed",
    });
    let attempt = json!({
        "name": "attempt", "trace_id": TRACE, "parent_id": SEGMENT, "type": "subsegment", "fault": true, "annotations": annotations,
    });
    assert_eq!(documents[1], attempt);
    let without = Request { trace: None, ..request };
    let documents = sent(&header(1), || drop(super::attempt(&without, since)));
    assert_eq!(documents[1]["annotations"].as_object().map(Map::len), Some(4), "{documents:?}");
}

#[test]
fn nothing_is_sent_of_an_invocation_that_nobody_records_nor_of_other_spans() {
    for header in [header(0), "Root=1-66f2a1b0-4dea0086f9763ac0667b115a".to_owned(), String::new()] {
        let made = sent(&header, || {
            assert!(invocation(Some(&header)).is_disabled() && invocation(None).is_disabled());
            call(StatusCode::ACCEPTED);
        });
        assert_eq!(made, Vec::<Value>::new(), "{header}");
    }
    let others = || {
        tracing::error_span!(target: "postdate_aws::target", "other").in_scope(|| tracing::error!("an event"));
        tracing::error!(target: TARGET, "an event");
    };
    assert_eq!(sent(&header(1), others), Vec::<Value>::new());
}

#[test]
fn addresses_have_one_of_two_forms() {
    for (address, expected) in [
        ("127.0.0.1:2000", true),
        ("tcp:127.0.0.1:1 udp:127.0.0.1:2000", true),
        ("udp:127.0.0.1:2000", true),
        ("", false),
        ("localhost:2000", false),
        ("tcp:127.0.0.1:2000", false),
    ] {
        assert_eq!(layer::<tracing_subscriber::Registry>(address).is_some(), expected, "{address}");
    }
}

/// The second datagram to a closed port gets the error of the first.
#[test]
fn a_missing_daemon_does_not_fail_a_call() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let layer = layer(&free.to_string());
    assert!(layer.is_some());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        invocation(Some(&header(1))).in_scope(|| (0..3).for_each(|_| call(StatusCode::ACCEPTED)));
    });
}
