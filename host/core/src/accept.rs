//! Accepts a request: checks, stores and schedules it before the host acknowledges it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _};
use jsonptr::Pointer;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tracing::Instrument as _;

use crate::arm::{ArmError, arm, schedule};
use crate::bundle::hex;
use crate::civil::Zone;
use crate::id::CorrelationId;
use crate::json::{JsonError, parse_object};
use crate::lifecycle::Change;
use crate::plugin::{Acceptance, PluginError, Problem, ValidateInput};
use crate::ports::{
    Arming, BodyTooLarge, Bundle, Changed, Changes, Inserted, Intake, LedgerError, Requests, ScheduleError, Scheduler, UseCases,
};
use crate::request::{NewRequest, Request, Status};
use crate::time::{self, TimeError, Trigger, rfc3339};
use crate::trace::{TraceParent, span};
use crate::use_case::{Target, UseCase, is_credential_header};

/// Limit of a body, in bytes: of a client's call, and of the body that a validator accepts in its place.
pub const MAX_BODY_BYTES: usize = 256 << 10;
/// Limit of a label's value, in bytes. DynamoDB's keys have at most 1,024 bytes.
pub const MAX_LABEL_BYTES: usize = 256;
/// How many requests of a batch are validated or scheduled at a time.
const BATCH_CONCURRENCY: usize = 16;

/// A client's request before it is accepted.
#[derive(Debug, Clone)]
pub struct Submission {
    pub id: CorrelationId,
    pub use_case: String,
    pub received_at: DateTime<Utc>,
    /// Value of the header `Idempotency-Key`, within the caller's key space; see [`crate::access::Caller::stored_key`].
    pub idempotency_key: Option<String>,
    /// Name of the caller.
    pub owner: Option<String>,
    /// Lower-case name and value.
    pub headers: Vec<(String, String)>,
    /// Claims of the authorizer, name and value.
    pub caller: Vec<(String, String)>,
    /// The span of the call.
    pub trace: Option<TraceParent>,
    pub body: Bytes,
}

/// A request that may be acknowledged: it is stored and scheduled.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub request: Request,
    /// True if the request was accepted before, under the same idempotency key.
    pub replayed: bool,
    /// The zone that the client named.
    pub zone: Option<Zone>,
}

