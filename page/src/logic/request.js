// Decisions about one request document.

const HELD = "a decision to retry or to cancel it";

/** Words for the events of a history, and how each is shown. */
export const EVENTS = {
  accepted: ["Accepted", "plain"],
  moved: ["Moved", "plain"],
  cancelled: ["Cancelled", "muted"],
  started: ["Attempt started", "active"],
  succeeded: ["Succeeded", "good"],
  "attempt-failed": ["Attempt failed", "warn"],
  failed: ["Failed", "bad"],
  interrupted: ["Attempt interrupted", "warn"],
  retried: ["Retried by hand", "plain"],
  deferred: ["Waiting", "warn"],
  expired: ["Expired", "bad"],
  held: ["Held", "warn"],
  erased: ["Erased", "muted"],
};

export function isEnd(status) {
  return status !== "scheduled" && status !== "running";
}

/** Returns the actions that the API takes for a request in this state. */
export function actionsOf(request) {
  const { status, waitsFor, erasedAt } = request;
  const isHeld = status === "scheduled" && waitsFor === HELD;
  return {
    retry: !erasedAt && (status === "failed" || status === "expired" || isHeld),
    move: status === "scheduled",
    cancel: status === "scheduled",
    erase: !erasedAt && status !== "running",
  };
}

/** Returns when a request is due, in milliseconds. */
export function dueAt(request) {
  return Date.parse(request.nextAttemptAt ?? request.triggerAt);
}

const OUTCOMES = { succeeded: "succeeded", "attempt-failed": "failed", failed: "failed", interrupted: "interrupted", held: "interrupted" };

/** Returns the attempts that a history tells of: number, start, end and outcome. An attempt that runs has no end. */
export function attemptsOf(history) {
  const attempts = [];
  for (const { at, event, attempt, detail } of history) {
    const last = attempts.at(-1);
    if (event === "started") {
      attempts.push({ number: attempt, startedAt: Date.parse(at), endedAt: null, outcome: "running", detail: null });
    } else if (event in OUTCOMES && last && last.endedAt === null) {
      Object.assign(last, { endedAt: Date.parse(at), outcome: OUTCOMES[event], detail: detail ?? null });
    }
  }
  return attempts;
}
