//! The problems of the API: a stable word for each kind of error, with its statuses.

use std::fmt;

use serde::{Serialize, Serializer};

/// Declares [`Code`]. A line is the meaning, and `Name = "text": [statuses]`.
macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $name:ident = $text:literal: [$($status:literal),+],)+) => {
        /// The member `code` of an error: what went wrong, for programs. Its texts never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// Returns the HTTP statuses of answers with this code.
            pub fn statuses(self) -> &'static [u16] {
                match self {
                    $(Self::$name => &[$($status),+],)+
                }
            }

            /// Returns a sentence for people.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($meaning),+).trim_ascii(),)+
                }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    MalformedJson = "malformed-json": [400],
    /// The body is JSON, but no object.
    NotAnObject = "not-an-object": [400],
    /// An object of the body has a key twice.
    DuplicateKey = "duplicate-key": [400],
    /// The body begins with a byte order mark.
    ByteOrderMark = "byte-order-mark": [400],
    /// One machine: `Host` is missing or malformed, or is there twice.
    BadHost = "bad-host": [400],
    /// One machine: the request is not HTTP/1.1.
    MalformedRequest = "malformed-request": [400],
    /// AWS: path and query are not those of a URI.
    MalformedUri = "malformed-uri": [400],
    /// AWS: the body of the event is not what its encoding says.
    MalformedBody = "malformed-body": [400],
    /// The header is not 1 to 255 visible ASCII characters.
    IdempotencyKeyMalformed = "idempotency-key-malformed": [400],
    /// A query parameter is unknown or malformed; `parameter` names it.
    BadQuery = "bad-query": [400],
    /// One machine: the body did not arrive whole.
    BodyCutOff = "body-cut-off": [400],
    /// The API key is missing or wrong.
    Unauthorized = "unauthorized": [401],
    /// The API key has expired; `detail` says when.
    KeyExpired = "key-expired": [401],
    /// One machine: `Origin` or `Sec-Fetch-Site` says that a web page of another origin made the call.
    CrossOrigin = "cross-origin": [403],
    /// The caller lacks the scope that `scope` names.
    MissingScope = "missing-scope": [403],
    /// The caller may not use the use case that `useCase` names.
    UseCaseNotPermitted = "use-case-not-permitted": [403],
    /// AWS: the authorizer gave no usable claim that names the owner.
    OwnerUnknown = "owner-unknown": [403],
    /// The server has no keys, and takes no uploads.
    UploadsNeedAKey = "uploads-need-a-key": [403],
    /// The bundle is not signed by a trusted key, or the signature does not fit.
    SignatureRefused = "signature-refused": [403],
    /// The API has no such path.
    NotFound = "not-found": [404],
    /// There is no such use case.
    UnknownUseCase = "unknown-use-case": [404],
    /// There is no such version of the use case.
    UnknownVersion = "unknown-version": [404],
    /// There is no such request, or the caller may not see it.
    UnknownRequest = "unknown-request": [404],
    /// The server runs on the machine's clock.
    NoTestClock = "no-test-clock": [404],
    /// The program was built without the page.
    NoPage = "no-page": [404],
    /// `Allow` lists the methods of the path.
    MethodNotAllowed = "method-not-allowed": [405],
    /// One machine: the body did not arrive in time. The server closes the connection.
    BodyTimeout = "body-timeout": [408],
    /// The key came with another body; `first` is the id of that request.
    IdempotencyKeyReused = "idempotency-key-reused": [409],
    /// The request of this key was cancelled; `first` is its id.
    IdempotencyKeyCancelled = "idempotency-key-cancelled": [409],
    /// The request is not scheduled; `requestStatus` is its status.
    NotScheduled = "not-scheduled": [409],
    /// The request has neither failed nor expired; `requestStatus` is its status.
    NotFailed = "not-failed": [409],
    /// AWS: a request of a direct target is due within two minutes, or is due: EventBridge may deliver it already.
    HandedOver = "handed-over": [409],
    /// The request cannot be erased while it runs.
    Running = "running": [409],
    /// The request was erased.
    Erased = "erased": [409, 410],
    /// There is no pause to end.
    NotPaused = "not-paused": [409],
    /// There is no former version to go back to.
    NoFormerVersion = "no-former-version": [409],
    /// The use case is served from the server's directory, and is changed there.
    ServedFromDirectory = "served-from-directory": [409],
    /// Another push was faster.
    UseCaseMoved = "use-case-moved": [409],
    /// A body is larger than its limit, or than the ledger takes.
    PayloadTooLarge = "payload-too-large": [413],
    /// One machine: the request target has more than 65534 bytes.
    UriTooLong = "uri-too-long": [414],
    /// A body has no content type, or one that the call does not take.
    UnsupportedMediaType = "unsupported-media-type": [415],
    /// The body is compressed.
    UnsupportedContentEncoding = "unsupported-content-encoding": [415],
    /// One machine: `Host` is no name of the server.
    UnknownHost = "unknown-host": [421],
    /// The validator rejected the request; `problems` lists its reasons.
    Rejected = "rejected": [422],
    /// The body has neither `triggerAt` nor `delay`.
    TriggerMissing = "trigger-missing": [422],
    /// The body has both `triggerAt` and `delay`.
    TriggerAmbiguous = "trigger-ambiguous": [422],
    /// The time or the duration is malformed or out of range.
    TriggerMalformed = "trigger-malformed": [422],
    /// The time has neither an offset nor a zone.
    TriggerWithoutOffset = "trigger-without-offset": [422],
    /// The zone is none of the IANA database.
    TriggerUnknownZone = "trigger-unknown-zone": [422],
    /// The zone does not have the offset that stands beside it.
    TriggerWrongOffset = "trigger-wrong-offset": [422],
    /// The zone skips the time; `candidates` are the two times that may be meant.
    TriggerInGap = "trigger-in-gap": [422],
    /// The zone has the time twice; `candidates` are the two times that may be meant.
    TriggerInFold = "trigger-in-fold": [422],
    /// The time has passed.
    TriggerInPast = "trigger-in-past": [422],
    /// The time is beyond `schedule.max-ahead` of the use case.
    TriggerTooFar = "trigger-too-far": [422],
    /// The target is no text.
    TargetMalformed = "target-malformed": [422],
    /// The target is no alias of the use case; `targets` lists them.
    UnknownTarget = "unknown-target": [422],
    /// The target, or one of `[on]`, is out of this deployment's reach.
    TargetNotServed = "target-not-served": [422],
    /// The target's service takes no body of this size.
    TargetLimit = "target-limit": [422],
    /// The accepted body has no usable value at `pointer` for the label that `label` names.
    LabelUnreadable = "label-unreadable": [422],
    /// The batch has no request, or more than 500.
    BatchSize = "batch-size": [422],
    /// A pause has a member that is unknown or not usable; `pointer` says which.
    MemberMalformed = "member-malformed": [422],
    /// The target is direct, and no host can hold back its events.
    TargetNotPausable = "target-not-pausable": [422],
    /// AWS: the list would have to read and sort too many requests; `detail` says what narrows it.
    ListTooLong = "list-too-long": [422],
    /// `PATCH` names a member that cannot be changed; `pointer` says which.
    NotChangeable = "not-changeable": [422],
    /// The move of the clock is malformed, goes back, or goes beyond the year 9999.
    TestClockMalformed = "test-clock-malformed": [422],
    /// The bundle needs a secret that the server does not have, or gives to no use case.
    SecretMissing = "secret-missing": [422],
    /// The archive is no bundle, a plugin cannot be loaded, or a case failed.
    BundleRefused = "bundle-refused": [422],
    /// Too many wrong API keys came from this address.
    TooManyFailures = "too-many-failures": [429],
    /// One machine: the head has more than 128 KiB or 100 headers.
    HeadersTooLarge = "headers-too-large": [431],
    /// The validator ended without an answer (500), or could not be started (503); `reason` says why.
    ValidatorFailed = "validator-failed": [500, 503],
    /// The validator returned a body, time or target that a client could not send either.
    ValidatorAnswerUnusable = "validator-answer-unusable": [500],
    /// The ledger failed. Repeating the call is unlikely to help.
    LedgerFailed = "ledger-failed": [500],
    /// The store of use cases failed. Repeating the call is unlikely to help.
    StoreFailed = "store-failed": [500],
    /// The request could not be scheduled. Repeating the call is unlikely to help.
    SchedulerFailed = "scheduler-failed": [500],
    /// The metrics could not be written.
    MetricsFailed = "metrics-failed": [500],
    /// The upload could not be received (500), or not be loaded now (503).
    UploadFailed = "upload-failed": [500, 503],
    /// `postdate ui` cannot reach the Postdate that it shows.
    Unreachable = "unreachable": [502],
    /// `postdate ui`: the dead-letter queue has no such letter.
    UnknownDeadLetter = "unknown-dead-letter": [404],
    /// `postdate ui`: no delay queue is known, to which letters could be sent again.
    NoDelayQueue = "no-delay-queue": [409],
    /// `postdate ui`: the letter cannot be sent again.
    NotRedrivable = "not-redrivable": [409],
    /// `postdate ui`: the dead-letter queue does not answer.
    DeadLettersUnavailable = "dead-letters-unavailable": [503],
    /// One machine: the server works on calls of all the connections that it may have.
    TooManyConnections = "too-many-connections": [503],
    /// One machine: as many batches are being worked on as the server or one key may have.
    TooManyBatches = "too-many-batches": [503],
    /// One machine: as many calls wait for the end of a request as the server or one key may have.
    TooManyWaits = "too-many-waits": [503],
    /// The use case is being loaded for the first time.
    UseCaseLoading = "use-case-loading": [503],
    /// No version of the use case could be loaded. `GET /use-cases` says why.
    UseCaseBroken = "use-case-broken": [503],
    /// The disk of the ledger is full or nearly full. Nothing was stored.
    LedgerFull = "ledger-full": [503],
    /// The answer of `GET /health` while no new request is taken; `ledger` says why.
    Unhealthy = "unhealthy": [503],
    /// The ledger is out of reach for the moment.
    LedgerUnavailable = "ledger-unavailable": [503],
    /// The scheduler is out of reach for the moment, or has no room.
    SchedulerUnavailable = "scheduler-unavailable": [503],
    /// As many uploads as the server takes are being checked.
    UploadsBusy = "uploads-busy": [503],
    /// The store of use cases does not answer.
    StoreUnavailable = "store-unavailable": [503],
    /// A request that fell due did not end within two minutes.
    TestClockStuck = "test-clock-stuck": [503],
    /// The upload would be beyond the quota of the server's store.
    StoreFull = "store-full": [507],
    /// The server has as many use cases as uploads may make.
    TooManyUseCases = "too-many-use-cases": [507],
    /// The versions that serve would have more machine code and config than `--cache-quota`.
    CodeFull = "code-full": [507],
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
