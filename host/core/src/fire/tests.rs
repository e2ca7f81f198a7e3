use std::sync::{Arc, Mutex};

use super::*;
use crate::lifecycle::apply;
use crate::plugin::{Job, JobResult, Role, Stopped};
use crate::ports::Intake as _;
use crate::testing::{
    Delivered, FakeBundle, FakeClock, FakeDeliver, FakeUseCases, MemoryLedger, RecordingScheduler, at, block_on, claim, new_request,
    sample_id,
};
use crate::trace::TraceParent;

const MANIFEST: &str = r#"
name = "orders"
[process]
plugin = "process.wasm"
[schedule]
max-ahead = "1d"
[retry]
max-attempts = 3
backoff = { initial = "10s", factor = 2, max = "15s", jitter = 0 }
[targets]
default = "here"
here = { kind = "plugin" }
hook = { kind = "http", url = "http://127.0.0.1:9000/hook", timeout = "3s" }
watcher = { kind = "http", url = "http://127.0.0.1:9000/watcher" }
"#;

/// Returns a request that has been running its first attempt since second 60.
fn claimed() -> Claimed {
    let new = new_request(sample_id(1), "orders", at(60));
    let request = apply(&new.request, &claim(), at(60)).unwrap().request;
    Claimed { request, body: new.body }
}

fn to(target: &str) -> Claimed {
    let claimed = claimed();
    Claimed { request: Request { target: target.to_owned(), ..claimed.request }, ..claimed }
}

fn failure(message: &str, retry: bool, retry_after: Option<u64>) -> JobFailure {
    JobFailure { message: message.to_owned(), retry, retry_after: retry_after.map(Duration::from_secs) }
}

/// Returns a bundle of version v1 whose processor gives this answer.
fn answering(manifest: &str, answer: JobResult) -> FakeBundle {
    FakeBundle::new("v1", manifest).on_process(move |_| Ok(answer.clone()))
}

fn no_delivery() -> FakeDeliver {
    FakeDeliver::answering(Err(failure("the test expects no delivery", false, None)))
}

/// Runs one attempt, which ends at second 61. Returns the change to record.
fn fired(use_cases: &FakeUseCases, deliver: &FakeDeliver, claimed: &Claimed) -> Change {
    let attempt = block_on(attempt(use_cases, deliver, claimed, None));
    conclude(&claimed.request, attempt, sample_id(900), at(61))
}

/// Returns the request after the change as text: the status, the result or the failure, and the wait before another attempt.
fn summary(claimed: &Claimed, change: &Change) -> String {
    let after = apply(&claimed.request, change, at(61)).expect("the change of `conclude` is allowed").request;
    let text = after.result.or(after.failure).unwrap_or_default();
    match after.status {
        Status::Scheduled => format!("scheduled: {text}; in {} s", (after.due_at - at(61)).num_seconds()),
        status => format!("{status}: {text}"),
    }
}

#[track_caller]
fn check(claimed: &Claimed, bundle: FakeBundle, expected: &str) {
    let change = fired(&FakeUseCases::of(bundle), &no_delivery(), claimed);
    assert_eq!(summary(claimed, &change), expected);
}

#[test]
fn processor_answer_decides_the_change() {
    let check = |answer: JobResult, expected| check(&claimed(), answering(MANIFEST, answer), expected);
    check(Ok(None), "succeeded: ");
    check(Ok(Some("{\"charged\":7}".to_owned())), "succeeded: {\"charged\":7}");
    check(Err(failure("out of stock", false, None)), "failed: out of stock");
    // The wait of a permanent failure is ignored.
    check(Err(failure("out of stock", false, Some(5))), "failed: out of stock");
    check(Err(failure("busy", true, None)), "scheduled: busy; in 10 s");
}

#[test]
fn a_retry_waits_for_the_longer_of_back_off_and_retry_after() {
    let with_failures = |failures| {
        let claimed = claimed();
        Claimed { request: Request { failures, ..claimed.request }, ..claimed }
    };
    let check = |failures, retry_after, expected| {
        check(&with_failures(failures), answering(MANIFEST, Err(failure("busy", true, retry_after))), expected);
    };
    check(0, Some(3), "scheduled: busy; in 10 s");
    check(0, Some(42), "scheduled: busy; in 42 s");
    check(1, None, "scheduled: busy; in 15 s");
    // A wait is at most `max-ahead`.
    check(0, Some(u64::MAX), "scheduled: busy; in 86400 s");
    // The third of three attempts.
    check(2, None, "failed: busy");
    check(2, Some(1), "failed: busy");
    check(u32::MAX - 1, None, "failed: busy");
}

