//! Spans on AWS: the documents that X-Ray's daemon gets from the functions.

use std::net::UdpSocket;
use std::time::Duration;

use postdate_tests::stack::Options;
use serde_json::{Value, json};

use super::batches::{batch, envelopes};
use super::scene::Scene;
use crate::harness::{PAYLOAD, Receiver, text};

const ACCEPTED: &str = "1-66f2a1b0-4dea0086f9763ac0667b115a";
const FIRED: &str = "1-66f2b000-0123456789abcdef01234567";
const SEGMENT: &str = "53995c3f42cd8ad8";

/// X-Ray's daemon, as Lambda runs it beside a function.
struct Daemon(UdpSocket);

impl Daemon {
    fn start() -> (Self, Options) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        let address = socket.local_addr().expect("the address").to_string();
        (Self(socket), Options { variables: vec![("AWS_XRAY_DAEMON_ADDRESS".to_owned(), address)], ..Options::default() })
    }

    /// Returns the documents that came. A function sends each before it answers.
    fn documents(&self) -> Vec<Value> {
        let mut buffer = vec![0; 65_535];
        let datagrams = std::iter::from_fn(|| {
            let length = self.0.recv(&mut buffer).ok()?;
            Some(buffer[..length].to_vec())
        });
        let document = |datagram: Vec<u8>| {
            let (header, document) = datagram.split_at(datagram.iter().position(|byte| *byte == b'\n').expect("a header") + 1);
            assert_eq!(header, b"{\"format\":\"json\",\"version\":1}\n");
            serde_json::from_slice(document).expect("a document")
        };
        datagrams.map(document).collect()
    }
}

fn header(trace: &str, sampled: u8) -> String {
    format!("Root={trace};Parent={SEGMENT};Sampled={sampled}")
}

/// Returns the names of the children of a subsegment, in the order of their ends, after a check of their times.
#[track_caller]
fn children<'a>(of: &Value, documents: &'a [Value]) -> Vec<&'a str> {
    let seconds = |document: &Value, name: &str| document[name].as_f64().expect("a time in seconds");
    let children = documents.iter().filter(|document| document["parent_id"] == of["id"]);
    let names = children.map(|child| {
        assert!(seconds(of, "start_time") <= seconds(child, "start_time") && seconds(child, "end_time") <= seconds(of, "end_time"));
        assert_eq!(child["trace_id"], of["trace_id"]);
        text(child, "name")
    });
    names.collect()
}

/// Returns the only subsegment of this name, after a check that it lies in the segment of an invocation in this trace.
#[track_caller]
fn only<'a>(name: &str, trace: &str, documents: &'a [Value]) -> &'a Value {
    let mut found = documents.iter().filter(|document| document["name"] == name);
    let document = found.next().unwrap_or_else(|| panic!("no {name} in {documents:?}"));
    assert!(found.next().is_none(), "{documents:?}");
    let place = [&document["trace_id"], &document["parent_id"], &document["type"]];
    assert_eq!(place, [trace, SEGMENT, "subsegment"], "{document}");
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_its_attempt_are_subsegments_of_their_invocations() {
    let ((daemon, options), receiver) = (Daemon::start(), Receiver::accepting().await);
    let manifest = format!(
        "[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\nhook = {{ kind = 'http', url = '{}' }}\n",
        receiver.url("/hook?token=not-in-a-span")
    );
    let scene = Scene::with(&manifest, options).await;
    scene.stack.emulator.set_trace(&header(ACCEPTED, 1));
    let (id, due) = scene.post(json!({ "target": "hook", "note": PAYLOAD }), "PT30S").await;
    let accepted = daemon.documents();
    let accept = only("accept", ACCEPTED, &accepted);
    assert_eq!(accept["annotations"], json!({ "http_status": 202, "postdate_use_case": "puppet", "postdate_correlation_id": id }));
    assert_eq!((children(accept, &accepted), accepted.len()), (vec!["validate", "commit"], 3));

    scene.stack.emulator.set_trace(&header(FIRED, 1));
    scene.stack.clock.set(due);
    scene.settle().await;
    let fired = daemon.documents();
    let attempt = only("attempt", FIRED, &fired);
    let annotations = json!({
        "postdate_correlation_id": id, "postdate_use_case": "puppet", "postdate_target": "hook", "postdate_attempt": 1,
        "postdate_accepted_trace_id": ACCEPTED, "postdate_outcome": "succeeded",
    });
    assert_eq!((&attempt["annotations"], attempt.get("fault")), (&annotations, None));
    assert_eq!((children(attempt, &fired), fired.len()), (vec!["claim", "delivery", "record"], 4));

    let all = json!([accepted, fired]).to_string();
    for private in [PAYLOAD, "not-in-a-span", "/hook", "/requests"] {
        assert!(!all.contains(private), "{private} is in {all}");
    }
    // The spans are no lines of the log, and their fields none of its members.
    let logs = format!("{}{}", scene.processor.log().text(), scene.target.log().text());
    assert!(logs.contains("\"message\":\"fired\"") && !logs.contains("postdate_use_case") && !logs.contains(SEGMENT), "{logs}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_of_a_batch_has_its_own_subsegment_and_nothing_is_sent_of_what_xray_does_not_record() {
    let (daemon, options) = Daemon::start();
    let scene = Scene::start(options).await;
    scene.stack.emulator.set_trace(&header(ACCEPTED, 0));
    let (first, _) = scene.post(json!({}), "PT1S").await;
    let (second, due) = scene.post(json!({ "process": { "do": "fail", "message": PAYLOAD } }), "PT1S").await;
    let (third, _) = scene.post(json!({}), "PT1H").await;
    let both: Vec<String> = envelopes(&scene).await.into_iter().filter(|envelope| !envelope.contains(&third)).collect();
    assert_eq!((both.len(), daemon.documents()), (2, Vec::new()));

    scene.stack.emulator.set_trace(&header(FIRED, 1));
    scene.stack.clock.set(due);
    assert_eq!(scene.target.invoke(&batch(&both)).await.unwrap(), json!({ "batchItemFailures": [] }));
    let fired = daemon.documents();
    assert_eq!(fired.len(), 8, "{fired:?}");
    for (id, outcome, fault) in [(first, "succeeded", Value::Null), (second, "failed", json!(true))] {
        let is_of = |document: &&Value| document["annotations"]["postdate_correlation_id"] == json!(id);
        let attempt = fired.iter().find(is_of).expect("the attempt");
        assert_eq!((&attempt["annotations"]["postdate_outcome"], &attempt["fault"]), (&json!(outcome), &fault), "{attempt}");
        assert_eq!(attempt["annotations"].get("postdate_accepted_trace_id"), None, "nobody recorded the call");
        assert_eq!(children(attempt, &fired), ["claim", "plugin", "record"]);
    }
    assert!(!json!(fired).to_string().contains(PAYLOAD), "{fired:?}");

    scene.stack.emulator.set_trace(&header(FIRED, 0));
    scene.settle().await;
    assert_eq!(daemon.documents(), Vec::<Value>::new());
    scene.assert_clean().await;
}
