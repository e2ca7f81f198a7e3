//! Makes the AWS SDK's clients from one configuration and one HTTP client, and retries calls. Making a client makes no call.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder as HttpClientBuilder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use tokio::time::Instant;

use crate::aws_error::{AwsError, Class};
use crate::config::Config;

/// Attempts of a call by the SDK, with its back-off between them.
const SDK_ATTEMPTS: u32 = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time limit of a call with all its attempts. One HTTP request makes several calls, and API Gateway stops waiting after 30 s.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// Attempts of a call by [`retrying`].
const OWN_ATTEMPTS: u32 = 5;
/// The longest wait before the first repetition; it doubles from there.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// No repetition begins later than this after the first attempt, because API Gateway stops waiting after 30 s.
const RETRY_FOR: Duration = Duration::from_secs(8);

/// Makes clients that share connections, credentials and timeouts. Credentials come from the environment only, where Lambda
/// puts them.
#[derive(Debug, Clone)]
pub struct Clients {
    sdk: SdkConfig,
    config: Config,
}

/// A client that is made at its first use. Making one takes 0.1 ms, and a cold start makes only those that its request needs. Clones
/// share the client.
#[derive(Debug)]
pub struct Lazy<C>(Arc<LazyLock<C, Box<dyn FnOnce() -> C + Send>>>);

impl<C> Lazy<C> {
    pub fn new(make: impl FnOnce() -> C + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }

    /// Makes the client now.
    pub fn prepare(&self) {
        LazyLock::force(&self.0);
    }
}

impl<C> Clone for Lazy<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for Lazy<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

/// Returns the configuration of a client of `$krate` at the endpoint of `$service`.
macro_rules! client {
    ($self:ident, $krate:ident, $service:literal) => {{
        let mut builder = $krate::config::Builder::from(&$self.sdk);
        builder.set_endpoint_url($self.config.endpoints.get($service).cloned());
        builder
    }};
}

impl Clients {
    pub fn new(config: &Config) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
            .retry_config(RetryConfig::standard().with_max_attempts(SDK_ATTEMPTS))
            .timeout_config(timeouts)
            .http_client(SharedHttpClient::new(Connections::new(config)))
            .build();
        Self { sdk, config: config.clone() }
    }

    /// Returns one of the clients below, made by that function at its first use.
    pub fn lazy<C: 'static>(&self, make: fn(&Self) -> C) -> Lazy<C> {
        let clients = self.clone();
        Lazy::new(move || make(&clients))
    }

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::from_conf(client!(self, aws_sdk_dynamodb, "DYNAMODB").build())
    }

    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::from_conf(client!(self, aws_sdk_eventbridge, "EVENTBRIDGE").build())
    }

    /// Returns a client with neither an operation timeout nor retries: an invocation may last for the target's timeout, and an attempt
    /// that was cut off may have run.
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).disable_operation_attempt_timeout().disable_operation_timeout();
        let builder = client!(self, aws_sdk_lambda, "LAMBDA").retry_config(RetryConfig::disabled()).timeout_config(timeouts.build());
        aws_sdk_lambda::Client::from_conf(builder.build())
    }

    /// Returns a client that uses path-style addresses at a configured endpoint, which has no host name for each bucket. The timeouts
    /// apply to the first bytes of an answer; a large object may take longer if it does not stall.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let builder = client!(self, aws_sdk_s3, "S3").force_path_style(self.config.endpoints.contains_key("S3"));
        aws_sdk_s3::Client::from_conf(builder.build())
    }

    pub fn scheduler(&self) -> aws_sdk_scheduler::Client {
        aws_sdk_scheduler::Client::from_conf(client!(self, aws_sdk_scheduler, "SCHEDULER").build())
    }

    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::from_conf(client!(self, aws_sdk_secretsmanager, "SECRETS_MANAGER").build())
    }

    pub fn sfn(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::from_conf(client!(self, aws_sdk_sfn, "SFN").build())
    }

    pub fn sns(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::from_conf(client!(self, aws_sdk_sns, "SNS").build())
    }

    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::from_conf(client!(self, aws_sdk_sqs, "SQS").build())
    }

    pub fn ssm(&self) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::from_conf(client!(self, aws_sdk_ssm, "SSM").build())
    }
}

/// The one HTTP client, made at the first connection. Reading TLS's root certificates takes milliseconds, during which other tasks
/// run.
#[derive(Debug)]
struct Connections(Lazy<SharedHttpClient>);

impl Connections {
    /// Makes a client without TLS if every endpoint is plain HTTP.
    fn new(config: &Config) -> Self {
        let all_local = config.endpoints.len() == crate::config::SERVICES.len();
        if all_local && config.endpoints.values().all(|endpoint| endpoint.starts_with("http://")) {
            return Self(Lazy::new(|| HttpClientBuilder::new().build_http()));
        }
        Self(Lazy::new(|| HttpClientBuilder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()))
    }
}

impl HttpClient for Connections {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }
}

/// Returns the same client of `$krate` without the SDK's retries, for calls that [`retrying`] repeats.
macro_rules! without_retries {
    ($krate:ident, $client:expr) => {{
        let client: $crate::clients::Lazy<$krate::Client> = $client;
        let retries = ::aws_config::retry::RetryConfig::disabled();
        $crate::clients::Lazy::new(move || $krate::Client::from_conf(client.config().to_builder().retry_config(retries).build()))
    }};
}
pub(crate) use without_retries;

/// Repeats a call while it fails with [`Class::Again`], and returns its last result. Replaces the SDK's retries, which do not repeat
/// a call that collided with another writer's.
pub async fn retrying<T, F: Future<Output = Result<T, AwsError>>>(call: impl Fn() -> F) -> Result<T, AwsError> {
    let end = Instant::now() + RETRY_FOR;
    let mut attempt = 1;
    loop {
        let error = match call().await {
            Err(error) if error.class == Class::Again => error,
            result => return result,
        };
        // Half of the wait is random, so that two writers that collided do not collide again.
        let wait = (FIRST_WAIT * 2_u32.pow(attempt - 1)).mul_f64(0.5 + rand::random::<f64>() / 2.0);
        if attempt == OWN_ATTEMPTS || Instant::now() + wait >= end {
            return Err(error);
        }
        tracing::debug!(%error, attempt, "AWS call failed; retrying");
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}
