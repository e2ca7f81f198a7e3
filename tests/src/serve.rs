//! A small HTTP/1.1 server for proxies and stubs, whose handler may close the connection instead of answering.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub type Answer = Response<Full<Bytes>>;

/// A server on 127.0.0.1. Runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    task: tokio::task::AbortHandle,
}

impl Server {
    /// Starts a server that answers each request with the result of `handle`. `None` closes the connection without an answer.
    pub async fn start<F, A>(handle: F) -> Self
    where
        F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Option<Answer>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        let handle = Arc::new(handle);
        let task = tokio::spawn(async move {
            // The set ends all connections when it is dropped with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let handle = Arc::clone(&handle);
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let handle = Arc::clone(&handle);
                        async move {
                            let (parts, body) = request.into_parts();
                            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                            let answer = handle(Request::from_parts(parts, body)).await;
                            answer.ok_or_else(|| io::Error::other("closed on purpose"))
                        }
                    });
                    // An error means that the client disconnected, or that `handle` returned `None`.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { port, task: task.abort_handle() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns an HTTP client without timeouts; the caller sets them. It trusts no certificate: reading all takes longer than a call.
pub fn http() -> reqwest::Client {
    http_builder().build().expect("an HTTP client")
}

/// Returns a builder of [`http`]'s client.
pub fn http_builder() -> reqwest::ClientBuilder {
    static TLS: std::sync::Once = std::sync::Once::new();
    // reqwest is built without a TLS provider. Building a client fails without an installed one.
    TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

/// Headers that are not forwarded: those of one connection, and those that the sender computes.
const OF_ONE_CONNECTION: [&str; 4] = ["connection", "transfer-encoding", "keep-alive", "content-length"];

/// Forwards a request to `to`, `http://host:port`. Returns the answer, or `None` if none came.
pub async fn forward(http: &reqwest::Client, to: &str, request: &Request<Bytes>) -> Option<Answer> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut call = http.request(request.method().clone(), format!("{to}{path}")).body(request.body().clone());
    for (name, value) in request.headers() {
        if !OF_ONE_CONNECTION.contains(&name.as_str()) {
            call = call.header(name, value);
        }
    }
    let response = call.send().await.ok()?;
    let mut answer = Response::builder().status(response.status());
    for (name, value) in response.headers() {
        // An answer to HEAD has no body from which the sender could compute the length.
        if !OF_ONE_CONNECTION.contains(&name.as_str()) || (request.method() == "HEAD" && name == "content-length") {
            answer = answer.header(name, value);
        }
    }
    answer.body(Full::new(response.bytes().await.ok()?)).ok()
}
