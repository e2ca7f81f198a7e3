use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Empty;
use postdate_egress::Egress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// The network of a laptop: public addresses, and loopback.
fn laptop() -> Network {
    Network::new(Egress::laptop(), Vec::new())
}

async fn try_send(url: &str, options: RequestOptions) -> Result<OpenResponse, NoAnswer> {
    let (request, origin) = get(url);
    send(request, options, &origin, &laptop(), "x").await
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
    let (response, io) = try_send(&format!("http://127.0.0.1:{port}/a?b=c"), RequestOptions::default()).await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    Box::into_pin(io).await.unwrap();
    assert!(server.await.unwrap().starts_with("GET /a?b=c HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_silent_server_causes_a_first_byte_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = RequestOptions { first_byte_timeout: Some(Duration::from_millis(20)), ..RequestOptions::default() };
    let failure = try_send(&format!("http://{}/path?token=x", listener.local_addr().unwrap()), options).await.err().unwrap();
    assert!(matches!(failure.error, Error::ConnectionReadTimeout), "{failure:?}");
    assert_eq!(failure.cause, format!("no answer from http://{} within 20ms", listener.local_addr().unwrap()));
}

#[tokio::test]
async fn a_closed_port_and_a_failed_tls_handshake_have_their_own_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let failure = try_send(&format!("http://127.0.0.1:{port}"), RequestOptions::default()).await.err().unwrap();
    assert!(matches!(failure.error, Error::ConnectionRefused), "{failure:?}");
    assert!(failure.cause.starts_with(&format!("cannot connect to http://127.0.0.1:{port}: Connection refused")), "{failure:?}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { listener.accept().await.unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await });
    let failure = try_send(&format!("https://127.0.0.1:{port}"), RequestOptions::default()).await.err().unwrap();
    assert!(matches!(failure.error, Error::TlsProtocolError), "{failure:?}");
    assert!(failure.cause.starts_with("no TLS connection to https://127.0.0.1"), "{failure:?}");
}

/// Returns a laptop's network whose name server returns each answer once, in order, and the last one again, and the number of its look-ups.
fn names(answers: &[&[&str]]) -> (Network, Arc<AtomicUsize>) {
    let answers: Vec<Vec<SocketAddr>> = answers.iter().map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect()).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let look_up = move |_: &str, _| Ok(answers[counter.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)].clone());
    (Network::with_look_up(Egress::laptop(), Vec::new(), Arc::new(look_up)), asked)
}

#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_is_refused_without_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let mapped = format!("[::ffff:127.0.0.1]:{}", listener.local_addr().unwrap().port());
    for address in
        [&*here, &mapped, "169.254.169.254:80", "10.0.0.1:80", "[fe80::1]:80", "[fd00::1]:80", "[64:ff9b::a00:1]:80", "0.0.0.0:80"]
    {
        let (network, _) = names(&[&[address]]);
        let failure = connect(&Origin::parse("http://rebound.example").unwrap(), &network, "x").await.unwrap_err();
        assert!(matches!(failure.error, Error::DestinationIpProhibited), "{address}: {failure:?}");
        assert!(failure.cause.contains("http://rebound.example") && failure.cause.contains("--allow-egress"), "{failure:?}");
    }
    assert!(timeout(Duration::from_millis(20), listener.accept()).await.is_err(), "somebody connected");
}

#[tokio::test]
async fn an_address_that_the_manifest_names_needs_the_operators_word_too() {
    for url in ["http://169.254.169.254", "http://[::ffff:169.254.169.254]", "http://10.0.0.1", "http://2852039166"] {
        let failure = try_send(url, RequestOptions::default()).await.err().unwrap();
        assert!(!matches!(failure.error, Error::ConnectionTimeout | Error::ConnectionRefused), "{url}: {failure:?}");
    }
}

#[tokio::test]
async fn the_host_connects_to_the_address_that_it_checked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    // A second look-up would return another address.
    let (network, asked) = names(&[&["10.0.0.1:80", &here], &["10.0.0.1:80"]]);
    let stream = connect(&Origin::parse("http://localhost").unwrap(), &network, "x").await.unwrap();
    assert_eq!(stream.peer_addr().unwrap().to_string(), here, "the private one of the two was left out");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // An address in a manifest is not looked up.
    let (network, asked) = names(&[&[]]);
    assert!(connect(&Origin::parse(&format!("http://{here}")).unwrap(), &network, "x").await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}
