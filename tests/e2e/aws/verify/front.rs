//! An HTTP API with IAM authorization in front of the processor. A call without a right signature is answered as API Gateway
//! answers it.

use hmac::{Hmac, Mac};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use postdate_core::bundle::hex;
use postdate_tests::serve::{self, Answer, Server};
use sha2::{Digest, Sha256};

pub const ACCESS_KEY: &str = "AKIAOFTHESCRIPT";
pub const SECRET_KEY: &str = "not-a-secret-of-the-script";

pub struct Front(Server);

impl Front {
    /// Starts an API that passes calls on to `to`, a base URL.
    pub async fn start(to: &str) -> Self {
        let (to, http) = (to.to_owned(), serve::http());
        let server = Server::start(move |request| {
            let (to, http) = (to.clone(), http.clone());
            async move {
                if is_signed(&request) {
                    return serve::forward(&http, &to, &request).await;
                }
                let answer = Response::builder().status(403).header("content-type", "application/json");
                answer.body(Full::from(r#"{"message":"Forbidden"}"#)).ok() as Option<Answer>
            }
        });
        Self(server.await)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }
}

/// Checks a Signature Version 4 for `execute-api`.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.
fn is_signed(request: &Request<Bytes>) -> bool {
    expected(request).is_some_and(|(expected, given)| expected == given)
}

/// Returns the signature that a request should have, and the one that it has.
fn expected(request: &Request<Bytes>) -> Option<(String, String)> {
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let fields = header("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let field = |name: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
    let (key, scope) = field("Credential")?.split_once('/')?;
    let (signed, given) = (field("SignedHeaders")?, field("Signature")?);
    let parts: Vec<&str> = scope.split('/').collect();
    let [_, _, "execute-api", "aws4_request"] = parts[..] else { return None };
    (key == ACCESS_KEY && signed.split(';').any(|name| name == "host")).then_some(())?;

    let headers: Option<String> = signed.split(';').map(|name| Some(format!("{name}:{}\n", header(name)?.trim()))).collect();
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let canonical = format!("{}\n{path}\n{query}\n{}\n{signed}\n{}", request.method(), headers?, hex(&Sha256::digest(request.body())));
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", header("x-amz-date")?, hex(&Sha256::digest(canonical)));
    let key = parts.iter().fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| hmac(&key, part.as_bytes()));
    Some((hex(&hmac(&key, text.as_bytes())), given.to_owned()))
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}
