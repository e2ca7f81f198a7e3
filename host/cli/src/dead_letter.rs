//! `postdate dead-letter …`: lists the messages in the dead-letter queue of a deployment on AWS, and sends them again.

mod letter;
mod queue;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use postdate_core::id::CorrelationId;

use crate::logging;
use crate::output::{columns, err, json_line, out, printable};
use letter::Letter;
use queue::Queue;

const EXAMPLES: &str = "\
Examples:
  postdate dead-letter --queue https://sqs.eu-west-1.amazonaws.com/123456789012/postdate-dead-letters list
  postdate dead-letter show 0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5d
  postdate dead-letter redrive --all

Credentials and region come from the same sources as for the AWS CLI, except single sign-on: for it,
run `aws configure export-credentials`.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DeadLetterCommand {
    /// URL of the dead-letter queue: the stack's output `DeadLettersUrl`
    #[arg(long, env = "POSTDATE_DEAD_LETTER_QUEUE_URL", global = true, default_value = "", hide_default_value = true)]
    queue: String,

    /// URL of the target host's delay queue, which redrive sends to: the stack's output `DelayQueueUrl`
    #[arg(long, env = "POSTDATE_QUEUE_URL", global = true, default_value = "", hide_default_value = true)]
    to: String,

    /// Messages to read, at most
    #[arg(long, global = true, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    max: u16,

    #[command(subcommand)]
    action: DeadLetterAction,
}

#[derive(Debug, Subcommand)]
enum DeadLetterAction {
    /// List the messages, with request and reason; none is removed
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show the messages of one request with all attributes
    Show {
        /// Correlation id of the request
        id: CorrelationId,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Send messages to the target host again, and remove them from the dead-letter queue
    Redrive {
        /// Correlation ids of the requests
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<CorrelationId>,
        /// Send all messages that were read: see --max, and repeat until none is left
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
    // Makes the messages that stay visible to others at once.
    for letter in done.as_ref().map_or(&letters[..], |left| &left[..]) {
        queue.put_back(letter).await;
    }
    done.map(|_| ExitCode::SUCCESS)
}

/// Returns the letters that stay in the queue.
async fn act(command: &DeadLetterCommand, queue: &Queue, letters: &[Letter]) -> anyhow::Result<Vec<Letter>> {
    match &command.action {
        DeadLetterAction::List { json } => {
            out(&if *json { documents(letters.iter())? } else { list(letters) });
            Ok(letters.to_vec())
        }
        DeadLetterAction::Show { id, json } => {
            let shown: Vec<&Letter> = letters.iter().filter(|letter| letter.id == Some(*id)).collect();
            anyhow::ensure!(!shown.is_empty(), "none of the {} messages read is of request {id}: read more with --max", letters.len());
            let text = || shown.iter().map(|letter| letter.whole()).collect::<Vec<_>>().join("\n");
            out(&if *json { documents(shown.iter().copied())? } else { text() });
            Ok(letters.to_vec())
        }
        DeadLetterAction::Redrive { ids, all } => {
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
        bail!("none of the {} messages read is of request {missing}, so nothing was sent: read more with --max", letters.len());
    }
    let (mut left, mut sent) = (Vec::new(), 0);
    for letter in letters {
        let chosen = all || letter.id.is_some_and(|id| ids.contains(&id));
        match letter.envelope() {
            Some(envelope) if chosen => {
                if let Some(reason) = letter.undeliverable() {
                    err(&format!("left: request {}: {reason}\n", envelope.correlation_id));
                    left.push(letter.clone());
                    continue;
                }
                // Sent before it is removed: a duplicate runs once, a lost message never.
                queue.send(&command.to, &envelope).await.with_context(|| format!("cannot send request {}", envelope.correlation_id))?;
                queue
                    .remove(letter)
                    .await
                    .with_context(|| format!("request {} was sent, but its message cannot be removed", envelope.correlation_id))?;
                out(&format!("sent again: {}\n", envelope.correlation_id));
                sent += 1;
            }
            None if chosen => {
                err(&format!("left: message {} names no request\n", printable(&letter.message_id)));
                left.push(letter.clone());
            }
            _ => left.push(letter.clone()),
        }
    }
    out(&format!("{sent} sent, {} left\n", left.len()));
    Ok(left)
}

/// Returns letters as one line of JSON.
fn documents<'a>(letters: impl Iterator<Item = &'a Letter>) -> anyhow::Result<String> {
    json_line(&letters.map(Letter::document).collect::<Vec<_>>())
}

fn list(letters: &[Letter]) -> String {
    if letters.is_empty() {
        return "the dead-letter queue is empty\n".to_owned();
    }
    let mut rows = vec![["request", "use case", "sent", "reason"].map(str::to_owned).to_vec()];
    rows.extend(letters.iter().map(Letter::row));
    columns(&rows, "")
}
