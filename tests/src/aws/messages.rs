//! SQS queues and SNS topics.

use serde_json::{Value, json};

use super::Aws;

/// A message of a queue.
#[derive(Debug, Clone)]
pub struct Message {
    pub body: String,
    /// The message in the answer of `ReceiveMessage`, with `MessageId`, `Attributes`, `MessageAttributes`.
    pub whole: Value,
}

impl Message {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.body))
    }

    /// Returns the text of a message attribute, or an empty text if the message does not have it.
    pub fn attribute(&self, name: &str) -> &str {
        self.whole["MessageAttributes"][name]["StringValue"].as_str().unwrap_or_default()
    }
}

impl Aws {
    /// Creates a queue, and returns its URL. A name that ends in `.fifo` makes a FIFO queue.
    pub async fn create_queue(&self, name: &str) -> String {
        let fifo = std::path::Path::new(name).extension().is_some_and(|extension| extension == "fifo");
        let attributes = if fifo { json!({ "FifoQueue": "true" }) } else { json!({}) };
        let answer = self.json("sqs", "CreateQueue", &json!({ "QueueName": name, "Attributes": attributes })).await;
        answer["QueueUrl"].as_str().expect("a queue's URL").to_owned()
    }

    pub async fn send_message(&self, queue: &str, body: &str, attributes: &[(&str, &str)]) {
        let attributes: serde_json::Map<String, Value> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), json!({ "DataType": "String", "StringValue": value }))).collect();
        let message = json!({ "QueueUrl": queue, "MessageBody": body, "MessageAttributes": attributes });
        self.json("sqs", "SendMessage", &message).await;
    }

    /// Receives all visible messages, and deletes them.
    pub async fn take_messages(&self, queue: &str) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let receive = json!({
                "QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0,
                "MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"],
            });
            let mut answer = self.json("sqs", "ReceiveMessage", &receive).await;
            let Value::Array(messages) = answer["Messages"].take() else { return all };
            if messages.is_empty() {
                return all;
            }
            for whole in messages {
                let handle = json!({ "QueueUrl": queue, "ReceiptHandle": whole["ReceiptHandle"] });
                self.json("sqs", "DeleteMessage", &handle).await;
                all.push(Message { body: whole["Body"].as_str().unwrap_or_default().to_owned(), whole });
            }
        }
    }

    /// Creates a topic, and a queue that is subscribed to it with raw delivery. Returns the topic's ARN and the queue's URL.
    pub async fn create_topic(&self, name: &str) -> (String, String) {
        let queue = self.create_queue(&format!("{name}-readers")).await;
        let topic = self.sns("CreateTopic", &[("Name", name)], "TopicArn").await;
        let endpoint = self.arn("sqs", &format!("{name}-readers"));
        let raw = [("Attributes.entry.1.key", "RawMessageDelivery"), ("Attributes.entry.1.value", "true")];
        let subscription = [("TopicArn", topic.as_str()), ("Protocol", "sqs"), ("Endpoint", &endpoint), raw[0], raw[1]];
        self.sns("Subscribe", &subscription, "SubscriptionArn").await;
        (topic, queue)
    }

    async fn sns(&self, action: &str, fields: &[(&str, &str)], element: &str) -> String {
        self.query("sns", "2010-03-31", action, fields, element).await
    }
}
