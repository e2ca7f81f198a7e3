//! Signs calls of an API that IAM guards: AWS Signature Version 4 for API Gateway.

use std::time::SystemTime;

use anyhow::{Context as _, anyhow};
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use reqwest::Request;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::sync::OnceCell;

use crate::aws;

/// Name of API Gateway in a signature.
const SERVICE: &str = "execute-api";

/// Credentials and region of the environment, which are read at the first call.
#[derive(Debug, Default)]
pub struct Signer(OnceCell<SdkConfig>);

impl Signer {
    /// Adds the headers of a signature. Fails without credentials, or without a region for a name that has none.
    pub async fn sign(&self, request: &mut Request) -> anyhow::Result<()> {
        let config = self.0.get_or_try_init(aws::config).await?;
        let provider = config.credentials_provider().ok_or_else(|| anyhow!("no source of AWS credentials is configured"))?;
        let credentials =
            provider.provide_credentials().await.context("no AWS credentials for --iam: set a profile, or run `aws login`")?;
        let own = config.region().map(AsRef::as_ref).unwrap_or_default();
        let region = request.url().host_str().and_then(region_of).unwrap_or(own).to_owned();
        sign_with(request, credentials, &region, SystemTime::now())
    }
}

/// Returns the region in a host name of API Gateway, such as `abc.execute-api.eu-west-1.amazonaws.com`.
fn region_of(host: &str) -> Option<&str> {
    let mut labels = host.split('.');
    labels.find(|label| *label == SERVICE)?;
    labels.next()
}

fn sign_with(request: &mut Request, credentials: Credentials, region: &str, now: SystemTime) -> anyhow::Result<()> {
    let identity = credentials.into();
    let params = SigningParams::builder().identity(&identity).region(region).name(SERVICE).time(now).settings(SigningSettings::default());
    let params = params.build().context("cannot sign the call")?.into();
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
    let signable = SignableRequest::new(request.method().as_str(), request.url().as_str(), headers, SignableBody::Bytes(body));
    let (signature, _) = sign(signable.context("cannot sign the call")?, &params).context("cannot sign the call")?.into_parts();
    let signed: Vec<_> = signature.headers().map(|(name, value)| (HeaderName::try_from(name), HeaderValue::try_from(value))).collect();
    for (name, value) in signed {
        request.headers_mut().insert(name?, value?);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