#[test]
fn the_processor_sees_the_job() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let bundle = FakeBundle::new("v1", MANIFEST).on_process({
        let seen = Arc::clone(&seen);
        move |job| {
            seen.lock().unwrap().push(job);
            Ok(Ok(None))
        }
    });
    let claimed = claimed();
    // Attempts that were cut off count, too.
    let trace = Some(TraceParent { trace_id: 1, span_id: 2, sampled: true });
    let claimed = Claimed { request: Request { attempts: 4, due_at: at(50), trace, ..claimed.request }, ..claimed };
    fired(&FakeUseCases::of(bundle), &no_delivery(), &claimed);
    let expected = Job {
        id: claimed.request.id.to_string(),
        use_case: "orders".to_owned(),
        target: "here".to_owned(),
        attempt: 4,
        scheduled_for: "2027-01-01T00:01:00.000Z".to_owned(),
        body: claimed.body,
        trace,
    };
    assert_eq!(*seen.lock().unwrap(), [expected]);
}

/// Checks the end of an attempt whose processor was stopped.
#[track_caller]
fn check_stopped(failures: u32, reason: Stopped, stderr: &[&str], expected: &str) {
    let bundle = FakeBundle::new("v1", MANIFEST);
    let stopped = bundle.stopped(Role::Process, reason, stderr);
    let claimed = claimed();
    let claimed = Claimed { request: Request { failures, ..claimed.request }, ..claimed };
    check(&claimed, bundle.on_process(move |_| Err(stopped.clone())), expected);
}

#[test]
fn stopped_plugin_counts_as_a_failure_and_is_retried() {
    const PLUGIN: &str = "the process plugin of use case orders (version v1)";
    let trap = || Stopped::Trap("unreachable".to_owned());
    check_stopped(0, trap(), &[], &format!("scheduled: {PLUGIN} trapped: unreachable; in 10 s"));
    check_stopped(2, trap(), &[], &format!("failed: {PLUGIN} trapped: unreachable"));
    check_stopped(2, Stopped::Memory(64 << 20), &[], &format!("failed: {PLUGIN} needed more memory than its limit of 64 MiB"));
    let panicked = ["thread 'main' panicked at lib.rs:7:", "no stock", "note: run with …"];
    let words = "stderr: thread 'main' panicked at lib.rs:7: no stock";
    check_stopped(2, trap(), &panicked, &format!("failed: {PLUGIN} trapped: unreachable; {words}"));
}

#[test]
fn a_request_of_a_missing_version_waits_while_the_first_one_is_loaded() {
    let loading = FakeUseCases::default();
    loading.put_loading("orders", "2026-01-01T00:00:00Z");
    let change = fired(&loading, &no_delivery(), &claimed());
    let waits = matches!(&change, Change::Defer { waits_for, .. } if waits_for == "version latest of use case orders to be loaded");
    assert!(waits, "{change:?}");
}

#[test]
fn missing_version_is_retried_with_the_default_policy() {
    let gone = FakeUseCases::default();
    let claimed = claimed();
    let change = fired(&gone, &no_delivery(), &claimed);
    // The use case's own policy is unknown.
    let Change::Finish { outcome: Outcome::Retry { failure, at: again }, .. } = change else { panic!("{change:?}") };
    assert_eq!(failure, "version v1 of use case orders is gone");
    let jitter = again - at(61) - TimeDelta::seconds(30);
    assert!(jitter > TimeDelta::zero() && jitter < TimeDelta::seconds(6), "{jitter}");
    gone.put(answering(MANIFEST, Ok(None)));
    assert_eq!(summary(&claimed, &fired(&gone, &no_delivery(), &claimed)), "succeeded: ");
}

