use std::io;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(filter: &str, log: impl FnOnce()) -> Vec<Value> {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    tracing::subscriber::with_default(subscriber(filter.parse().unwrap(), None, move || writer.clone()), log);
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_is_flat_and_has_the_fields_of_its_spans() {
    let lines = logged("info", || {
        let call = tracing::info_span!("call", request_id = "r-1", correlation_id = tracing::field::Empty);
        let _call = call.enter();
        call.record("correlation_id", "c-1");
        tracing::info!(use_case = "orders", attempt = 2_u32, late = 1.5, "fired \"now\"\n");
        tracing::warn!(correlation_id = %"c-2", "another");
        tracing::debug!("not asked for");
    });
    assert_eq!(lines.len(), 2);
    let first = lines[0].as_object().unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(first["timestamp"].as_str().unwrap()).is_ok());
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        ["timestamp", "level", "target", "message", "request_id", "correlation_id", "use_case", "attempt", "late"]
    );
    assert_eq!((&first["message"], &first["attempt"]), (&json!("fired \"now\"\n"), &json!(2)));
    assert_eq!((&first["request_id"], &first["correlation_id"]), (&json!("r-1"), &json!("c-1")));
    assert_eq!((&lines[1]["correlation_id"], &lines[1]["level"]), (&json!("c-2"), &json!("WARN")));
}

#[test]
fn traces_of_libraries_are_never_shown() {
    let lines = logged("trace", || {
        tracing::trace!(target: "aws_smithy_runtime::client", "a body");
        tracing::debug!(target: "aws_smithy_runtime::client", "a call");
        tracing::trace!(target: "postdate_aws::ledger", "ours");
    });
    assert_eq!(lines.iter().map(|line| line["message"].clone()).collect::<Vec<_>>(), ["a call", "ours"]);
}

#[test]
fn spans_of_libraries_add_nothing() {
    let lines = logged("info", || {
        let _span = tracing::info_span!(target: "lambda_runtime", "invoke", requestId = "r-1").entered();
        tracing::info!("hello");
    });
    assert_eq!((lines.len(), lines[0].get("requestId")), (1, None));
}
