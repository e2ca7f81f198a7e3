//! The envelope that a rule, a schedule or a queue message carries to the target host: the id of a request, and its payload if it fits.
//! An envelope only starts an attempt; the ledger decides whether the request runs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::fire::End;
use crate::id::CorrelationId;
use crate::json::for_messages;
use crate::request::Request;
use crate::time::rfc3339;

/// Version of the envelope's format. A host refuses any other. A new optional field is no new version: a host ignores fields that it does
/// not know, since a rule may be a year old, and its host older than the rule.
pub const VERSION: u32 = 1;
/// Limit of an envelope, in characters: that of a rule target's `Input` (EventBridge, `PutTargets`: 8,192).
pub const MAX_CHARACTERS: usize = 8192;

/// `{"v":1,"rule":…,"correlationId":…,"useCase":…,"attempt":…,"scheduledFor":…,"payload":…}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    pub v: u32,
    /// Name of the rule to delete at the end; `None` if no rule was made.
    #[serde(default)]
    pub rule: Option<String>,
    pub correlation_id: CorrelationId,
    pub use_case: String,
    /// Number of the attempt to start, from 1.
    pub attempt: u32,
    /// Due time of the attempt: RFC 3339, UTC.
    pub scheduled_for: String,
    /// True if an operator sent the envelope again, to run a failed request once more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redrive: bool,
    /// The attempt that ended before, and that its host could not record. The receiver records it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// The place at its target that is kept for the request, whose wait ends with this envelope. The receiver takes it, or passes it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// The accepted body, if it fits; else the target host reads it from the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Box<RawValue>>,
}

/// An attempt that has ended, and that the ledger does not know to have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// See [`Request::claim`].
    pub claim: u32,
    pub end: End,
}

/// One of a target's places, which is kept for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub target: String,
    /// Name of the place.
    pub place: String,
    /// The target's `concurrency`.
    pub of: u32,
}

/// The reason why an input is not an envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("not an envelope of Postdate: {0}; expected {{\"v\":1,\"correlationId\":…,\"useCase\":…,\"attempt\":…,\"scheduledFor\":…}}")]
    Malformed(String),
    #[error("the envelope has version {0}, and this host knows version {VERSION}")]
    Version(u32),
}

impl Envelope {
    /// Returns the envelope of a request's next attempt, without a payload.
    pub fn of(request: &Request, rule: Option<String>) -> Self {
        Self {
            v: VERSION,
            rule,
            correlation_id: request.id,
            use_case: request.use_case.clone(),
            attempt: request.attempts + 1,
            scheduled_for: rfc3339(request.due_at),
            redrive: false,
            ended: None,
            kept: None,
            payload: None,
        }
    }

    /// Returns the envelope of a request that waits for a place, which is kept for it from `now` on.
    pub fn of_kept(kept: Kept, use_case: &str, id: CorrelationId, now: DateTime<Utc>) -> Self {
        Self {
            v: VERSION,
            rule: None,
            correlation_id: id,
            use_case: use_case.to_owned(),
            attempt: 1,
            scheduled_for: rfc3339(now),
            redrive: false,
            ended: None,
            kept: Some(kept),
            payload: None,
        }
    }

    /// Returns the envelope as JSON text [for messages](for_messages), with `body` as payload if the text then has at most
    /// [`MAX_CHARACTERS`].
    pub fn to_json(&self, body: Option<&str>) -> String {
        let text = |envelope: &Self| for_messages(&serde_json::to_string(envelope).unwrap_or_default()).into_owned();
        let bare = Self { payload: None, ..self.clone() };
        if let Some(payload) = body.and_then(|body| RawValue::from_string(body.to_owned()).ok()) {
            let whole = text(&Self { payload: Some(payload), ..self.clone() });
            // Count UTF-16 units, as the service may do. A text never has fewer of them than characters.
            if whole.encode_utf16().count() <= MAX_CHARACTERS {
                return whole;
            }
        }
        text(&bare)
    }

    /// Parses an envelope. Errors do not quote the input.
    pub fn parse(json: &str) -> Result<Self, EnvelopeError> {
        // Check the version first: another version may have other fields.
        #[derive(Deserialize)]
        struct Versioned {
            v: u32,
        }
        // Report only category and place: serde_json's message may quote the payload.
        let place = |error: &serde_json::Error| format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column());
        match serde_json::from_str::<Versioned>(json) {
            Ok(Versioned { v: VERSION }) => {}
            Ok(Versioned { v }) => return Err(EnvelopeError::Version(v)),
            Err(error) => return Err(EnvelopeError::Malformed(place(&error))),
        }
        serde_json::from_str(json).map_err(|error| EnvelopeError::Malformed(place(&error)))
    }

    /// Returns the payload, if the envelope has one.
    pub fn body(&self) -> Option<&str> {
        self.payload.as_deref().map(RawValue::get)
    }
}

#[cfg(test)]
mod tests;