/// Checks which version runs a request of v1 after an upload of v2 with this policy.
#[track_caller]
fn check_version(policy: &str, expected: &str) -> FakeUseCases {
    let manifest = MANIFEST.replace("[schedule]", &format!("[schedule]\nversion = '{policy}'"));
    let saying = |version: &'static str| FakeBundle::new(version, &manifest).on_process(move |_| Ok(Ok(Some(version.to_owned()))));
    let use_cases = FakeUseCases::of(saying("v1"));
    use_cases.put(saying("v2"));
    let claimed = claimed();
    assert_eq!(summary(&claimed, &fired(&use_cases, &no_delivery(), &claimed)), format!("succeeded: {expected}"), "{policy}");
    use_cases
}

#[test]
fn a_request_runs_the_version_that_validated_it_or_the_latest() {
    check_version("pinned", "v1");
    let use_cases = check_version("latest", "v2");
    // Without a current version, the request's own version runs.
    use_cases.remove("orders");
    let claimed = claimed();
    assert_eq!(summary(&claimed, &fired(&use_cases, &no_delivery(), &claimed)), "succeeded: v1");
}

#[test]
fn lease_follows_from_the_version_that_runs() {
    let of = |policy: &str| {
        let manifest =
            MANIFEST.replace("timeout = \"3s\"", "timeout = \"300s\"").replace("[schedule]", &format!("[schedule]\nversion = '{policy}'"));
        FakeBundle::new("v2", &manifest)
    };
    let claimed = to("hook");
    let accepted = claimed.request.lease;
    assert_eq!(lease(Some(&of("latest")), &claimed.request), Duration::from_secs(330));
    assert_eq!(lease(Some(&of("pinned")), &claimed.request), accepted, "v1 runs it");
    assert_eq!(lease::<FakeBundle>(None, &claimed.request), accepted);
}

#[test]
fn http_target_gets_the_unchanged_body_and_its_own_timeout() {
    let use_cases = FakeUseCases::of(answering(MANIFEST, Ok(Some("the plugin ran".to_owned()))));
    let deliver = FakeDeliver::answering(Ok(Some("taken".to_owned())));
    let claimed = to("hook");
    assert_eq!(summary(&claimed, &fired(&use_cases, &deliver, &claimed)), "succeeded: taken");
    let expected = Delivered {
        url: "http://127.0.0.1:9000/hook".to_owned(),
        timeout: Duration::from_secs(3),
        id: claimed.request.id,
        attempt: 1,
        body: claimed.body.clone(),
    };
    assert_eq!(deliver.delivered(), [expected]);

    let busy = FakeDeliver::answering(Err(failure("HTTP 503", true, Some(12))));
    assert_eq!(summary(&claimed, &fired(&use_cases, &busy, &claimed)), "scheduled: HTTP 503; in 12 s");
    let gone = FakeDeliver::answering(Err(failure("HTTP 410", false, None)));
    assert_eq!(summary(&claimed, &fired(&use_cases, &gone, &claimed)), "failed: HTTP 410");
}

#[test]
fn target_that_the_manifest_no_longer_has_is_a_permanent_failure() {
    check(&to("heaven"), answering(MANIFEST, Ok(None)), "failed: the use case no longer has the target \"heaven\"");
}

/// Returns the notice of an attempt whose processor gives this answer.
fn notice_after(on: &str, answer: JobResult, claimed: &Claimed) -> Option<NewRequest> {
    let use_cases = FakeUseCases::of(answering(&format!("{MANIFEST}\n[on]\n{on}"), answer));
    fired(&use_cases, &no_delivery(), claimed).notice().cloned()
}