/// The reason why a submission was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    #[error("there is no use case {name:?}")]
    UnknownUseCase { name: String },
    /// The use case was uploaded, but no version of it ever loaded. Clients do not see the reason here.
    #[error("no version of the use case {name:?} could be loaded: see GET /use-cases for the reason")]
    BrokenUseCase { name: String },
    /// The first version of the use case is being loaded.
    #[error("the use case {name:?} is being loaded, and its plugins are being compiled: try again in a moment")]
    LoadingUseCase { name: String },
    /// One of a batch; the body of a single call is refused before.
    #[error("the body has more than {MAX_BODY_BYTES} bytes")]
    BodyTooLarge,
    #[error("the body {0}")]
    Body(JsonError),
    #[error(transparent)]
    Time(#[from] TimeError),
    #[error("\"target\" must be text")]
    TargetNotText,
    #[error("{alias:?} is not a target of this use case: choose from {}", known.join(", "))]
    UnknownTarget { alias: String, known: Vec<String> },
    /// The alias is known, but this deployment cannot reach its target.
    #[error("the target {alias:?} cannot be reached from this deployment: {reason}")]
    TargetNotServed { alias: String, reason: String },
    /// The use case sends notices to a target that this deployment cannot reach.
    #[error("[on] names the target {alias:?}, which cannot be reached from this deployment: {reason}")]
    NoticeNotServed { alias: String, reason: String },
    /// The target cannot take the accepted body.
    #[error("the target {alias:?} cannot take this request: {exceeded}")]
    TargetLimit { alias: String, exceeded: BodyTooLarge },
    /// The accepted body has no usable value for a label of the manifest.
    #[error("the label {name:?} of the use case cannot be read: {pointer} {reason}")]
    Label { name: String, pointer: String, reason: &'static str },
    /// The validator rejected the request.
    #[error("the request was rejected by the validator of the use case{}", if .0.is_empty() { ", which gave no reason" } else { "" })]
    Problems(Vec<Problem>),
    /// The validator did not answer.
    #[error(transparent)]
    Validator(#[from] Box<PluginError>),
    /// The validator accepted the request with a value that is not valid.
    #[error("the validate plugin of use case {use_case} (version {version}) answered with a {unusable}")]
    BadAcceptance { use_case: String, version: String, unusable: UnusableAcceptance },
    #[error("this Idempotency-Key was used before with another body")]
    KeyReused { first: CorrelationId },
    /// A repeat of the first acknowledgement would promise a run of a request that never runs.
    #[error("this Idempotency-Key belongs to request {first}, which was cancelled and never runs: send a new request with a new key")]
    KeyCancelled { first: CorrelationId },
    /// Shown without the ledger's own words, which may name files of the host.
    #[error("{}", .0.for_clients())]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The call failed, but its request may be stored: the abort failed, or another call with the same key made the request.
    #[error("{cause}; request {id} may be stored and may run: see GET /requests/{id}")]
    MayRun { id: CorrelationId, cause: Box<Rejection> },
}

/// The value of an acceptance that a host refuses, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{member} that cannot be used: {reason}")]
pub struct UnusableAcceptance {
    pub member: &'static str,
    pub reason: String,
}

impl From<ArmError> for Rejection {
    fn from(error: ArmError) -> Self {
        match error {
            ArmError::Ledger(error) => Self::Ledger(error),
            ArmError::Schedule(error) => Self::Schedule(error),
        }
    }
}

/// Validates, stores and schedules a submission, in this order. An [`Accepted`] request is durable.
pub async fn accept(
    use_cases: &impl UseCases,
    ledger: &(impl Intake + Requests + Changes),
    scheduler: &impl Scheduler,
    submission: Submission,
) -> Result<Accepted, Rejection> {
    match check(use_cases, ledger, scheduler, submission).await? {
        Checked::Again(accepted) => Ok(*accepted),
        Checked::New(intent) => {
            let inserted = ledger.insert(Arc::clone(&intent.new)).instrument(span!("commit")).await;
            finish(use_cases, ledger, scheduler, intent, inserted).await
        }
    }
}

/// Accepts many submissions: validates each, stores all that passed in as few writes as the ledger can, and schedules each. Returns the
/// outcomes in the order of the submissions. No outcome depends on another one.
pub async fn accept_all(
    use_cases: &impl UseCases,
    ledger: &(impl Intake + Requests + Changes),
    scheduler: &impl Scheduler,
    submissions: Vec<Submission>,
) -> Vec<Result<Accepted, Rejection>> {
    let checks = submissions.into_iter().map(|submission| check(use_cases, ledger, scheduler, submission));
    let checked: Vec<_> = stream::iter(checks).buffered(BATCH_CONCURRENCY).collect().await;
    let new = checked.iter().filter_map(|checked| match checked {
        Ok(Checked::New(intent)) => Some(Arc::clone(&intent.new)),
        _ => None,
    });
    let mut inserted = ledger.insert_all(new.collect()).instrument(span!("commit")).await.into_iter();
    let finishes = checked.into_iter().map(|checked| {
        // `insert_all` returns as many results as there are new requests.
        let inserted = matches!(checked, Ok(Checked::New(_))).then(|| inserted.next()).flatten();
        async {
            match (checked?, inserted) {
                (Checked::Again(accepted), _) => Ok(*accepted),
                (Checked::New(intent), Some(inserted)) => finish(use_cases, ledger, scheduler, intent, inserted).await,
                (Checked::New(_), None) => {
                    Err(LedgerError::Failed("the ledger did not say whether it stored the request".to_owned()).into())
                }
            }
        }
    });
    stream::iter(finishes).buffered(BATCH_CONCURRENCY).collect().await
}

/// A submission that has passed every check before the ledger.
enum Checked<B> {
    /// Its idempotency key is that of an accepted request.
    Again(Box<Accepted>),
    New(Intent<B>),
}

/// A request to store and schedule.
struct Intent<B> {
    bundle: Arc<B>,
    new: Arc<NewRequest>,
    zone: Option<Zone>,
}

/// Validates a submission.
async fn check<U: UseCases>(
    use_cases: &U,
    ledger: &(impl Intake + Requests + Changes),
    scheduler: &impl Scheduler,
    mut submission: Submission,
) -> Result<Checked<U::Bundle>, Rejection> {
    let now = submission.received_at;
    if submission.body.len() > MAX_BODY_BYTES {
        return Err(Rejection::BodyTooLarge);
    }
    let Some(bundle) = use_cases.current(&submission.use_case).await else {
        let name = submission.use_case;
        return Err(match use_cases.list().await.iter().find(|info| info.name == name) {
            Some(info) if info.update.is_some() => Rejection::LoadingUseCase { name },
            Some(_) => Rejection::BrokenUseCase { name },
            None => Rejection::UnknownUseCase { name },
        });
    };
    let use_case = bundle.use_case();
    // A repeat gets the first answer even after its trigger time, so check the key before the time rules.
    let hash = submission.idempotency_key.as_ref().map(|_| body_hash(&submission.body));
    if let (Some(key), Some(hash)) = (&submission.idempotency_key, &hash)
        && let Some(first) = ledger.find_by_key(&use_case.name, key).await?
    {
        let zone = parse(&submission.body, now).ok().and_then(|parsed| parsed.zone);
        let accepted = replay(use_cases, ledger, scheduler, first, key, hash, now).await?;
        return Ok(Checked::Again(Box::new(Accepted { zone, ..accepted })));
    }

    let parsed = parse(&submission.body, now)?;
    time::check_window(parsed.trigger_at, now, use_case.schedule.max_ahead)?;
    let asked_for = aim(use_case, parsed.target.as_deref())?;
    let acceptance = if use_case.validate.is_some() {
        ask(bundle.as_ref(), validate_input(use_case, &mut submission, &parsed)).instrument(span!("validate")).await?
    } else {
        Acceptance::default()
    };
    let version = bundle.version();
    let checked = check_acceptance(use_case, &acceptance, now).map_err(|unusable| Rejection::BadAcceptance {
        use_case: use_case.name.clone(),
        version: version.to_owned(),
        unusable,
    })?;
    let (alias, target) = checked.target.unwrap_or(asked_for);
    scheduler.serves(target).map_err(|reason| Rejection::TargetNotServed { alias: alias.to_owned(), reason })?;
    for alias in [&use_case.on.success, &use_case.on.failure].into_iter().flatten() {
        let Some((_, told)) = use_case.targets.get(alias) else { continue };
        scheduler.serves(told).map_err(|reason| Rejection::NoticeNotServed { alias: alias.clone(), reason })?;
    }

    let trigger_at = checked.trigger_at.unwrap_or(parsed.trigger_at);
    let request = Request::scheduled(use_case, version, alias, submission.id, now, trigger_at);
    let labels = labels_of(use_case, checked.fields.unwrap_or(parsed.fields))?;
    let body = acceptance.body.unwrap_or(parsed.text);
    let request = Request { idempotency_hash: hash, owner: submission.owner, trace: submission.trace, labels, ..request };
    let mut new = NewRequest { request, idempotency_key: submission.idempotency_key, body };
    let over = |exceeded| Rejection::TargetLimit { alias: alias.to_owned(), exceeded };
    new.request.schedule = scheduler.plan(&new, target).map_err(over)?;
    Ok(Checked::New(Intent { bundle, new: Arc::new(new), zone: parsed.zone }))
}

/// Returns the values of the manifest's labels in the accepted body. Fails for one that is missing, or neither text nor a whole number:
/// other numbers have more than one spelling.
fn labels_of(use_case: &UseCase, body: Map<String, Value>) -> Result<BTreeMap<String, String>, Rejection> {
    let (body, mut labels) = (Value::Object(body), BTreeMap::new());
    for (name, pointer) in &use_case.labels {
        let value = match Pointer::parse(pointer).ok().and_then(|pointer| pointer.resolve(&body).ok()) {
            None => Err("is not in the accepted body"),
            Some(Value::String(text)) if text.is_empty() => Err("is empty"),
            Some(Value::String(text)) if text.len() > MAX_LABEL_BYTES => Err("is longer than 256 bytes"),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) if !number.is_f64() => Ok(number.to_string()),
            Some(_) => Err("is neither text nor a whole number of 64 bits"),
        };
        let value = value.map_err(|reason| Rejection::Label { name: name.clone(), pointer: pointer.clone(), reason })?;
        labels.insert(name.clone(), value);
    }
    Ok(labels)
}

/// Schedules a request that was inserted. Undoes what cannot be acknowledged.
async fn finish<U: UseCases>(
    use_cases: &U,
    ledger: &(impl Intake + Requests + Changes),
    scheduler: &impl Scheduler,
    Intent { bundle, new, zone }: Intent<U::Bundle>,
    inserted: Result<Inserted, LedgerError>,
) -> Result<Accepted, Rejection> {
    let now = new.request.received_at;
    let target = bundle.use_case().targets.get(&new.request.target).map(|(_, target)| target);
    match inserted {
        Ok(Inserted::New) => {}
        // The insert may have succeeded, with only its reply lost.
        Err(error @ LedgerError::Unavailable(_)) => return Err(take_back(ledger, scheduler, &new.request, target, error.into(), now).await),
        Err(error) => return Err(error.into()),
        Ok(Inserted::Taken(first)) => {
            let NewRequest { request, idempotency_key, .. } = Arc::unwrap_or_clone(new);
            let (key, hash) = (idempotency_key.unwrap_or_default(), request.idempotency_hash.unwrap_or_default());
            let accepted = replay(use_cases, ledger, scheduler, *first, &key, &hash, now).await?;
            return Ok(Accepted { zone, ..accepted });
        }
    }
    let arming = Arming { request: &new.request, target, before: None, body: Some(&new.body) };
    if let Err(error) = schedule(ledger, scheduler, arming, now).await {
        // The client gets an error, so the request must not stay scheduled in the ledger.
        return Err(take_back(ledger, scheduler, &new.request, target, error.into(), now).await);
    }
    Ok(Accepted { request: Arc::unwrap_or_clone(new).request, replayed: false, zone })
}

/// Asks the validator of the bundle. Fails with its problems, or if it does not answer.
pub(crate) async fn ask(bundle: &impl Bundle, mut input: ValidateInput) -> Result<Acceptance, Rejection> {
    let id = input.id.clone();
    let listed = bundle.use_case().validate.as_ref().map(|spec| spec.headers.as_slice()).unwrap_or_default();
    // A stored version may list headers that the check of a manifest refuses today.
    input.headers.retain(|(name, _)| listed.contains(name) && !is_credential_header(name));
    let problems = match bundle.validate(input).await.map_err(Box::new)? {
        Ok(acceptance) => return Ok(acceptance),
        Err(problems) => problems,
    };
    if problems.is_empty() {
        let (use_case, version) = (&bundle.use_case().name, bundle.version());
        tracing::warn!(correlation_id = id, use_case, version, "the validator rejected a request without a reason");
    }
    Err(Rejection::Problems(problems))
}

/// The values of an acceptance that replace those of the client.
#[derive(Debug)]
pub struct Replacements<'a> {
    /// The alias, and its target.
    pub target: Option<(&'a str, &'a Target)>,
    pub trigger_at: Option<DateTime<Utc>>,
    /// The members of the body.
    pub fields: Option<Map<String, Value>>,
}

