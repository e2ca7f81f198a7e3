use http_body_util::Full;
use postdate_core::plugin::Role;

use super::*;
use crate::secrets::Mask;

fn usage() -> (Arc<NetworkUsage>, Arc<CallLog>) {
    let log = CallLog::new(Arc::new(crate::testing::identity("x", Role::Process)), "id".into(), Mask::default());
    (NetworkUsage::new(Arc::clone(&log)), log)
}

fn body(bytes: usize) -> WasiBody {
    Full::new(Bytes::from(vec![b'x'; bytes])).map_err(|never| match never {}).boxed_unsync()
}

#[track_caller]
fn notes(log: &CallLog) -> Vec<String> {
    log.finish().0.into_iter().map(|line| line.text).collect()
}

#[test]
fn requests_beyond_the_limit_are_refused() {
    let (usage, log) = usage();
    for _ in 0..REQUESTS {
        drop(usage.request().unwrap());
    }
    for _ in 0..3 {
        assert!(matches!(usage.request(), Err(Error::ConnectionLimitReached)));
    }
    assert_eq!(notes(&log), ["refused more than the limit of 256 HTTP requests that a call has"]);
    assert_eq!(usage.reached().unwrap().limit, REQUESTS);
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

#[tokio::test]
async fn the_body_limit_is_for_all_bodies_together() {
    let (usage, log) = usage();
    let half = usize::try_from(SENT_BYTES / 2).unwrap();
    for _ in 0..2 {
        usage.count_request(Request::new(body(half))).into_body().collect().await.unwrap();
    }
    let error = usage.count_request(Request::new(body(1))).into_body().collect().await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestBodySize(Some(SENT_BYTES))), "{error}");
    assert_eq!(notes(&log), ["refused more than the limit of 16777216 bytes of HTTP request bodies that a call has"]);
}

#[tokio::test]
async fn an_endless_response_is_stopped_at_the_limit() {
    struct Endless;
    impl Body for Endless {
        type Data = Bytes;
        type Error = Error;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 4096])))))
        }
    }
    let (usage, log) = usage();
    let mut response = usage.count_response(Response::new(Endless.boxed_unsync())).unwrap().into_body();
    let mut received = 0;
    let error = loop {
        match response.frame().await.unwrap() {
            Ok(frame) => received += frame.data_ref().unwrap().len() as u64,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::HttpResponseBodySize(Some(RECEIVED_BYTES))), "{error}");
    assert_eq!(received, RECEIVED_BYTES);
    assert_eq!(notes(&log), ["refused more than the limit of 67108864 bytes of HTTP responses that a call has"]);
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