#[test]
fn end_makes_a_notice_for_the_target_in_on() {
    let both = "success = 'watcher'\nfailure = 'hook'";
    let trace = Some(TraceParent { trace_id: 1, span_id: 2, sampled: true });
    let traced = Claimed { request: Request { trace, ..claimed().request }, ..claimed() };
    let success = notice_after(both, Ok(Some("{\"n\":2}".to_owned())), &traced).expect("a success has a notice");
    assert_eq!(success.request.trace, trace);
    let request = &success.request;
    assert_eq!((request.id, request.target.as_str(), request.notice_of), (sample_id(900), "watcher", Some(sample_id(1))));
    assert_eq!((request.status, request.due_at, request.trigger_at), (Status::Scheduled, at(61), at(61)));
    assert_eq!((request.use_case.as_str(), request.version.as_str(), &success.idempotency_key), ("orders", "v1", &None));
    let body: serde_json::Value = serde_json::from_str(&success.body).unwrap();
    let expected = serde_json::json!({
        "correlationId": sample_id(1),
        "useCase": "orders",
        "status": "succeeded",
        "target": "here",
        "triggerAt": "2027-01-01T00:01:00.000Z",
        "attempts": 1,
        "finishedAt": "2027-01-01T00:01:01.000Z",
        "result": { "n": 2 },
    });
    assert_eq!(body, expected);

    let failure = notice_after(both, Err(failure("gone", false, None)), &claimed()).expect("a failure has a notice");
    assert_eq!(failure.request.target, "hook");
    let body: serde_json::Value = serde_json::from_str(&failure.body).unwrap();
    assert_eq!((&body["status"], &body["failure"]), (&"failed".into(), &"gone".into()));
}

#[test]
fn no_notice_without_a_target_in_on_or_before_the_end() {
    assert_eq!(notice_after("", Ok(None), &claimed()), None);
    assert_eq!(notice_after("failure = 'watcher'", Ok(None), &claimed()), None);
    assert_eq!(notice_after("success = 'watcher'", Err(failure("gone", false, None)), &claimed()), None);
    assert_eq!(notice_after("success = 'watcher'\nfailure = 'watcher'", Err(failure("busy", true, None)), &claimed()), None);
}

#[test]
fn end_of_a_notice_makes_no_notice() {
    let claimed = claimed();
    let notice = Claimed { request: Request { notice_of: Some(sample_id(2)), ..claimed.request }, ..claimed };
    let both = "success = 'watcher'\nfailure = 'watcher'";
    assert_eq!(notice_after(both, Ok(None), &notice), None);
    assert_eq!(notice_after(both, Err(failure("gone", false, None)), &notice), None);
}

/// Checks the length in bytes of a recorded text, and that it is marked if it was cut.
#[track_caller]
fn check_cut(text: &str, bytes: usize, marked: bool) {
    let use_cases = FakeUseCases::of(answering(MANIFEST, Ok(Some(text.to_owned()))));
    let Change::Finish { outcome: Outcome::Succeeded { result: Some(kept), .. }, .. } = fired(&use_cases, &no_delivery(), &claimed())
    else {
        panic!("no result is recorded")
    };
    assert_eq!((kept.len(), kept.ends_with("… (cut)")), (bytes, marked));
    let beginning = kept.strip_suffix("… (cut)").unwrap_or(&kept);
    assert!(text.starts_with(beginning));

    // The message of a failure has the same limit.
    let use_cases = FakeUseCases::of(answering(MANIFEST, Err(failure(text, false, None))));
    let Change::Finish { outcome: Outcome::Failed { failure, .. }, .. } = fired(&use_cases, &no_delivery(), &claimed()) else {
        panic!("no failure is recorded")
    };
    assert_eq!(failure, kept);
}

#[test]
fn a_result_is_cut_at_a_character() {
    check_cut(&"x".repeat(MAX_RESULT_BYTES), MAX_RESULT_BYTES, false);
    check_cut(&"x".repeat(MAX_RESULT_BYTES + 1), MAX_RESULT_BYTES, true);
    // The mark takes 9 bytes; 65,527 before it would end in the middle of a character of 2 or of 4 bytes.
    check_cut(&"é".repeat(MAX_RESULT_BYTES), MAX_RESULT_BYTES - 1, true);
    check_cut(&"😀".repeat(MAX_RESULT_BYTES), MAX_RESULT_BYTES - 3, true);
}

#[test]
fn request_without_a_body_fails_permanently() {
    let request = new_request(sample_id(1), "orders", at(60)).request;
    let change = conclude(&request, Attempt::<FakeBundle>::without_body(), sample_id(900), at(61));
    let Change::Finish { outcome: Outcome::Failed { failure, .. }, .. } = change else { panic!("{change:?}") };
    assert!(failure.contains("not on record"), "{failure}");
}

fn slots_busy() -> HostFault {
    HostFault::new("a free slot for plugins (all 128 busy)", "all 128 slots for plugins were busy")
}

