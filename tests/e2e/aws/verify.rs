//! `infra/verify.sh`, the script for a first deployment, from its first to its last line against the emulators.

mod front;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use postdate_tests::aws::REGION;
use postdate_tests::fault_proxy::Fault;
use postdate_tests::process::{Lines, Process};
use postdate_tests::stack::{Options, Stack, TABLE};
use postdate_tests::tools::{host, root, samples, tool};
use serde_json::json;

use super::scene::{architecture, store};
use front::{ACCESS_KEY, Front, SECRET_KEY};

/// Limit of one run of the script, which starts the AWS CLI about forty times.
const LONGEST: Duration = Duration::from_mins(10);

/// Returns a stack with the two queues that the script makes as the only targets, and nothing else, as the script's first lines ask.
async fn stack() -> Stack {
    let queues = ["postdate-verify", "postdate-verify-later"].map(|queue| format!("arn:aws:sqs:{REGION}:*:{queue}"));
    let variables = vec![("POSTDATE_DELIVERY_TARGETS".to_owned(), queues.join(","))];
    Stack::start(Options { use_cases_in_s3: true, variables, ..Options::default() }).await
}

/// The script on a stack whose calls of one action fail. Returns the exit code and the output.
async fn verified(stack: &Stack, fault: Option<(&str, &str)>) -> (Option<i32>, String) {
    let (processor, target) = tokio::join!(stack.processor(), stack.target());
    let front = Front::start(&processor.url()).await;
    let outputs = [
        ("ApiUrl", front.url()),
        ("UseCasesUrl", store(stack)),
        ("TableName", TABLE.to_owned()),
        ("TargetArn", format!("arn:aws:lambda:{REGION}:{}:function:postdate-target:live", stack.aws.account)),
        ("DelayQueueUrl", stack.queue_url.clone()),
        ("DeadLettersUrl", stack.dead_letters_url.clone()),
    ];
    stack.aws.create_stack("postdate", &outputs.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    if let Some((service, action)) = fault {
        stack.proxy.fail_always(service, action, Fault::AccessDenied);
    }

    let tools = tool("aws");
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", tools.parent().unwrap_or(Path::new("/")).display());
    let mut command = Command::new("bash");
    command.current_dir(root()).arg("infra/verify.sh").env_clear().env("PATH", path).env("HOME", "/nonexistent");
    command.env("AWS_ENDPOINT_URL", stack.proxy.url()).env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command.env("AWS_REGION", REGION).env("AWS_DEFAULT_REGION", REGION).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("VERIFY_POSTDATE", host()).env("VERIFY_BUNDLE", samples().join("orders")).env("VERIFY_ARCH", architecture());
    command.env("VERIFY_POLL", "1").env("VERIFY_PATIENCE", "60").env("TMPDIR", std::env::temp_dir());
    // Seconds of the simulated clock, which stands still until the script waits, and then goes from event to event. The script adds
    // them to its own limits, which are real seconds: nothing waits so long.
    command.env("VERIFY_NEAR", "120").env("VERIFY_FAR", "1200");
    let lines = Lines::default();
    let mut script = Process::start(&mut command, &lines);

    let delivered_to = stack.queue_url.replace("postdate-delay", "postdate-verify");
    let begun = Instant::now();
    while script.exited().is_none() {
        assert!(begun.elapsed() < LONGEST, "the script runs for {LONGEST:?}:\n{}", lines.text());
        let waits = lines.text().contains("waiting for the requests");
        for delivered in if waits { stack.driver.settle(&[&target]).await } else { Vec::new() } {
            // EventBridge's part, which moto does not play: it delivers to a direct target.
            if delivered.due.target.ends_with(":postdate-verify") {
                stack.aws.send_message(&delivered_to, &delivered.due.event.to_string(), &[]).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stack.proxy.heal();
    (script.exited().and_then(|status| status.code()), lines.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_for_a_first_deployment_passes_on_a_good_stack() {
    let stack = stack().await;
    let (code, output) = verified(&stack, None).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(!output.contains("FAILED") && !output.contains(SECRET_KEY), "{output}");
    let expected =
        ["signature is refused", "not early", "cancelled", "the message arrived", "after the redrive", "rule or schedule is left"];
    assert!(expected.iter().all(|text| output.contains(text)), "{output}");
    // The janitor removes the direct target's rule an hour after its time, and the account is as it was.
    stack.clock.advance(TimeDelta::hours(2));
    stack.janitor().await.invoke(&json!({})).await.expect("the janitor's report");
    assert_eq!(stack.aws.list_rules().await, Vec::<serde_json::Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_for_a_first_deployment_fails_where_a_rule_cannot_be_removed() {
    let stack = stack().await;
    let (code, output) = verified(&stack, Some(("events", "DeleteRule"))).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("FAILED: no rule or schedule is left"), "{output}");
    assert!(output.contains("ok: a request due in 120 s: succeeded"), "only what is broken may fail: {output}");
}
