//! The clients of AWS, made of one configuration and one HTTP client. Making them calls nothing.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder as HttpClient;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::config::Config;

/// Tries of a call, with the SDK's back-off between them.
const ATTEMPTS: u32 = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// All tries of a call together. A client's call makes several, and has its answer before API Gateway's 30 s are over.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// Makes clients that share connections, credentials and limits of time. Credentials are those of the environment, as
/// Lambda gives them: nothing else is looked for.
#[derive(Debug, Clone)]
pub struct Clients {
    sdk: SdkConfig,
    config: Config,
}

/// A client of `$crate` at the endpoint of `$service`.
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
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            .http_client(http_client(config))
            .build();
        Self { sdk, config: config.clone() }
    }

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::from_conf(client!(self, aws_sdk_dynamodb, "DYNAMODB").build())
    }

    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::from_conf(client!(self, aws_sdk_eventbridge, "EVENTBRIDGE").build())
    }

    /// Without limits of time or tries of its own: an invocation lasts as long as the target's timeout says, and a try that was
    /// cut off may have run.
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).disable_operation_attempt_timeout().disable_operation_timeout();
        let builder = client!(self, aws_sdk_lambda, "LAMBDA").retry_config(RetryConfig::disabled()).timeout_config(timeouts.build());
        aws_sdk_lambda::Client::from_conf(builder.build())
    }

    /// Other endpoints than AWS's have no host name for each bucket. The limits of time are for the beginning of an answer: a
    /// large object may take longer, as long as it does not stall.
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

/// TLS, with its certificates to be read, only where there is somebody to speak it with.
fn http_client(config: &Config) -> SharedHttpClient {
    let all_local = config.endpoints.len() == crate::config::SERVICES.len();
    if all_local && config.endpoints.values().all(|endpoint| endpoint.starts_with("http://")) {
        return HttpClient::new().build_http();
    }
    HttpClient::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
