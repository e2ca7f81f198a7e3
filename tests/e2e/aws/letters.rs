//! Dead letters in a queue, put there by hand: `postdate dead-letter`, and `postdate ui` that knows the queue.

use postdate_tests::aws::REGION;
use postdate_tests::moto::Account;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Client, PUPPET, Run, Server, cli_with, text};
use crate::page::{Ui, browse_with, header};

const ONE: &str = "0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5d";
const TWO: &str = "0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5e";
const BODY_OF_A_LETTER: &str = "a-body-that-nobody-shall-read";

/// An account with a dead-letter queue and a delay queue.
struct Office {
    account: Account,
    letters: String,
    delay: String,
}

impl Office {
    async fn new() -> Self {
        let account = Account::new().await;
        let letters = account.aws.create_queue("postdate-dead-letters").await;
        let delay = account.aws.create_queue("postdate-delay").await;
        Self { account, letters, delay }
    }

    /// Puts a letter into the queue, as EventBridge writes it for a rule whose target could not be reached.
    async fn put(&self, id: &str, target: &str) {
        let rule = self.account.aws.arn("events", &format!("rule/postdate-orders-{id}"));
        let attributes = [("RULE_ARN", rule.as_str()), ("ERROR_CODE", "NO_PERMISSIONS"), ("TARGET_ARN", target)];
        let body = json!({ "detail": { "note": BODY_OF_A_LETTER } }).to_string();
        self.account.aws.send_message(&self.letters, &body, &attributes).await;
    }

    async fn put_of_function(&self, id: &str) {
        self.put(id, &self.account.aws.arn("lambda", "function:target")).await;
    }

