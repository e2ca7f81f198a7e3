//! A client of the API that checks the common rules of every answer.

use postdate_tests::{openapi, serve};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{PATIENCE, PAYLOAD, eventually, text};

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pub url: String,
    key: Option<String>,
}

/// An answer that follows the common rules.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Client {
    pub fn new(url: &str, key: Option<&str>) -> Self {
        let http = serve::http_builder().timeout(2 * PATIENCE).build().expect("an HTTP client");
        Self { http, url: url.to_owned(), key: key.map(str::to_owned) }
    }

    /// Returns a client of the same server with another key, or without one.
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self.clone() }
    }

    /// Returns a call, to be completed and sent with [`Self::send`].
    pub fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let call = self.http.request(method, format!("{}{path}", self.url));
        match &self.key {
            Some(key) => call.bearer_auth(key),
            None => call,
        }
    }

    /// Sends a call. Panics if no answer comes.
    pub async fn send(&self, call: RequestBuilder) -> Answer {
        self.try_send(call).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends a call. Fails if the connection fails. Panics unless the answer has the same correlation id in header and body,
    /// for an error, the form of RFC 9457, and what the description of the API says.
    pub async fn try_send(&self, call: RequestBuilder) -> reqwest::Result<Answer> {
        let (http, request) = call.build_split();
        let request = request?;
        let (method, path) = (request.method().clone(), self.path_of(request.url().path()).to_owned());
        let response = http.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?;
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{status}: not JSON ({error}): {bytes:?}"));
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(header("x-correlation-id"), text(&body, "correlationId"), "{status} {body}");
        assert!(!header("x-correlation-id").is_empty(), "{status} {body}");
        if status >= 400 {
            assert_eq!(header("content-type"), "application/problem+json", "{status} {body}");
            assert_eq!(body["status"], status, "{body}");
            assert!(!text(&body, "code").is_empty() && !text(&body, "detail").is_empty() && !text(&body, "title").is_empty(), "{body}");
        } else {
            assert_eq!(header("content-type"), "application/json", "{status} {body}");
        }
        // These are answers of `postdate ui`, which the API does not have.
        if !path.starts_with("/dead-letters")
            && body["code"] != "unreachable"
            && let Err(difference) = openapi::check(method.as_str(), &path, status, &body)
        {
            panic!("{difference}");
        }
        Ok(Answer { status, headers, body })
    }

    /// Returns the path of a call without the path of [`Self::url`], which a function's URL has.
    fn path_of<'p>(&self, path: &'p str) -> &'p str {
        let (_, after_scheme) = self.url.split_once("://").unwrap_or_default();
        let base = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
        path.strip_prefix(base.trim_end_matches('/')).unwrap_or(path)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.call(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.call(Method::POST, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.call(Method::PATCH, path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.call(Method::DELETE, path)).await
    }

    /// Posts a request, and returns its id. Panics if the server does not accept the request.
    pub async fn submit(&self, use_case: &str, body: Value) -> String {
        let answer = self.post(&format!("/requests/{use_case}"), &marked(body)).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        text(&answer.body, "correlationId").to_owned()
    }

    /// Returns the request's document.
    pub async fn request(&self, id: &str) -> Value {
        let answer = self.get(&format!("/requests/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// Returns the entry of a use case in `GET /use-cases`.
    pub async fn use_case(&self, name: &str) -> Option<Value> {
        let list = self.get("/use-cases").await.expect(200);
        list["useCases"].as_array().expect("a list").iter().find(|info| info["name"] == name).cloned()
    }

    /// Opens the stream of changes.
    pub async fn events(&self) -> Events {
        let response = self.call(Method::GET, "/events").send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().ok()), (200, Some("text/event-stream")));
        Events { response, text: String::new() }
    }

    /// Waits until the request has the status, and returns its document.
    pub async fn reaches(&self, id: &str, status: &str) -> Value {
        eventually(&format!("{id} to be {status}"), async || {
            let request = self.request(id).await;
            (request["status"] == status).then_some(request)
        })
        .await
    }

    /// Advances the test clock; the server runs all requests that become due.
    pub async fn advance(&self, by: &str) {
        let answer = self.post("/test-clock", &json!({ "advance": by })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Posts a request with a delay of one second, advances the test clock by one second, and returns the request's document.
    pub async fn run(&self, use_case: &str, mut body: Value) -> Value {
        body["delay"] = json!("PT1S");
        let id = self.submit(use_case, body).await;
        self.advance("PT1S").await;
        self.request(&id).await
    }
}

/// Adds [`PAYLOAD`] to a body that does not contain it.
fn marked(mut body: Value) -> Value {
    if !body.to_string().contains(PAYLOAD) {
        body["note"] = json!(PAYLOAD);
    }
    body
}

impl Answer {
    /// Returns a header's text, or an empty text if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Panics unless the answer is this error. Returns the body.
    #[track_caller]
    pub fn expect_fault(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["code"].as_str().unwrap_or_default()), (status, code), "{}", self.body);
        self.body
    }

    /// Panics unless the answer has this status. Returns the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// A stream of server-sent events.
pub struct Events {
    response: reqwest::Response,
    /// Text that is no whole event yet.
    text: String,
}

impl Events {
    /// Reads until the text has `wanted`. Returns false if the server ends the stream before. Panics if neither happens in time.
    pub async fn reaches(&mut self, wanted: &str) -> bool {
        let read = async {
            while !self.text.contains(wanted) {
                let Some(chunk) = self.response.chunk().await.expect("the stream is not cut off") else { return false };
                self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
            }
            true
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the stream stays open, without the text")
    }

    /// Returns the text that [`Self::next`] has not returned.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the data of the next event. Panics if the stream ends.
    pub async fn next(&mut self) -> Value {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.text = rest.into();
                if let Some(data) = data {
                    return serde_json::from_str(&data).expect("JSON");
                }
                continue;
            }
            let chunk = self.response.chunk().await.expect("the stream goes on").expect("the stream has not ended");
            self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }
}
