//! `postdate dead-letter …`: what could not be delivered or has failed for good on AWS, and sending it again.

mod letter;
mod queue;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use postdate_core::id::CorrelationId;

use crate::logging;
use crate::output::{columns, err, out, printable};
use letter::Letter;
use queue::Queue;

const EXAMPLES: &str = "\
Examples:
  postdate dead-letter --queue https://sqs.eu-west-1.amazonaws.com/123456789012/postdate-dead-letters list
  postdate dead-letter show 0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5d
  postdate dead-letter redrive --all

Credentials and region are found as the AWS CLI finds them (except single sign-on: `aws configure export-credentials`).";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DeadLetterCommand {
    /// URL of the dead-letter queue: the stack's output `DeadLettersUrl`
    #[arg(long, env = "POSTDATE_DEAD_LETTER_QUEUE_URL", global = true, default_value = "", hide_default_value = true)]
    queue: String,

    /// URL of the delay queue of the target host, which redrive sends to: the stack's output `DelayQueueUrl`
    #[arg(long, env = "POSTDATE_QUEUE_URL", global = true, default_value = "", hide_default_value = true)]
    to: String,

    /// Messages to look at, at the most
    #[arg(long, global = true, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    max: u16,

    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the messages, with the request and the reason of each; none is removed
    List,
    /// Show the messages of one request whole
    Show { id: CorrelationId },
    /// Send messages to the target host again, then remove them from the dead-letter queue
    Redrive {
        /// The requests to send again
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<CorrelationId>,
        /// Send all that were looked at: see --max, and repeat until none is left
        #[arg(long)]
        all: bool,
    },
}

pub async fn run(command: DeadLetterCommand) -> anyhow::Result<ExitCode> {
    logging::init("warn")?;
    if command.queue.is_empty() {
        bail!("name the dead-letter queue: --queue URL, or POSTDATE_DEAD_LETTER_QUEUE_URL");
    }
    let queue = Queue::open(&command.queue).await?;
    let letters = queue.receive(usize::from(command.max)).await.context("cannot read the dead-letter queue")?;
    let done = act(&command, &queue, &letters).await;
    // What was only looked at is there for the next one at once.
    for letter in done.as_ref().map_or(&letters[..], |left| &left[..]) {
        queue.put_back(letter).await;
    }
    done.map(|_| ExitCode::SUCCESS)
}

/// Returns the letters that stay in the queue.
async fn act(command: &DeadLetterCommand, queue: &Queue, letters: &[Letter]) -> anyhow::Result<Vec<Letter>> {
    match &command.action {
        Action::List => {
            out(&list(letters));
            Ok(letters.to_vec())
        }
        Action::Show { id } => {
            let shown: Vec<String> = letters.iter().filter(|letter| letter.id == Some(*id)).map(Letter::whole).collect();
            anyhow::ensure!(!shown.is_empty(), "among the {} messages that were looked at, none is of request {id}", letters.len());
            out(&shown.join("\n"));
            Ok(letters.to_vec())
        }
        Action::Redrive { ids, all } => {
            anyhow::ensure!(!command.to.is_empty(), "name the queue of the target host: --to URL, or POSTDATE_QUEUE_URL");
            redrive(command, queue, letters, ids, *all).await
        }
    }
}

async fn redrive(
    command: &DeadLetterCommand,
    queue: &Queue,
    letters: &[Letter],
    ids: &[CorrelationId],
    all: bool,
) -> anyhow::Result<Vec<Letter>> {
    if let Some(missing) = ids.iter().find(|id| !letters.iter().any(|letter| letter.id == Some(**id))) {
        bail!("among the {} messages that were looked at, none is of request {missing}; nothing was sent", letters.len());
    }
    let (mut left, mut sent) = (Vec::new(), 0);
    for letter in letters {
        let chosen = all || letter.id.is_some_and(|id| ids.contains(&id));
        match letter.envelope() {
            Some(envelope) if chosen => {
                // Sent first: a message that is there twice is run once, and one that is lost is not run.
                queue.send(&command.to, &envelope).await.with_context(|| format!("cannot send request {}", envelope.correlation_id))?;
                queue.remove(letter).await.with_context(|| format!("request {} was sent, and is still here", envelope.correlation_id))?;
                out(&format!("sent again: {}\n", envelope.correlation_id));
                sent += 1;
            }
            None if chosen => {
                err(&format!("left: message {} names no request of Postdate\n", printable(&letter.message_id)));
                left.push(letter.clone());
            }
            _ => left.push(letter.clone()),
        }
    }
    out(&format!("{sent} sent, {} left\n", left.len()));
    Ok(left)
}

fn list(letters: &[Letter]) -> String {
    if letters.is_empty() {
        return "the dead-letter queue is empty\n".to_owned();
    }
    let mut rows = vec![["request", "use case", "sent", "reason"].map(str::to_owned).to_vec()];
    rows.extend(letters.iter().map(Letter::row));
    columns(&rows, "")
}
