//! The steps of `postdate dead-letter` and of the page: list letters, send them again, delete them.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, ensure};
use postdate_core::id::CorrelationId;
use tokio::sync::Mutex;

use super::letter::Letter;
use super::queue::Queue;

/// The dead-letter queue of a deployment, and the delay queue of its target host.
pub struct Mailbox {
    queue: Queue,
    /// URL of the delay queue.
    to: Option<String>,
    /// A step hides the letters that it reads, so the next one waits for its end.
    turn: Mutex<()>,
}

/// Names letters: those of a request, by its correlation id, or one, by the id of its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterId(String);

/// The letters that a step is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// All that are read.
    All,
    Named(Vec<LetterId>),
}

/// The result of a step.
#[derive(Debug, Default)]
pub struct StepReport {
    /// Letters that are no longer in the queue, in the order of the steps.
    pub done: Vec<Letter>,
    /// Chosen letters that stay in the queue, and why.
    pub refused: Vec<(Letter, String)>,
    /// Number of letters that were read.
    pub read: usize,
    /// The error that ended the step; letters after it stay in the queue.
    pub error: Option<anyhow::Error>,
}

/// No letter has a given id.
#[derive(Debug)]
pub struct NoSuchLetter {
    pub id: LetterId,
    pub read: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Redrive,
    Delete,
}

impl StepReport {
    /// Returns the number of letters that were read, and stay in the queue.
    pub fn left(&self) -> usize {
        self.read - self.done.len()
    }
}

impl Mailbox {
    /// Opens the queues without a call to them; without `to`, letters cannot be sent again. Fails where no AWS region is set.
    pub async fn open(queue: &str, to: &str) -> anyhow::Result<Self> {
        Ok(Self { queue: Queue::open(queue).await?, to: (!to.is_empty()).then(|| to.to_owned()), turn: Mutex::default() })
    }

    pub fn can_redrive(&self) -> bool {
        self.to.is_some()
    }

    /// Returns up to about `most` letters, which stay in the queue.
    pub async fn list(&self, most: usize) -> anyhow::Result<Vec<Letter>> {
        let _turn = self.turn.lock().await;
        let letters = self.receive(most).await?;
        self.queue.put_back(&letters).await;
        Ok(letters)
    }

    /// Sends the chosen ones of up to about `most` letters to the target host, and removes them from the queue. Fails, before any is sent,
    /// with [`NoSuchLetter`], and without a delay queue.
    pub async fn redrive(&self, chosen: &Chosen, most: usize) -> anyhow::Result<StepReport> {
        ensure!(self.can_redrive(), "name the queue of the target host: --to URL, or POSTDATE_QUEUE_URL");
        self.act(Step::Redrive, chosen, most).await
    }

    /// Deletes the chosen ones of up to about `most` letters. Fails, before any is deleted, with [`NoSuchLetter`].
    pub async fn delete(&self, chosen: &Chosen, most: usize) -> anyhow::Result<StepReport> {
        self.act(Step::Delete, chosen, most).await
    }

    async fn act(&self, step: Step, chosen: &Chosen, most: usize) -> anyhow::Result<StepReport> {
        let _turn = self.turn.lock().await;
        let letters = self.receive(most).await?;
        if let Err(missing) = chosen.check(&letters) {
            self.queue.put_back(&letters).await;
            return Err(missing.into());
        }
        let mut report = StepReport { read: letters.len(), ..StepReport::default() };
        let mut left = Vec::new();
        for letter in letters {
            if report.error.is_some() || !chosen.has(&letter) {
                left.push(letter);
                continue;
            }
            let stepped = match step {
                Step::Redrive => self.send_again(&letter).await,
                Step::Delete => self.remove(&letter).await.map(|()| None),
            };
            match stepped {
                Ok(None) => report.done.push(letter),
                Ok(Some(reason)) => {
                    left.push(letter.clone());
                    report.refused.push((letter, reason));
                }
                Err(error) => {
                    left.push(letter);
                    report.error = Some(error);
                }
            }
        }
        self.queue.put_back(&left).await;
        Ok(report)
    }

    /// Sends one letter again. Returns the reason if it stays.
    async fn send_again(&self, letter: &Letter) -> anyhow::Result<Option<String>> {
        let Some(envelope) = letter.envelope() else { return Ok(Some(NO_REQUEST.to_owned())) };
        if let Some(reason) = letter.undeliverable() {
            return Ok(Some(reason));
        }
        let (to, id) = (self.to.as_deref().unwrap_or_default(), envelope.correlation_id);
        // Sent before it is removed: a duplicate runs once, a lost message never.
        self.queue.send(to, &envelope).await.with_context(|| format!("cannot send request {id}"))?;
        self.queue.remove(letter).await.with_context(|| format!("request {id} was sent, but its message cannot be removed"))?;
        Ok(None)
    }

    async fn remove(&self, letter: &Letter) -> anyhow::Result<()> {
        self.queue.remove(letter).await.with_context(|| format!("message {} cannot be deleted", letter.message_id))
    }

    async fn receive(&self, most: usize) -> anyhow::Result<Vec<Letter>> {
        self.queue.receive(most).await.context("cannot read the dead-letter queue")
    }
}

/// Why a letter without a request cannot be sent again.
const NO_REQUEST: &str = "it names no request";

impl Letter {
    /// Returns why the letter cannot be sent again; `None` if it can.
    pub fn stays(&self) -> Option<String> {
        if self.id.is_none() { Some(NO_REQUEST.to_owned()) } else { self.undeliverable() }
    }
}

impl Chosen {
    pub fn has(&self, letter: &Letter) -> bool {
        match self {
            Self::All => true,
            Self::Named(ids) => ids.iter().any(|id| id.names(letter)),
        }
    }

    /// Fails with the first id that names no letter.
    pub fn check(&self, letters: &[Letter]) -> Result<(), NoSuchLetter> {
        let Self::Named(ids) = self else { return Ok(()) };
        match ids.iter().find(|id| !letters.iter().any(|letter| id.names(letter))) {
            Some(id) => Err(NoSuchLetter { id: id.clone(), read: letters.len() }),
            None => Ok(()),
        }
    }
}

impl LetterId {
    fn names(&self, letter: &Letter) -> bool {
        letter.message_id == self.0 || letter.id.is_some_and(|id| id.to_string() == self.0)
    }
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse::<CorrelationId>() {
            return Ok(Self(id.to_string()));
        }
        let is_id = (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_id { Ok(Self(text.to_owned())) } else { Err("write the correlation id of a request, or the id of a message".to_owned()) }
    }
}

impl std::error::Error for NoSuchLetter {}

impl fmt::Display for NoSuchLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "none of the {} messages read is of request {}, or has this id", self.read, self.id)
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