/// Checks that the host cannot begin the attempt for this reason, and that the change is a deferral.
#[track_caller]
fn check_deferred(use_cases: &FakeUseCases, deliver: &FakeDeliver, claimed: &Claimed, waits_for: &str) {
    let expected = Change::Defer { claim: 1, waits_for: waits_for.to_owned(), at: at(61) + TimeDelta::milliseconds(250) };
    assert_eq!(fired(use_cases, deliver, claimed), expected);
}

#[test]
fn host_fault_defers_the_request_and_spends_no_attempt() {
    let busy = FakeBundle::new("v1", MANIFEST);
    let stopped = busy.stopped(Role::Process, Stopped::NotStarted(Box::new(slots_busy())), &[]);
    let busy = FakeUseCases::of(busy.on_process(move |_| Err(stopped.clone())));
    check_deferred(&busy, &no_delivery(), &claimed(), "a free slot for plugins (all 128 busy)");

    let no_descriptor = FakeDeliver::failing(HostFault::new("a free file descriptor", "Too many open files (os error 24)"));
    check_deferred(&FakeUseCases::of(answering(MANIFEST, Ok(None))), &no_descriptor, &to("hook"), "a free file descriptor");

    let loading = FakeUseCases::default();
    loading.fail_with(HostFault::new("version v1 of use case orders to be loaded", "it is being compiled"));
    check_deferred(&loading, &no_delivery(), &claimed(), "version v1 of use case orders to be loaded");
}

/// A host over fakes, with one request that is due at second 60.
struct Host {
    use_cases: FakeUseCases,
    ledger: MemoryLedger,
    scheduler: RecordingScheduler,
    deliver: FakeDeliver,
    clock: FakeClock,
    care: Care,
}

/// Records the calls of `clean_up` and `notify_failed`.
#[derive(Default)]
struct Care(Mutex<Vec<String>>);

impl Aftercare for Care {
    async fn again(&self, _request: &Request) -> Result<bool, ScheduleError> {
        Ok(false)
    }

    async fn clean_up(&self, _request: &Request) -> Result<(), ScheduleError> {
        self.0.lock().unwrap().push("cleaned up".to_owned());
        Ok(())
    }

    async fn notify_failed(&self, request: &Request) {
        self.0.lock().unwrap().push(format!("notified of {}", request.status));
    }
}

impl Host {
    fn new(bundle: FakeBundle) -> Self {
        let ledger = MemoryLedger::default();
        block_on(ledger.insert(new_request(sample_id(1), "orders", at(60)).into())).unwrap();
        let (use_cases, deliver) = (FakeUseCases::of(bundle), FakeDeliver::answering(Ok(None)));
        Self { use_cases, ledger, scheduler: RecordingScheduler::default(), deliver, clock: FakeClock::default(), care: Care::default() }
    }

    fn firing(&self) -> Firing<'_, FakeUseCases, MemoryLedger, RecordingScheduler, FakeDeliver, FakeClock, Care> {
        let Self { use_cases, ledger, scheduler, deliver, clock, care } = self;
        Firing { use_cases, ledger, scheduler, deliver, clock, aftercare: care }
    }

    /// Claims the request at the time `now`.
    fn claim(&self, now: DateTime<Utc>) -> Claimed {
        self.clock.set(now);
        block_on(self.ledger.claim(sample_id(1), now)).unwrap().expect("the request is due")
    }

    fn fire(&self, now: DateTime<Utc>) -> Result<Fired, LedgerError> {
        let Claimed { request, body } = self.claim(now);
        block_on(self.firing().run(request, Some(body), None))
    }

    fn request(&self) -> Request {
        block_on(self.ledger.find(sample_id(1))).unwrap().unwrap().0
    }

    fn cared(&self) -> Vec<String> {
        std::mem::take(&mut *self.care.0.lock().unwrap())
    }
}

fn failing(message: &str) -> FakeBundle {
    answering(&format!("{MANIFEST}\n[on]\nfailure = 'watcher'"), Err(failure(message, false, None)))
}

#[test]
fn firing_records_notifies_schedules_the_notice_and_cleans_up() {
    let host = Host::new(failing("gone"));
    let Ok(Fired::Ran(request)) = host.fire(at(60)) else { panic!("the attempt did not run") };
    assert_eq!((&*request, request.status), (&host.request(), Status::Failed));
    assert_eq!(host.cared(), ["notified of failed", "cleaned up"]);
    assert_eq!(host.scheduler.scheduled(), [(sample_id(900), at(60))], "the notice");
}

