//! `infra/verify.sh`, the script for a first deployment, from its first to its last line against the emulators.

mod front;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
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

/// The tool that made a deployment, and knows its outputs.
#[derive(Clone, Copy, PartialEq)]
enum MadeBy {
    CloudFormation,
    Terraform,
}

/// Directory of the configuration whose outputs `terraform` is asked for.
const CONFIGURATION: &str = "infra/terraform";

/// Writes a program `terraform` that answers with these outputs, and fails on any other call.
fn write_terraform(dir: &Path, outputs: &[(&str, &str)]) {
    let known = std::fs::read_to_string(root().join(CONFIGURATION).join("outputs.tf")).expect("the outputs");
    let mut script = format!("#!/bin/sh\n[ \"$1 $2 $3\" = '-chdir={CONFIGURATION} output -raw' ] || exit 1\ncase $4 in\n");
    for (name, value) in outputs {
        assert!(known.contains(&format!("output \"{name}\"")), "{CONFIGURATION} has no output {name}");
        script = format!("{script}{name}) printf %s '{value}' ;;\n");
    }
    let program = dir.join("terraform");
    std::fs::write(&program, format!("{script}*) exit 1 ;;\nesac\n")).expect("the program");
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("the program's mode");
}

/// The script on a stack whose calls of one action fail. Returns the exit code and the output.
async fn verified(stack: &Stack, made_by: MadeBy, fault: Option<(&str, &str)>) -> (Option<i32>, String) {
    let (processor, target) = tokio::join!(stack.processor(), stack.target());
    let front = Front::start(&processor.url()).await;
    let outputs = [
        ("ApiUrl", "api_url", front.url()),
        ("UseCasesUrl", "use_cases_url", store(stack)),
        ("TableName", "table_name", TABLE.to_owned()),
        ("TargetArn", "target_arn", format!("arn:aws:lambda:{REGION}:{}:function:postdate-target:live", stack.aws.account)),
        ("DelayQueueUrl", "delay_queue_url", stack.queue_url.clone()),
        ("DeadLettersUrl", "dead_letters_url", stack.dead_letters_url.clone()),
    ];
    let programs = tempfile::tempdir().expect("a directory");
    match made_by {
        MadeBy::CloudFormation => {
            stack.aws.create_stack("postdate", &outputs.each_ref().map(|(name, _, value)| (*name, value.as_str()))).await;
        }
        MadeBy::Terraform => write_terraform(programs.path(), &outputs.each_ref().map(|(_, name, value)| (*name, value.as_str()))),
    }
    if let Some((service, action)) = fault {
        stack.proxy.fail_always(service, action, Fault::AccessDenied);
    }

    let tools = tool("aws");
    let tools = tools.parent().unwrap_or(Path::new("/")).display();
    let path = format!("{}:{tools}:/usr/local/bin:/usr/bin:/bin", programs.path().display());
    let mut command = Command::new("bash");
    command.current_dir(root()).arg("infra/verify.sh").env_clear().env("PATH", path).env("HOME", "/nonexistent");
    command.env("AWS_ENDPOINT_URL", stack.proxy.url()).env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command.env("AWS_REGION", REGION).env("AWS_DEFAULT_REGION", REGION).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("VERIFY_POSTDATE", host()).env("VERIFY_BUNDLE", samples().join("orders")).env("VERIFY_ARCH", architecture());
    command.env("VERIFY_POLL", "1").env("VERIFY_PATIENCE", "60").env("TMPDIR", std::env::temp_dir());
    // Seconds of the simulated clock, which stands still until the script waits, and then goes from event to event. The script adds
    // them to its own limits, which are real seconds: nothing waits so long.
    command.env("VERIFY_NEAR", "120").env("VERIFY_FAR", "1200");
    if made_by == MadeBy::Terraform {
        command.env("VERIFY_TERRAFORM", CONFIGURATION);
    }
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
    let (code, output) = verified(&stack, MadeBy::CloudFormation, None).await;
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

/// The outputs are Terraform's: the account has no stack of `CloudFormation`.
#[tokio::test(flavor = "multi_thread")]
async fn the_script_for_a_first_deployment_fails_where_a_rule_cannot_be_removed() {
    let stack = stack().await;
    let (code, output) = verified(&stack, MadeBy::Terraform, Some(("events", "DeleteRule"))).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("FAILED: no rule or schedule is left"), "{output}");
    assert!(output.contains("ok: a request due in 120 s: succeeded"), "only what is broken may fail: {output}");
}
