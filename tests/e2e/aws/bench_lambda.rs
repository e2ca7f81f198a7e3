//! Tests of the bench's Lambda runtime: invocation, deadline, simulated clock, killed and frozen processes, redelivery.

use std::time::Duration;

use chrono::TimeDelta;
use postdate_tests::lambda::Function;
use postdate_tests::stack::Stack;
use postdate_tests::tools;
use serde_json::{Value, json};

/// Starts `echo.py`, which returns the event and context that it gets, as the function `target`.
async fn echo(stack: &Stack) -> Function {
    let script = tools::root().join("tests/e2e/aws/echo.py");
    stack.function("target").program(&tools::tool("python"), &[&script]).timeout(Duration::from_secs(20)).started().await
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lambda_gets_events_with_a_deadline_on_the_simulated_clock() {
    let stack = Stack::new().await;
    let echo = echo(&stack).await;
    let answer = echo.invoke(&json!({ "n": 1 })).await.unwrap();
    assert_eq!(answer["event"], json!({ "n": 1 }));
    assert_eq!(answer["arn"], stack.target_arn);
    let left = seconds(&answer["deadline"]) - seconds(&answer["now"]);
    assert!((10.0..=20.0).contains(&left), "{left} s");

    stack.clock.advance(TimeDelta::days(400));
    let later = echo.invoke(&json!({})).await.unwrap();
    let passed = seconds(&later["now"]) - seconds(&answer["now"]);
    assert!((passed / 86_400.0 - 400.0).abs() < 0.01, "the clock of a running process advanced by {passed} s, not by 400 days");
    assert!((seconds(&later["deadline"]) - seconds(&later["now"]) - left).abs() < 10.0, "the deadline must be on the simulated clock");

    let failure = echo.invoke(&json!({ "fail": "on purpose" })).await.unwrap_err();
    assert_eq!((failure.kind.as_str(), failure.message.as_str()), ("ValueError", "on purpose"));
    echo.logged("of the first event", |line| line["event"]["n"] == 1).await;

    let post = reqwest::Client::new().post(format!("{}/requests/orders?a=b", echo.url())).body("{}").send().await.unwrap();
    assert_eq!((post.status().as_u16(), post.headers()["x-seen"].to_str().unwrap()), (202, "yes"));
    let seen: Value = serde_json::from_str(&post.text().await.unwrap()).unwrap();
    assert_eq!(seen["event"]["rawPath"], "/requests/orders");
    assert_eq!(seen["event"]["requestContext"]["http"]["method"], "POST");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_lambda_answers_nothing_and_a_new_process_takes_the_next_event() {
    let stack = Stack::new().await;
    let mut echo = echo(&stack).await;
    for _ in 0..3 {
        echo.kill_and_start().await;
        assert_eq!(echo.invoke(&json!({ "n": "after a kill between events" })).await.unwrap()["event"]["n"], "after a kill between events");
    }
    let lost = echo.invoke_beside(&json!({ "n": "lost", "wait": 60 }));
    echo.logged("of the lost event", |line| line["event"]["n"] == "lost").await;
    echo.kill_and_start().await;
    assert_eq!(echo.invoke(&json!({ "n": "again" })).await.unwrap()["event"]["n"], "again");
    assert!(!lost.is_finished(), "the event of a killed process must stay unanswered");
    lost.abort();

    echo.freeze();
    let frozen = echo.invoke_beside(&json!({ "n": "frozen" }));
    // A frozen process must not answer; give a wrong answer time to arrive.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!frozen.is_finished());
    echo.thaw();
    assert_eq!(frozen.await.unwrap().unwrap()["event"]["n"], "frozen");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_of_a_function_share_its_events() {
    let stack = Stack::new().await;
    let (one, _two, _three) = tokio::join!(echo(&stack), echo(&stack), echo(&stack));
    let all: Vec<_> = (0..3).map(|_| one.invoke_beside(&json!({ "wait": 1 }))).collect();
    let mut processes = Vec::new();
    for answer in all {
        processes.push(answer.await.unwrap().unwrap()["process"].clone());
    }
    processes.sort_by_key(Value::as_u64);
    processes.dedup();
    assert_eq!(processes.len(), 3, "each process must take one event: {processes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_message_is_redelivered_and_ends_in_the_dead_letter_queue() {
    let stack = Stack::new().await;
    let echo = echo(&stack).await;
    for (body, delay) in [(r#"{"n":"good"}"#, 3), (r#"{"fail":"bad"}"#, 0)] {
        let message = json!({ "QueueUrl": stack.queue_url, "MessageBody": body, "DelaySeconds": delay });
        let (status, _) = super::bench::call(&stack, "sqs", "AmazonSQS.SendMessage", &message).await.unwrap();
        assert_eq!(status, 200);
    }
    let delivered = stack.driver.settle(&[&echo]).await;
    let good = |body: &Value| delivered.iter().filter(|one| one.due.event == *body).map(|one| one.outcome.is_ok()).collect::<Vec<_>>();
    assert_eq!(good(&json!({ "n": "good" })), [true]);
    assert_eq!(good(&json!({ "fail": "bad" })), [false; 5]);
    let dead: Vec<_> = stack.aws.take_messages(&stack.dead_letters_url).await.iter().map(|letter| letter.json()).collect();
    assert_eq!(dead, [json!({ "fail": "bad" })]);
}
