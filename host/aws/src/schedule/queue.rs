//! The delay queue: brings an envelope back after up to fifteen minutes, to the second.

use aws_sdk_sqs::Client;
use postdate_core::ports::ScheduleError;

use super::schedule_error;
use crate::clients::Lazy;
use crate::fault::Fault;

#[derive(Debug, Clone)]
pub struct DelayQueue {
    client: Lazy<Client>,
}

impl DelayQueue {
    pub fn new(client: Lazy<Client>) -> Self {
        Self { client }
    }

    /// Sends the envelope to a queue, to appear after `delay_seconds`, 0 to 900. The client's own tries stand here: a
    /// message that is there twice is a delivery that loses its claim.
    pub async fn park(&self, envelope: &str, delay_seconds: i32, queue_url: &str) -> Result<(), ScheduleError> {
        let call = self.client.send_message().queue_url(queue_url).message_body(envelope).delay_seconds(delay_seconds);
        call.send().await.map(drop).map_err(|error| schedule_error(&Fault::of("SendMessage", &error)))
    }
}