#[test]
fn version_whose_plugins_do_not_load_keeps_its_retry_policy_and_its_notices() {
    let host = Host::new(failing("not called"));
    host.use_cases.break_plugins();
    let mut now = at(60);
    for _ in 1..3 {
        let Ok(Fired::Ran(request)) = host.fire(now) else { panic!("the attempt did not run") };
        assert_eq!((request.status, request.failures), (Status::Scheduled, request.attempts));
        now = request.due_at;
    }
    let Ok(Fired::Ran(request)) = host.fire(now) else { panic!("the attempt did not run") };
    assert_eq!((request.status, request.attempts), (Status::Failed, 3), "max-attempts of the manifest");
    let scheduled = host.scheduler.scheduled();
    assert!(scheduled.iter().any(|(id, at)| *id != sample_id(1) && *at == now), "the notice: {scheduled:?}");
}

#[test]
fn deferred_request_is_scheduled_again_and_runs_when_the_host_can() {
    let host = Host::new(answering(MANIFEST, Ok(None)));
    host.use_cases.forget("orders");
    host.use_cases.fail_with(HostFault::new("the store", "no route to host"));
    let mut now = at(60);
    for _ in 0..5 {
        let Ok(Fired::Deferred(request)) = host.fire(now) else { panic!("the request was not deferred") };
        assert_eq!((request.status, request.attempts, request.failures, request.interruptions), (Status::Scheduled, 0, 0, 0));
        assert!(request.due_at > now, "no wait before the next try");
        now = request.due_at;
    }
    assert_eq!(host.scheduler.scheduled().len(), 5);
    assert!(host.cared().is_empty());
    host.use_cases.fail_with(None);
    host.use_cases.put(answering(MANIFEST, Ok(None)));
    let Ok(Fired::Ran(request)) = host.fire(now) else { panic!("the attempt did not run") };
    assert_eq!((request.status, request.attempts, request.waiting), (Status::Succeeded, 1, None));
}

#[test]
fn end_that_cannot_be_recorded_at_once_is_recorded_later() {
    let host = Host::new(answering(MANIFEST, Ok(None)));
    let Claimed { request, body } = host.claim(at(60));
    host.ledger.fail_changes_with(LedgerError::Unavailable("disk full".to_owned()));
    assert!(block_on(host.firing().run(request.clone(), Some(body.clone()), None)).is_err());
    let waited = host.clock.now() - at(60);
    assert_eq!(waited, TimeDelta::seconds(9), "the tries span some seconds");
    host.ledger.fail_changes_with(None);
    assert!(matches!(block_on(host.firing().run(request, Some(body), None)), Ok(Fired::Ran(_))));
}

#[test]
fn attempt_whose_end_was_not_recorded_is_concluded_by_another_call() {
    let host = Host::new(failing("gone"));
    let Claimed { request, body } = host.claim(at(60));
    let (request, attempt) = block_on(host.firing().attempt(request, Some(body), None));
    assert_eq!(host.request().status, Status::Running);
    let kept = serde_json::to_string(&attempt.end).unwrap();
    let end: End = serde_json::from_str(&kept).unwrap();
    assert_eq!(end, attempt.end, "{kept}");
    // The other call must not run the plugin again.
    host.use_cases.put(failing("called twice"));
    let attempt = block_on(host.firing().ended(&request, end)).unwrap();
    let Ok(Fired::Ran(ended)) = block_on(host.firing().conclude(&request, attempt)) else { panic!("the attempt is not concluded") };
    assert_eq!((ended.status, ended.failure.as_deref(), ended.attempts), (Status::Failed, Some("gone"), 1));
    assert_eq!((host.cared().len(), host.scheduler.scheduled().len()), (2, 1), "the notice is scheduled");
}

/// Interrupts the request until the next interruption would be its last, and claims it again.
fn nearly_cut_off(host: &Host) -> Request {
    for _ in 1..MAX_INTERRUPTIONS {
        let Claimed { request, .. } = host.claim(at(60));
        let released = block_on(host.firing().release(&request, "the host stopped")).unwrap().unwrap();
        assert_eq!(released.status, Status::Scheduled);
    }
    assert!(host.cared().is_empty() && host.scheduler.scheduled().is_empty(), "no end yet");
    host.claim(at(60)).request
}