/// Checks the values of an acceptance by the rules for a client's.
pub fn check_acceptance<'a>(
    use_case: &'a UseCase,
    acceptance: &Acceptance,
    now: DateTime<Utc>,
) -> Result<Replacements<'a>, UnusableAcceptance> {
    let unusable = |member| move |reason| UnusableAcceptance { member, reason };
    let target = acceptance.target.as_deref().map(|alias| aim(use_case, Some(alias))).transpose();
    let target = target.map_err(|error| unusable("target")(error.to_string()))?;
    let parsed = |body: &String| match body.len() {
        ..=MAX_BODY_BYTES => parse_object(body.as_bytes()).map_err(|error| format!("it {error}")),
        bytes => Err(format!("it has {bytes} bytes; the limit is {MAX_BODY_BYTES} bytes")),
    };
    let fields = acceptance.body.as_ref().map(parsed).transpose().map_err(unusable("body"))?;
    let in_window = |at| time::check_window(at, now, use_case.schedule.max_ahead).map(|()| at);
    let trigger_at = acceptance.trigger_at.as_deref().map(|text| time::parse_time(text).and_then(in_window)).transpose();
    let trigger_at = trigger_at.map_err(|error| unusable("trigger-at")(error.to_string()))?;
    Ok(Replacements { target, trigger_at, fields })
}

