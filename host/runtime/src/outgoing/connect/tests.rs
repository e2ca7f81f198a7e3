use http_body_util::Empty;
use postdate_core::plugin::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::secrets::Mask;

fn log() -> Arc<CallLog> {
    CallLog::new(Arc::new(crate::testing::identity("x", Role::Process)), "id".into(), Mask::default())
}

fn get(url: &str) -> (Request<WasiBody>, Origin) {
    let body = Empty::new().map_err(|never: std::convert::Infallible| match never {}).boxed_unsync();
    let request = Request::get(url).header("host", "test").body(body).unwrap();
    let origin = Origin::of(request.uri()).unwrap();
    (request, origin)
}

/// Starts a server that answers one connection with these bytes. Returns its port, and a task that returns the received text.
async fn serve(answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (port, task)
}

#[tokio::test]
async fn a_granted_address_is_reached_and_a_redirect_is_not_followed() {
    let (port, server) = serve("HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 2\r\n\r\nok").await;
    let (request, origin) = get(&format!("http://127.0.0.1:{port}/a?b=c"));
    let (response, io) = send(request, RequestOptions::default(), &origin, &log()).await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    Box::into_pin(io).await.unwrap();
    assert!(server.await.unwrap().starts_with("GET /a?b=c HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_silent_server_causes_a_first_byte_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (request, origin) = get(&format!("http://{}", listener.local_addr().unwrap()));
    let options = RequestOptions { first_byte_timeout: Some(Duration::from_millis(20)), ..RequestOptions::default() };
    let error = send(request, options, &origin, &log()).await.err().unwrap();
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
}

#[tokio::test]
async fn a_closed_port_and_a_failed_tls_handshake_have_their_own_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (request, origin) = get(&format!("http://127.0.0.1:{port}"));
    let error = send(request, RequestOptions::default(), &origin, &log()).await.err().unwrap();
    assert!(matches!(error, Error::ConnectionRefused), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { listener.accept().await.unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await });
    let (request, origin) = get(&format!("https://127.0.0.1:{port}"));
    let log = log();
    let error = send(request, RequestOptions::default(), &origin, &log).await.err().unwrap();
    assert!(matches!(error, Error::TlsProtocolError), "{error}");
    assert!(log.finish().0[0].text.contains("no TLS connection to https://127.0.0.1"));
}

/// A fake name server. Each look-up takes the next answer; the last answer is repeated.
struct Names {
    answers: Vec<Vec<SocketAddr>>,
    asked: std::sync::atomic::AtomicUsize,
}

impl Names {
    fn new(answers: &[&[&str]]) -> Self {
        let answers = answers.iter().map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect()).collect();
        Self { answers, asked: std::sync::atomic::AtomicUsize::default() }
    }

    fn asked(&self) -> usize {
        self.asked.load(std::sync::atomic::Ordering::Relaxed)
    }

    async fn connect(&self, url: &str) -> (Result<TcpStream, Error>, Vec<String>) {
        let log = log();
        let origin = Origin::parse(url).unwrap();
        let look_up = |_, _| {
            let index = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed).min(self.answers.len() - 1);
            std::future::ready(Ok(self.answers[index].clone()))
        };
        let stream = connect(&origin, &log, look_up).await;
        (stream, log.finish().0.into_iter().map(|line| line.text).collect())
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_is_refused_without_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let mapped = format!("[::ffff:127.0.0.1]:{}", listener.local_addr().unwrap().port());
    for address in
        [&*here, &mapped, "169.254.169.254:80", "10.0.0.1:80", "[fe80::1]:80", "[fd00::1]:80", "[64:ff9b::a00:1]:80", "0.0.0.0:80"]
    {
        let (stream, notes) = Names::new(&[&[address]]).connect("http://rebound.example").await;
        assert!(matches!(stream, Err(Error::DestinationIpProhibited)), "{address}");
        assert!(notes[0].contains("http://rebound.example") && notes[0].contains("process.allow-http"), "{notes:?}");
    }
    assert!(timeout(Duration::from_millis(20), listener.accept()).await.is_err(), "somebody connected");
}

#[tokio::test]
async fn the_host_connects_to_the_address_that_it_checked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    // A second look-up would return another address.
    let names = Names::new(&[&["10.0.0.1:80", &here], &["10.0.0.1:80"]]);
    let (stream, _) = names.connect("http://localhost").await;
    assert_eq!(stream.unwrap().peer_addr().unwrap().to_string(), here, "the private one of the two was left out");
    assert_eq!(names.asked(), 1);
    // An address in a manifest is not looked up.
    let names = Names::new(&[&[]]);
    assert!(names.connect(&format!("http://{here}")).await.0.is_ok());
    assert_eq!(names.asked(), 0);
}
