//! Secrets on AWS: read from Parameter Store, Secrets Manager or the environment, rotated, shown in no answer and no log line.

use postdate_tests::fault_proxy::Fault;
use postdate_tests::stack::Options;
use serde_json::json;

use super::scene::{RETRY, Scene};
use crate::harness::{PUPPET, SECRET, eventually, text};

const SSM: &str = "/postdate-secrets/";
const MANAGER: &str = "postdate-secrets/";

/// Returns options for Lambdas that read secrets from `place`, refresh them every second, and log at level trace.
fn options(place: &str) -> Options {
    let variables = [
        ("POSTDATE_SECRETS", place),
        ("POSTDATE_SECRETS_LIFETIME", "1s"),
        // Trace includes the log events of the SDK.
        ("POSTDATE_LOG", "trace"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Options { variables, ..Options::default() }
}

/// Returns the puppet's manifest with the secret `GRANTED` granted to both roles.
fn granted() -> String {
    PUPPET.replace("timeout", "secrets = ['GRANTED']\ntimeout")
}

async fn seen(scene: &Scene) -> serde_json::Value {
    let (id, _) = scene.post(json!({ "process": { "do": "config", "key": "GRANTED" } }), "PT1S").await;
    scene.settle().await;
    scene.api.request(&id).await
}

#[track_caller]
fn assert_discreet(scene: &Scene) {
    for function in [&scene.processor, &scene.target] {
        assert!(!function.log().text().contains(SECRET), "a secret is in the log");
    }
}

async fn place_is_used(place: &str, service: &str, action: &str, put: impl AsyncFn(&postdate_tests::aws::Aws, &str)) {
    let scene = Scene::of(&granted(), options(place)).await;
    let missing = scene.api.post("/requests/puppet", &json!({ "delay": "PT1S" })).await;
    let missing = missing.expect_fault(503, "use-case-broken");
    let list = scene.api.get("/use-cases").await.expect(200);
    let error = text(&list["useCases"][0], "error");
    assert!(error.contains("GRANTED, which is not set: put it into S") && error.contains("puppet/GRANTED"), "{missing} {error}");

    let first = format!("{SECRET}-1");
    put(&scene.stack.aws, &first).await;
    let use_case = eventually("the use case to serve", async || {
        (scene.api.post("/requests/puppet", &json!({ "delay": "PT1H" })).await.status == 202).then_some(())
    });
    use_case.await;
    assert_eq!(text(&seen(&scene).await, "result"), first);

    let second = format!("{SECRET}-2");
    put(&scene.stack.aws, &second).await;
    eventually("the rotated secret", async || (text(&seen(&scene).await, "result") == second).then_some(())).await;

    scene.stack.proxy.fail_always(service, action, Fault::AccessDenied);
    let before = scene.stack.proxy.calls(service, action).len();
    eventually("a refresh that fails", async || {
        assert_eq!(text(&seen(&scene).await, "result"), second);
        (scene.stack.proxy.calls(service, action).len() > before).then_some(())
    })
    .await;
    scene.target.logged("about the refresh", |line| line["message"].as_str().is_some_and(|text| text.contains("not refreshed"))).await;
    scene.stack.proxy.heal();

    let (id, _) = scene.post(json!({ "process": { "do": "fail", "messageFrom": "GRANTED" } }), "PT1S").await;
    scene.settle().await;
    assert_eq!(text(&scene.api.request(&id).await, "failure"), "[secret GRANTED]");
    for path in ["/requests?useCase=puppet&limit=100&status=failed", "/use-cases", "/health"] {
        let answer = scene.api.get(path).await;
        assert!(!answer.body.to_string().contains(SECRET), "{path}: {}", answer.body);
    }
    assert_discreet(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_reach_plugins_are_rotated_and_shown_nowhere() {
    let put = async |aws: &postdate_tests::aws::Aws, value: &str| aws.put_parameter(&format!("{SSM}puppet/GRANTED"), value).await;
    place_is_used("ssm:/postdate-secrets/", "ssm", "GetParameters", put).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_secrets_manager_reach_plugins_are_rotated_and_shown_nowhere() {
    let put = async |aws: &postdate_tests::aws::Aws, value: &str| aws.put_secret(&format!("{MANAGER}puppet/GRANTED"), value).await;
    place_is_used("secretsmanager:postdate-secrets/", "secretsmanager", "GetSecretValue", put).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_variables_of_the_function_are_secrets_and_its_credentials_are_not() {
    let mut options = options("env");
    options
        .variables
        .extend([("GRANTED", SECRET), ("POSTDATE_ALLOW_SECRET", "GRANTED")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    let scene = Scene::of(&format!("{}{RETRY}", granted()), options.clone()).await;
    assert_eq!(text(&seen(&scene).await, "result"), SECRET);
    assert_discreet(&scene);
    let scene = Scene::of(&granted().replace("GRANTED", "AWS_SECRET_ACCESS_KEY"), options).await;
    let list = scene.api.get("/use-cases").await.expect(200);
    let error = text(&list["useCases"][0], "error");
    assert!(error.contains("AWS_SECRET_ACCESS_KEY, which this host gives to no use case"), "{error}");
}