/// Aborts a request that cannot be acknowledged because of `cause`. Returns the rejection for the client. Changes the ledger before the
/// rule: if a repeat has acknowledged the request, the ledger refuses the abort and the rule must stay. A rule that is left does no harm,
/// since the claim is refused; one of a direct `target` sends its event.
async fn take_back(
    ledger: &impl Changes,
    scheduler: &impl Scheduler,
    request: &Request,
    target: Option<&Target>,
    cause: Rejection,
    now: DateTime<Utc>,
) -> Rejection {
    let id = request.id;
    match ledger.change(id, Change::Abort { reason: cause.to_string() }, now).await {
        Ok(Changed::NotFound) => cause,
        // The ledger knows the kind of schedule that was tried last.
        Ok(Changed::Done(aborted)) => {
            if let Err(error) = scheduler.unschedule(&aborted).await {
                tracing::warn!(correlation_id = %id, %error, "cannot unschedule an aborted request");
                if target.is_some_and(Target::is_direct) {
                    return Rejection::MayRun { id, cause: Box::new(cause) };
                }
            }
            cause
        }
        Ok(Changed::Refused(..)) => Rejection::MayRun { id, cause: Box::new(cause) },
        Err(error) => {
            tracing::error!(correlation_id = %id, %error, "cannot abort a request that was not acknowledged; it may run");
            Rejection::MayRun { id, cause: Box::new(cause) }
        }
    }
}

