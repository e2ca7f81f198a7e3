use http_body_util::Full;
use postdate_core::plugin::Role;

use super::*;
use crate::secrets::Mask;

fn usage() -> (Arc<Usage>, Arc<CallLog>) {
    let log = CallLog::new(Arc::new(crate::testing::identity("x", Role::Process)), "id".into(), Mask::default());
    (Usage::new(Arc::clone(&log)), log)
}

fn body(bytes: usize) -> WasiBody {
    Full::new(Bytes::from(vec![b'x'; bytes])).map_err(|never| match never {}).boxed_unsync()
}

#[track_caller]
fn notes(log: &CallLog) -> Vec<String> {
    log.finish().0.into_iter().map(|line| line.text).collect()
}

#[test]
fn only_open_connections_count_against_the_limit() {
    let (usage, log) = usage();
    let mut open: Vec<_> = (0..CONNECTIONS).map(|_| usage.request().unwrap()).collect();
    assert!(usage.request().is_err());
    open.pop();
    assert!(usage.request().is_ok());
    assert_eq!(notes(&log), ["refused more than the limit of 16 connections at once that a call has"]);
}

#[test]
fn response_heads_count_against_the_response_limit() {
    let (usage, _) = usage();
    for _ in 0..3 {
        let response = Response::builder().header("x", "y".repeat(30 << 20)).body(body(0)).unwrap();
        let _ = usage.count_response(response);
    }
    assert!(usage.reached().is_some());
}