    fn variables(&self) -> [(&'static str, String); 6] {
        [
            ("AWS_ENDPOINT_URL", self.account.proxy.url()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIAOFTHETEST".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "not-a-secret".to_owned()),
            ("POSTDATE_DEAD_LETTER_QUEUE_URL", self.letters.clone()),
            ("POSTDATE_QUEUE_URL", self.delay.clone()),
        ]
    }

    async fn run(&self, arguments: &[&str]) -> Run {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        cli_with(&variables, &[&["dead-letter"], arguments].concat()).await
    }

    /// Returns the correlation ids in the queue, sorted; "" for a letter without one.
    async fn ids(&self) -> Vec<String> {
        let list = self.run(&["list", "--json"]).await.expect(0).document();
        let letters = list.as_array().expect("a list");
        let mut ids: Vec<String> = letters.iter().map(|letter| letter["correlationId"].as_str().unwrap_or_default().to_owned()).collect();
        ids.sort();
        ids
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_letters_of_a_request_are_deleted_after_a_confirmation_and_no_other() {
    let office = Office::new().await;
    for id in [ONE, ONE, TWO] {
        office.put_of_function(id).await;
    }
    office.account.aws.send_message(&office.letters, "no request", &[]).await;
    office.run(&["delete", ONE]).await.expect(1).complains(&["needs a confirmation", "add --yes"]);
    office
        .run(&["delete", ONE, "0192f0c4-7b1e-7c3a-9a53-000000000000", "--yes"])
        .await
        .expect(1)
        .complains(&["none of the 4 messages read is of request 0192f0c4-7b1e-7c3a-9a53-000000000000", "so nothing was deleted"]);
    assert_eq!(office.ids().await, ["", ONE, ONE, TWO], "a refusal leaves the queue as it was");
    office.run(&["delete", ONE, "--yes"]).await.expect(0).says(&[&format!("of {ONE}\n"), "2 deleted, 2 left\n"]);
    assert_eq!(office.ids().await, ["", TWO]);
    let list = office.run(&["list", "--json"]).await.expect(0).document();
    let other = list.as_array().expect("a list").iter().find(|letter| letter["correlationId"].is_null());
    let other = other.expect("the letter without a request");
    office.run(&["delete", text(other, "messageId"), "--yes", "--max", "1"]).await.expect(0).complains(&["the queue may have more than"]);
    assert_eq!(office.ids().await, [TWO]);
    assert!(office.account.aws.take_messages(&office.delay).await.is_empty(), "a deletion sends nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn redrive_and_delete_print_what_they_did_as_one_document() {
    let office = Office::new().await;
    let stream = "0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5f";
    for id in [ONE, TWO] {
        office.put_of_function(id).await;
    }
    office.put(stream, &office.account.aws.arn("kinesis", "stream/orders")).await;
    let sent = office.run(&["redrive", ONE, stream, "--json"]).await.expect(0);
    sent.complains(&[&format!("sent again: {ONE}"), &format!("left: request {stream}")]);
    let sent = sent.document();
    assert_eq!((&sent["sent"], &sent["left"], &sent["letters"][0]["correlationId"]), (&json!(1), &json!(2), &json!(ONE)), "{sent}");
    assert_eq!(sent["refused"][0]["correlationId"], json!(stream));
    assert!(text(&sent["refused"][0], "stays").contains("a Kinesis stream"), "{sent}");
    let deleted = office.run(&["delete", TWO, "--yes", "--json"]).await.expect(0).document();
    assert_eq!((&deleted["deleted"], &deleted["left"], &deleted["isComplete"]), (&json!(1), &json!(1), &json!(true)), "{deleted}");
    assert_eq!(deleted["letters"][0]["correlationId"], json!(TWO));
    let unknown = office.run(&["delete", TWO, "--yes", "--json"]).await.expect(1);
    assert_eq!(unknown.stdout, "");
    assert!(![&sent, &deleted].iter().any(|document| document.to_string().contains(BODY_OF_A_LETTER)));
}

/// Opens the printed address as a browser does. Returns the base URL of the page and its cookie.
async fn opened(ui: &Ui) -> (String, String) {
    let printed = ui.url().await;
    let (base, _) = printed.split_once("/ui/?token=").expect("an address with a token");
    let page = crate::page::get(&printed, &[]).await;
    (base.to_owned(), header(&page, "set-cookie").split(';').next().expect("a cookie").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_command_lists_sends_and_deletes_letters_for_browsers_with_its_token_only() {
    let office = Office::new().await;
    for id in [ONE, TWO, TWO] {
        office.put_of_function(id).await;
    }
    office.put("0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5f", &office.account.aws.arn("kinesis", "stream/orders")).await;
    let ui = Ui::with(&office.variables(), &["--url", "http://127.0.0.1:9"]);
    let (base, cookie) = opened(&ui).await;
    let client = Client::new(&base, None);
    let with_cookie = |method, path: &str| client.call(method, path).header("cookie", &cookie);
    for (method, path) in [(Method::GET, "/dead-letters"), (Method::DELETE, "/dead-letters/x"), (Method::POST, "/dead-letters/x/redrive")] {
        client.send(client.call(method.clone(), path)).await.expect_fault(401, "unauthorized");
        let foreign = with_cookie(method, path).header("origin", "https://example.com");
        client.send(foreign).await.expect_fault(403, "cross-origin");
    }

    let list = client.send(with_cookie(Method::GET, "/dead-letters")).await.expect(200);
    let letters = list["deadLetters"].as_array().expect("a list");
    assert_eq!((letters.len(), &list["canRedrive"], &list["isComplete"]), (4, &json!(true), &json!(true)));
    assert!(!list.to_string().contains(BODY_OF_A_LETTER), "{list}");
    let of = |id: &str| letters.iter().find(|letter| letter["correlationId"] == id).expect("a letter");
    assert_eq!((text(of(ONE), "reason"), of(ONE).get("stays")), ("NO_PERMISSIONS", None));
    let stream = of("0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5f");
    assert!(text(stream, "stays").contains("a Kinesis stream"), "{stream}");
    let head = with_cookie(Method::HEAD, "/dead-letters").send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::OK);

    let redrive = |id: &str| client.send(with_cookie(Method::POST, &format!("/dead-letters/{id}/redrive")));
    let refused = redrive(text(stream, "messageId")).await.expect_fault(409, "not-redrivable");
    assert!(text(&refused, "detail").contains("a Kinesis stream"), "{refused}");
    assert_eq!(redrive(text(of(TWO), "messageId")).await.expect(200)["sent"], 1);
    let sent = office.account.aws.take_messages(&office.delay).await;
    assert_eq!(sent.len(), 1);
    assert_eq!((text(&sent[0].json(), "correlationId"), &sent[0].json()["redrive"]), (TWO, &json!(true)));
    let delete = |id: &str| client.send(with_cookie(Method::DELETE, &format!("/dead-letters/{id}")));
    assert_eq!(delete(TWO).await.expect(200)["deleted"], 1, "the one that was not sent");
    delete(TWO).await.expect_fault(404, "unknown-dead-letter");
    assert_eq!(office.ids().await, [ONE, "0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5f"]);

    client.send(with_cookie(Method::PUT, "/dead-letters")).await.expect_fault(405, "method-not-allowed");
    client.send(with_cookie(Method::GET, "/dead-letters/a/b/c")).await.expect_fault(404, "not-found");
    let away = client.send(with_cookie(Method::GET, "/use-cases")).await;
    away.expect_fault(502, "unreachable");
    // An error of the queue is one of the queue, and not of the server that the page is for.
    office.account.aws.json("sqs", "DeleteQueue", &json!({ "QueueUrl": office.letters })).await;
    let gone = client.send(with_cookie(Method::GET, "/dead-letters")).await.expect_fault(503, "dead-letters-unavailable");
    assert!(text(&gone, "detail").contains("cannot read the dead-letter queue"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_the_delay_queue_sends_no_letter() {
    let office = Office::new().await;
    office.put_of_function(ONE).await;
    let variables = office.variables().into_iter().filter(|(name, _)| *name != "POSTDATE_QUEUE_URL").collect::<Vec<_>>();
    let ui = Ui::with(&variables, &["--url", "http://127.0.0.1:9"]);
    let (base, cookie) = opened(&ui).await;
    let client = Client::new(&base, None);
    let list = client.send(client.call(Method::GET, "/dead-letters").header("cookie", &cookie)).await.expect(200);
    assert_eq!(list["canRedrive"], json!(false));
    let redrive = client.call(Method::POST, &format!("/dead-letters/{ONE}/redrive")).header("cookie", &cookie);
    client.send(redrive).await.expect_fault(409, "no-delay-queue");
    assert_eq!(office.ids().await, [ONE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_works_with_dead_letters() {
    let (office, server) = (Office::new().await, Server::builder().use_case("puppet", PUPPET).start().await);
    for id in [ONE, TWO] {
        office.put_of_function(id).await;
    }
    let ui = Ui::with(&office.variables(), &["--url", &server.api.url]);
    browse_with("letters.mjs", &[&ui.url().await, ONE, TWO]).await;
    assert!(office.ids().await.is_empty());
    assert_eq!(office.account.aws.take_messages(&office.delay).await.len(), 1);
}