/// Returns the first answer again. The first call may have crashed before scheduling. Scheduling is idempotent, so repeat it, and block
/// the abort. Does not roll back on error: the request belongs to the first call.
async fn replay(
    use_cases: &impl UseCases,
    ledger: &(impl Intake + Requests + Changes),
    scheduler: &impl Scheduler,
    first: Request,
    key: &str,
    hash: &str,
    now: DateTime<Utc>,
) -> Result<Accepted, Rejection> {
    if first.idempotency_hash.as_deref() != Some(hash) {
        return Err(Rejection::KeyReused { first: first.id });
    }
    if first.status == Status::Cancelled {
        // An abort sets the reason of a request without attempts. A client may cancel a request with a failed attempt, too.
        let is_aborted = first.failure.is_some() && first.attempts == 0;
        if !is_aborted {
            return Err(Rejection::KeyCancelled { first: first.id });
        }
        // The first call is aborting the request and frees the key in a moment.
        let message = "the first call with this Idempotency-Key is being undone: try again in a moment".to_owned();
        return Err(ScheduleError::Unavailable { message, retry_after: None }.into());
    }
    if first.status == Status::Scheduled && first.attempts == 0 {
        let armed = async {
            ledger.adopt(&first, key).await?;
            arm(use_cases, ledger, scheduler, &first, None, now).await
        };
        if let Err(error) = armed.await {
            return Err(Rejection::MayRun { id: first.id, cause: Box::new(error.into()) });
        }
    }
    Ok(Accepted { request: first, replayed: true, zone: None })
}

/// The parts of a body that the host itself reads.
struct ParsedBody {
    trigger_at: DateTime<Utc>,
    zone: Option<Zone>,
    target: Option<String>,
    /// The unchanged body: a JSON object in UTF-8.
    text: String,
    /// Its members.
    fields: Map<String, Value>,
}

fn parse(body: &[u8], now: DateTime<Utc>) -> Result<ParsedBody, Rejection> {
    let fields = parse_object(body).map_err(Rejection::Body)?;
    let Trigger { at: trigger_at, zone } = time::trigger_of(&fields, now)?;
    let target = match fields.get("target") {
        None => None,
        Some(Value::String(alias)) => Some(alias.clone()),
        Some(_) => return Err(Rejection::TargetNotText),
    };
    let text = String::from_utf8(body.to_vec()).map_err(|error| Rejection::Body(JsonError::Malformed(error.to_string())))?;
    Ok(ParsedBody { trigger_at, zone, target, text, fields })
}

/// Returns the alias as the manifest has it, or the default one, and its target.
fn aim<'a>(use_case: &'a UseCase, alias: Option<&str>) -> Result<(&'a str, &'a Target), Rejection> {
    let alias = alias.unwrap_or(&use_case.targets.default);
    let unknown = || Rejection::UnknownTarget { alias: alias.to_owned(), known: use_case.targets.aliases() };
    use_case.targets.get(alias).ok_or_else(unknown)
}

/// Takes the headers and the caller out of the submission: nothing else needs them.
fn validate_input(use_case: &UseCase, submission: &mut Submission, parsed: &ParsedBody) -> ValidateInput {
    ValidateInput {
        id: submission.id.to_string(),
        use_case: use_case.name.clone(),
        received_at: rfc3339(submission.received_at),
        trigger_at: rfc3339(parsed.trigger_at),
        target: parsed.target.clone(),
        caller: std::mem::take(&mut submission.caller),
        headers: std::mem::take(&mut submission.headers),
        body: parsed.text.clone(),
    }
}

fn body_hash(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

#[cfg(test)]
mod tests;
