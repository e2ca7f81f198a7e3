//! `postdate ui`: the page for a Postdate elsewhere, on a port of this machine. Calls of the page are passed on to that Postdate, except
//! those for dead letters, which the command answers itself.

mod letters;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use chrono::Utc;
use clap::Args;
use futures_util::stream;
use postdate_core::api::{ApiError, CORRELATION_HEADER, Code, MAX_BODY_BYTES};
use postdate_core::id::CorrelationId;
use postdate_local::{check_host, keys};

use crate::client::{Client, Connection};
use crate::dead_letter::Mailbox;
use crate::loopback;
use crate::output::{err, error_text};
use letters::Letters;

/// Cookie of a browser that has opened the printed address.
const COOKIE_NAME: &str = "postdate-ui";

/// Headers of a call that are passed on.
const ASKED: [HeaderName; 5] =
    [ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static("idempotency-key"), HeaderName::from_static("last-event-id")];

/// Headers of an answer that are passed on.
const ANSWERED: [HeaderName; 7] = [
    CONTENT_TYPE,
    CACHE_CONTROL,
    RETRY_AFTER,
    header::ALLOW,
    header::DATE,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static(CORRELATION_HEADER),
];

const EXAMPLES: &str = "\
Examples:
  postdate ui                                       the page of the server on this machine
  postdate ui --url https://postdate.example.com    asks for the key, or takes it from POSTDATE_API_KEY
  postdate ui --iam --url https://abc.execute-api.eu-west-1.amazonaws.com/prod

  postdate ui --iam --url … --dead-letters https://sqs.eu-west-1.amazonaws.com/123456789012/postdate-dead-letters --to …

The page is served on this machine only. With --iam, a key or a queue, only a browser that has opened the
printed address may use it.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Ui {
    #[command(flatten)]
    connection: Connection,

    /// Port on 127.0.0.1; 0 for any free port
    #[arg(long, default_value_t = 8081)]
    port: u16,

    /// URL of the dead-letter queue of a deployment on AWS, for the page's view of dead letters: the stack's output `DeadLettersUrl`.
    /// Credentials come from the same sources as for `postdate dead-letter`
    #[arg(long, env = "POSTDATE_DEAD_LETTER_QUEUE_URL", value_name = "URL", default_value = "", hide_default_value = true)]
    dead_letters: String,

    /// URL of the target host's delay queue, to which dead letters are sent again: the stack's output `DelayQueueUrl`
    #[arg(long, env = "POSTDATE_QUEUE_URL", value_name = "URL", default_value = "", hide_default_value = true)]
    to: String,
}

struct Page {
    client: Client,
    /// A browser must have shown it: the credentials of the client and of the queues are not for every program of this machine. `None`
    /// without credentials.
    token: Option<String>,
    letters: Option<Letters>,
}

pub async fn run(arguments: Ui) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(postdate_page::is_built(), "this program was built without the page: build it with `cargo xtask build` and Node.js");
    let client = Client::new(&arguments.connection)?;
    let letters = match arguments.dead_letters.as_str() {
        "" => None,
        queue => Some(Letters::new(Mailbox::open(queue, &arguments.to).await?)),
    };
    let needs_token = client.has_credentials() || letters.is_some();
    let token = needs_token.then(keys::new_token).transpose().context("the operating system gives no random bytes")?;
    let listener = loopback::bind(arguments.port).await?;
    let mut url = format!("http://{}{}/", listener.local_addr()?, postdate_page::PATH);
    if let Some(token) = &token {
        let _ = write!(url, "?token={token}");
    }
    err(&format!("the page of {}:\n  {url}\nCtrl-C stops it.\n", arguments.connection.url));
    let router = Router::new().fallback(answer).with_state(Arc::new(Page { client, token, letters }));
    loopback::serve(listener, router).await?;
    Ok(ExitCode::SUCCESS)
}

async fn answer(State(page): State<Arc<Page>>, request: Request) -> Response {
    page.answer(request).await.unwrap_or_else(|error| error.into_response(CorrelationId::new(Utc::now(), rand::random())).map(Body::from))
}

impl Page {
    async fn answer(&self, request: Request) -> Result<Response, ApiError> {
        let (parts, body) = request.into_parts();
        check_host(&parts, IpAddr::V4(Ipv4Addr::LOCALHOST), &[])?;
        let path = parts.uri.path();
        if path == "/" {
            return Ok(redirect(&format!("{}/", &postdate_page::PATH[1..]), None));
        }
        if postdate_page::has(path) {
            if let Some(token) = &self.token
                && parts.uri.query() == Some(&format!("token={token}"))
            {
                return Ok(redirect("./", Some(token)));
            }
            return Ok(postdate_page::answer(&parts.method, path, &parts.headers)?.map(Body::from));
        }
        if !self.is_known(&parts.headers) {
            let detail = "this browser has not shown the token of this page: open the address that `postdate ui` has printed";
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, detail));
        }
        if let Some(letters) = &self.letters
            && letters::is_call(path)
        {
            return letters.answer(&parts.method, path).await.map(|answer| answer.map(Body::from));
        }
        let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, format!("the body is larger than {MAX_BODY_BYTES} bytes"))
        })?;
        let path = parts.uri.path_and_query().map_or(path, |path| path.as_str());
        match self.client.forward(parts.method, path, only(&parts.headers, &ASKED), body).await {
            Ok(answer) => Ok(passed_on(answer)),
            Err(error) => Err(ApiError::new(StatusCode::BAD_GATEWAY, Code::Unreachable, detail(&error))),
        }
    }

    fn is_known(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        cookies.flat_map(|value| value.split(';')).any(|cookie| cookie.trim() == format!("{COOKIE_NAME}={token}"))
    }
}

/// Returns the chain of an error as the detail of an answer.
fn detail(error: &anyhow::Error) -> String {
    error_text(error).trim_start_matches("error: ").trim_end().to_owned()
}

/// Redirects, and sets the cookie of the token.
fn redirect(to: &str, token: Option<&str>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let cookie = token.map(|token| (SET_COOKIE, format!("{COOKIE_NAME}={token}; HttpOnly; SameSite=Strict; Path=/")));
    for (name, value) in [(LOCATION, to.to_owned())].into_iter().chain(cookie) {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Returns the answer of the other Postdate; its body as it comes.
fn passed_on(answer: reqwest::Response) -> Response {
    let (status, headers) = (answer.status(), only(answer.headers(), &ANSWERED));
    let chunks = stream::unfold(answer, |mut answer| async {
        match answer.chunk().await {
            Ok(chunk) => chunk.map(|chunk| (Ok(chunk), answer)),
            Err(error) => Some((Err(error), answer)),
        }
    });
    let mut response = Response::new(Body::from_stream(chunks));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    headers.iter().filter(|(name, _)| names.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}
