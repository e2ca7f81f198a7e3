use super::*;

fn allowing(names: &[&str]) -> EnvSecrets {
    EnvSecrets::allowing(names.iter().map(|name| name.parse().unwrap()).collect())
}

#[tokio::test]
async fn a_variable_that_the_operator_does_not_allow_is_no_secret() {
    let source = allowing(&["PATH"]);
    assert_eq!(source.fetch("orders", &["PATH"]).await.unwrap().len(), 1);
    for name in ["HOME", "CARGO_MANIFEST_DIR", "path", "XPATH"] {
        assert!(source.fetch("orders", &[name]).await.unwrap().is_empty(), "{name}");
    }
    let reason = EnvSecrets::default().missing("orders", "PATH");
    assert!(
        EnvSecrets::default().fetch("orders", &["PATH"]).await.unwrap().is_empty() && reason.contains("--allow-secret PATH"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_allowed_variable_that_is_not_set_is_reported_as_such() {
    let source = allowing(&["THERE_IS_NO_SUCH_VARIABLE"]);
    for name in ["SECRET_WITHOUT_A_VALUE", "THERE_IS_NO_SUCH_VARIABLE"] {
        assert!(source.fetch("orders", &[name]).await.unwrap().is_empty());
        assert!(source.missing("orders", name).starts_with("is not set"));
    }
}

#[test]
fn the_hosts_own_variables_cannot_be_allowed() {
    for name in ["AWS_SECRET_ACCESS_KEY", "POSTDATE_API_KEY", "LAMBDA_TASK_ROOT", "_X_AMZN_TRACE_ID", "aws_session_token"] {
        let error = name.parse::<SecretName>().unwrap_err();
        assert!(error.contains("the host's own"), "{name}: {error}");
    }
    assert!("".parse::<SecretName>().is_err() && "A=B".parse::<SecretName>().is_err());
    assert_eq!(" A ".parse::<SecretName>(), Ok(SecretName("A".into())));
}