#[test]
fn last_interruption_and_its_notice_are_one_write() {
    let host = Host::new(failing("not called"));
    let running = nearly_cut_off(&host);
    host.ledger.fail_changes_with(LedgerError::Unavailable("disk full".to_owned()));
    assert!(block_on(host.firing().release(&running, "the host stopped")).is_err());
    assert_eq!((host.request().status, host.ledger.ids().len()), (Status::Running, 1), "the end and the notice must not be stored");
    host.ledger.fail_changes_with(None);
    let ended = block_on(host.firing().release(&running, "the host stopped")).unwrap().unwrap();
    assert_eq!((ended.status, host.ledger.ids().len()), (Status::Failed, 2), "the end and the notice must be stored");
    assert_eq!(host.cared(), ["notified of failed", "cleaned up"]);
    assert_eq!(host.scheduler.scheduled().len(), 1, "the notice");
}

/// Returns a host whose request has waited since second 60 and expires at second 90.
fn expiring_host() -> Host {
    let host = Host::new(failing("not called"));
    let new = new_request(sample_id(2), "orders", at(60));
    let request = Request { expire_after: Some(Duration::from_secs(30)), ..new.request };
    block_on(host.ledger.insert(NewRequest { request, ..new }.into())).unwrap();
    host
}

/// Returns the request of [`expiring_host`] and the end of its expiry at this second.
fn expire_at(host: &Host, seconds: i64) -> Result<Option<Request>, FireError> {
    let request = block_on(host.ledger.find(sample_id(2))).unwrap().unwrap().0;
    host.clock.set(at(seconds));
    block_on(host.firing().expire(&request))
}

#[test]
fn expiry_notifies_and_cleans_up_once() {
    let host = expiring_host();
    assert_eq!(expire_at(&host, 89).unwrap(), None);
    let expired = expire_at(&host, 90).unwrap().expect("it has expired");
    assert_eq!((expired.status, host.cared()), (Status::Expired, vec!["notified of expired".to_owned(), "cleaned up".to_owned()]));
    let [(notice, due)] = host.scheduler.scheduled()[..] else { panic!("one notice is expected") };
    let (notice_request, body) = (block_on(host.ledger.find(notice)).unwrap().unwrap().0, host.ledger.body(notice).unwrap());
    assert_eq!((notice_request.notice_of, notice_request.target.as_str(), due), (Some(sample_id(2)), "watcher", at(90)));
    assert!(body.contains(r#""status":"expired""#) && body.contains("not started by"), "{body}");
    assert_eq!((expire_at(&host, 91).unwrap(), host.cared().len()), (None, 0));
}

#[test]
fn notice_of_an_expiry_does_not_expire() {
    let host = expiring_host();
    let manifest = format!("{MANIFEST}\n[on]\nfailure = 'watcher'").replace("[schedule]", "[schedule]\nexpire-after = '30s'");
    host.use_cases.put(FakeBundle::new("v1", &manifest));
    expire_at(&host, 90).unwrap().expect("it has expired");
    let [(notice, _)] = host.scheduler.scheduled()[..] else { panic!("one notice is expected") };
    assert_eq!(block_on(host.ledger.find(notice)).unwrap().unwrap().0.expires_at(), None);
}

#[test]
fn expiry_needs_the_manifest_with_the_target_of_its_notice() {
    let host = expiring_host();
    host.use_cases.fail_with(HostFault::new("the store", "no route to host"));
    assert!(expire_at(&host, 90).is_err());
    assert!(host.cared().is_empty());
    host.use_cases.fail_with(None);
    assert_eq!(expire_at(&host, 91).unwrap().map(|request| request.status), Some(Status::Expired));
}

#[test]
fn last_interruption_needs_the_manifest_with_the_targets_of_notices() {
    let host = Host::new(failing("not called"));
    let running = nearly_cut_off(&host);
    host.use_cases.fail_with(HostFault::new("the store", "no route to host"));
    assert!(block_on(host.firing().release(&running, "the host stopped")).is_err());
    assert_eq!(host.request().status, Status::Running);
}
