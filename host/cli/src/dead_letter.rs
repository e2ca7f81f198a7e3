//! `postdate dead-letter …`: lists the messages in the dead-letter queue of a deployment on AWS, sends them again, and deletes them.

mod letter;
mod mailbox;
mod queue;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use postdate_core::id::CorrelationId;
use serde_json::{Value, json};

use crate::confirm;
use crate::logging;
use crate::output::{columns, err, json_line, out, printable, progress};
pub use letter::Letter;
pub use mailbox::{Chosen, LetterId, Mailbox, NoSuchLetter, StepReport};

const EXAMPLES: &str = "\
Examples:
  postdate dead-letter --queue https://sqs.eu-west-1.amazonaws.com/123456789012/postdate-dead-letters list
  postdate dead-letter show 0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5d
  postdate dead-letter redrive --all
  postdate dead-letter delete 0192f0c4-7b1e-7c3a-9a53-2f3f2a1b4c5d      its letters may carry the body

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
        /// Correlation ids of the requests, or ids of messages
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<LetterId>,
        /// Send all messages that were read: see --max, and repeat until none is left
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete the messages of requests for ever; the requests stay as they are
    Delete {
        /// Correlation ids of the requests, or ids of messages
        #[arg(required = true)]
        ids: Vec<LetterId>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: DeadLetterCommand) -> anyhow::Result<ExitCode> {
    logging::init("warn")?;
    if command.queue.is_empty() {
        bail!("name the dead-letter queue: --queue URL, or POSTDATE_DEAD_LETTER_QUEUE_URL");
    }
    let (mailbox, most) = (Mailbox::open(&command.queue, &command.to).await?, usize::from(command.max));
    match command.action {
        DeadLetterAction::List { json } => {
            let letters = mailbox.list(most).await?;
            out(&if json { documents(letters.iter())? } else { list(&letters) });
        }
        DeadLetterAction::Show { id, json } => {
            let letters = mailbox.list(most).await?;
            let shown: Vec<&Letter> = letters.iter().filter(|letter| letter.id == Some(id)).collect();
            anyhow::ensure!(!shown.is_empty(), "none of the {} messages read is of request {id}: read more with --max", letters.len());
            let text = || shown.iter().map(|letter| letter.whole()).collect::<Vec<_>>().join("\n");
            out(&if json { documents(shown.iter().copied())? } else { text() });
        }
        DeadLetterAction::Redrive { ids, all, json } => {
            let chosen = if all { Chosen::All } else { Chosen::Named(ids) };
            let report = mailbox.redrive(&chosen, most).await.map_err(|error| more(error, "sent"))?;
            redriven(report, json)?;
        }
        DeadLetterAction::Delete { ids, yes, json } => return delete(&mailbox, Chosen::Named(ids), yes, json, most).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what a redrive did. Fails with the error that ended it.
fn redriven(report: StepReport, json: bool) -> anyhow::Result<()> {
    for letter in &report.done {
        progress(json, &format!("sent again: {}\n", request_of(letter)));
    }
    for (letter, reason) in &report.refused {
        err(&match letter.id {
            Some(id) => format!("left: request {id}: {reason}\n"),
            None => format!("left: message {}: {reason}\n", printable(&letter.message_id)),
        });
    }
    out(&if json { json_line(&redriven_document(&report))? } else { format!("{} sent, {} left\n", report.done.len(), report.left()) });
    report.error.map_or(Ok(()), Err)
}

fn redriven_document(report: &StepReport) -> Value {
    let refused = report.refused.iter().map(|(letter, reason)| {
        let mut document = letter.document();
        document["stays"] = json!(reason);
        document
    });
    let letters: Vec<Value> = report.done.iter().map(Letter::document).collect();
    json!({ "sent": letters.len(), "left": report.left(), "letters": letters, "refused": refused.collect::<Vec<_>>() })
}

/// Shows the letters, asks, and deletes them.
async fn delete(mailbox: &Mailbox, chosen: Chosen, yes: bool, json: bool, most: usize) -> anyhow::Result<ExitCode> {
    confirm::check(yes, "a deletion", "")?;
    if !yes {
        // The letters are put back before the question, since they would come back by themselves before somebody has answered.
        let mut letters = mailbox.list(most).await?;
        chosen.check(&letters).map_err(|missing| more(missing.into(), "deleted"))?;
        letters.retain(|letter| chosen.has(letter));
        err(&list(&letters));
        if !confirm::ask(yes, &format!("delete {} messages for ever? [y/N] ", letters.len()))? {
            err("nothing was deleted\n");
            return Ok(ExitCode::FAILURE);
        }
    }
    let report = mailbox.delete(&chosen, most).await.map_err(|error| more(error, "deleted"))?;
    for letter in &report.done {
        progress(json, &format!("deleted: message {} of {}\n", printable(&letter.message_id), request_of(letter)));
    }
    out(&if json {
        json_line(&deleted_document(&report, most))?
    } else {
        format!("{} deleted, {} left\n", report.done.len(), report.left())
    });
    if report.read >= most {
        err(&format!(
            "the queue may have more than the {} messages that were read: repeat with a larger --max, until no message of these requests is found\n",
            report.read
        ));
    }
    report.error.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn deleted_document(report: &StepReport, most: usize) -> Value {
    let letters: Vec<Value> = report.done.iter().map(Letter::document).collect();
    json!({ "deleted": letters.len(), "left": report.left(), "isComplete": report.read < most && report.error.is_none(), "letters": letters })
}

/// Adds the next step to an error about an id.
fn more(error: anyhow::Error, done: &str) -> anyhow::Error {
    if error.is::<NoSuchLetter>() { anyhow::anyhow!("{error}, so nothing was {done}: read more with --max") } else { error }
}

fn request_of(letter: &Letter) -> String {
    letter.id.map_or_else(|| "no request".to_owned(), |id| id.to_string())
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

#[cfg(test)]
mod tests;
