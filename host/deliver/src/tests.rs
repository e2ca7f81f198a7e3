use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use postdate_core::request::{Claimed, Request};
use postdate_core::testing::{FakeClock, new_request, sample_id};
use postdate_core::use_case::UseCase;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const LIMIT: Duration = Duration::from_secs(5);
/// The trace of each request.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A server that answers each request with the same bytes, which need not be HTTP, and then closes the connection or keeps it.
struct Receiver {
    address: SocketAddr,
    /// The requests of each connection.
    seen: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Receiver {
    async fn start(answer: &'static str, keep: bool) -> Self {
        Self::with(answer, keep, usize::MAX).await
    }

    /// Starts a server that answers the first requests of a connection, `count` of them, and closes it at the next one without an answer.
    async fn answering(answer: &'static str, count: usize) -> Self {
        Self::with(answer, true, count).await
    }

    async fn with(answer: &'static str, keep: bool, count: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = Arc::clone(&receiver.seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let index = {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.push(Vec::new());
                    seen.len() - 1
                };
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    while let Some(request) = read(&mut stream).await {
                        let requests = {
                            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                            seen[index].push(request);
                            seen[index].len()
                        };
                        if requests > count {
                            return;
                        }
                        stream.write_all(answer.as_bytes()).await.unwrap();
                        if !keep {
                            return;
                        }
                    }
                });
            }
        });
        receiver
    }

    fn seen(&self) -> Vec<Vec<String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Returns the next request of a connection; `None` at its end. The requests of these tests end with `}`.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
    }
    Some(String::from_utf8(request).unwrap())
}

fn deliverer(secrets: &'static [(&'static str, &'static str)]) -> HttpDeliver<FakeClock> {
    // An error means that another test has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let secrets = Secrets::of(|name| secrets.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
    let network = Network::new("127.0.0.0/8".parse().unwrap(), Vec::new());
    HttpDeliver::new(FakeClock::default(), network, secrets).unwrap()
}

/// Delivers to `http://{place}`, with further keys of the target.
async fn deliver_with(deliver: &HttpDeliver<FakeClock>, place: &str, keys: &str, timeout: Duration) -> Result<JobResult, HostFault> {
    let manifest = format!("name = 'a'\ntargets = {{ hook = {{ kind = 'http', url = 'http://{place}', {keys} }} }}");
    let use_case = UseCase::parse(&manifest).unwrap();
    let stored = new_request(sample_id(1), "a", FakeClock::default().now());
    let trace = TRACE.parse().ok();
    let claimed = Claimed { request: Request { trace, ..stored.request }, body: stored.body };
    deliver.deliver(Delivery { target: use_case.target(None).unwrap().1, timeout, claimed: &claimed }).await
}

async fn deliver_to(place: &str) -> JobResult {
    deliver_with(&deliverer(&[]), place, "timeout = '5s'", LIMIT).await.unwrap()
}

#[tokio::test]
async fn a_2xx_whose_body_breaks_off_is_a_success_that_says_so() {
    for (answer, result) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok", "ok… (the answer broke off)"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", "… (the answer broke off)"),
        ("HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n5\r\nx", "okx… (the answer broke off)"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nnonsense", "ok… (the answer broke off)"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok"),
    ] {
        let receiver = Receiver::start(answer, false).await;
        assert_eq!(deliver_to(&format!("{}/", receiver.address)).await, Ok(Some(result.to_owned())), "{answer}");
    }
}

#[tokio::test]
async fn a_2xx_whose_body_does_not_end_in_time_is_a_success_that_says_so() {
    let receiver = Receiver::start("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok", true).await;
    let place = format!("{}/", receiver.address);
    let result = deliver_with(&deliverer(&[]), &place, "timeout = '5s'", Duration::from_millis(300)).await.unwrap();
    assert_eq!(result, Ok(Some("ok… (the answer broke off)".to_owned())));
}

