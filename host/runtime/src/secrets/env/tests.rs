use super::*;

#[tokio::test]
async fn the_hosts_own_variables_are_never_secrets() {
    for name in ["AWS_SECRET_ACCESS_KEY", "POSTDATE_API_KEY", "LAMBDA_TASK_ROOT", "_X_AMZN_TRACE_ID", "aws_session_token"] {
        let error = EnvSecrets.fetch("orders", &[name]).await.unwrap_err();
        assert!(error.contains("the host's own"), "{name}: {error}");
    }
    assert!(EnvSecrets.fetch("orders", &["THERE_IS_NO_SUCH_VARIABLE"]).await.unwrap().is_empty());
    assert_eq!(EnvSecrets.fetch("orders", &["PATH"]).await.unwrap().len(), 1);
}