#[tokio::test]
async fn a_status_without_success_keeps_its_meaning_when_the_body_breaks_off() {
    let receiver = Receiver::start("HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 100\r\n\r\nlater", false).await;
    let failure = deliver_to(&format!("{}/", receiver.address)).await.unwrap_err();
    assert_eq!((failure.message.as_str(), failure.retry), ("the target answered 503 Service Unavailable: later", true));
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_failure_shows_no_more_of_a_url_than_its_origin() {
    // Nothing listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let failure = deliver_to(&format!("{gone}/services/TOKEN?sig=abc")).await.unwrap_err();
    assert!(failure.retry, "{failure:?}");
    assert!(failure.message.starts_with(&format!("the target http://{gone} could not be reached: ")), "{}", failure.message);
    assert!(!failure.message.contains("TOKEN") && !failure.message.contains("sig"), "{}", failure.message);

    let silent = Receiver::start("", true).await;
    let place = format!("{}/services/TOKEN?sig=abc", silent.address);
    let failure = deliver_with(&deliverer(&[]), &place, "timeout = '5s'", Duration::from_millis(300)).await.unwrap().unwrap_err();
    let expected = format!("the target http://{} did not answer in time: ", silent.address);
    assert!(failure.message.starts_with(&expected) && !failure.message.contains("TOKEN"), "{}", failure.message);
}

#[tokio::test]
async fn an_answer_that_repeats_url_and_headers_is_quoted_without_them() {
    let answer = "HTTP/1.1 404 Not Found\r\n\r\nCannot POST /services/TOKEN?sig=abc with Bearer s3cr3t, s3cr3t";
    let receiver = Receiver::start(answer, false).await;
    let place = format!("{}/services/TOKEN?sig=abc", receiver.address);
    let keys = "headers = { authorization = 'Bearer ${secret:KEY}' }";
    let failure = deliver_with(&deliverer(&[("KEY", "s3cr3t")]), &place, keys, LIMIT).await.unwrap().unwrap_err();
    assert_eq!(failure.message, "the target answered 404 Not Found: Cannot POST [hidden] with [hidden], [hidden]");
}

#[tokio::test]
async fn a_target_gets_its_headers_and_a_signature_for_each_key() {
    let receiver = Receiver::start("HTTP/1.1 204 No Content\r\n\r\n", false).await;
    let keys = "headers = { authorization = 'Bearer ${secret:KEY}', content-type = 'application/cloudevents+json' }, sign = ['NEW', 'OLD']";
    let deliver = deliverer(&[("KEY", "s3cr3t\n"), ("NEW", "whsec_bmV3"), ("OLD", "old")]);
    assert_eq!(deliver_with(&deliver, &format!("{}/in", receiver.address), keys, LIMIT).await.unwrap(), Ok(None));
    let request = receiver.seen().concat().concat();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default();
    assert_eq!((header("authorization"), header("content-type")), ("Bearer s3cr3t", "application/cloudevents+json"));
    assert_eq!(header("traceparent"), TRACE);
    assert_eq!((header("webhook-id"), header("webhook-id").len()), (header("idempotency-key"), 36));
    let seconds: u64 = header("webhook-timestamp").parse().unwrap();
    let keys = ["new", "old"].map(|key| postdate_webhooks::Key::parse(key).unwrap());
    let [.., (_, signature)] = signed_headers(&keys, header("webhook-id"), seconds, body.as_bytes());
    assert_eq!((header("webhook-signature"), signature.split(' ').count()), (signature.as_str(), 2));
}

#[tokio::test]
async fn a_missing_secret_of_a_target_is_a_host_fault() {
    let fault = deliver_with(&deliverer(&[]), "127.0.0.1:1/", "sign = 'KEY'", LIMIT).await.unwrap_err();
    assert_eq!(fault.waits_for, "the secrets of the use case");
    assert_eq!(fault.detail, "the target needs the secret KEY, which is not set: give it a value");
}

#[tokio::test]
async fn a_connection_that_was_idle_for_a_second_is_not_used_again() {
    let receiver = Receiver::start("HTTP/1.1 204 No Content\r\n\r\n", true).await;
    let (deliver, place) = (deliverer(&[]), format!("{}/", receiver.address));
    let deliver_one = async || assert_eq!(deliver_with(&deliver, &place, "timeout = '5s'", LIMIT).await.unwrap(), Ok(None));
    deliver_one().await;
    deliver_one().await;
    let connections = receiver.seen();
    assert_eq!(connections.iter().map(Vec::len).collect::<Vec<_>>(), [2], "a busy connection is used again");
    // The client's pool measures by the machine's clock.
    tokio::time::sleep(IDLE_CONNECTION + Duration::from_millis(100)).await;
    deliver_one().await;
    assert_eq!(receiver.seen().iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn a_connection_that_the_receiver_closed_without_notice_costs_no_attempt() {
    // The receiver answers one request of each connection, and closes it without `connection: close`.
    let receiver = Receiver::start("HTTP/1.1 204 No Content\r\n\r\n", false).await;
    let (deliver, place) = (deliverer(&[]), format!("{}/", receiver.address));
    for _ in 0..3 {
        assert_eq!(deliver_with(&deliver, &place, "timeout = '5s'", LIMIT).await.unwrap(), Ok(None));
        // The close arrives while the connection is idle.
        tokio::time::sleep(IDLE_CONNECTION / 10).await;
    }
    assert_eq!(receiver.seen().iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
}

#[tokio::test]
async fn a_request_that_was_sent_and_not_answered_is_not_sent_again_in_the_same_attempt() {
    let receiver = Receiver::answering("HTTP/1.1 204 No Content\r\n\r\n", 1).await;
    let (deliver, place) = (deliverer(&[]), format!("{}/", receiver.address));
    assert_eq!(deliver_with(&deliver, &place, "timeout = '5s'", LIMIT).await.unwrap(), Ok(None));
    // The receiver reads this request on the same connection, and closes it: it may have done its work.
    let failure = deliver_with(&deliver, &place, "timeout = '5s'", LIMIT).await.unwrap().unwrap_err();
    assert!(failure.retry && failure.message.contains("could not be reached"), "{failure:?}");
    assert_eq!(receiver.seen().iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    assert_eq!(deliver_with(&deliver, &place, "timeout = '5s'", LIMIT).await.unwrap(), Ok(None), "the next attempt");
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
