import { useRef, useState } from "preact/hooks";
import { useLive } from "../live.js";
import { member, pretty } from "../logic/json.js";
import { EVENTS, actionsOf, attemptsOf, dueAt, isEnd } from "../logic/request.js";
import { filtersLink } from "../logic/filters.js";
import { requestLink, useCaseLink } from "../logic/route.js";
import { duration, fromInput, inputValue, isoDuration } from "../logic/time.js";
import { Dialog } from "../parts/dialog.jsx";
import { Card, Choice, Code, Fact, Fault, Heading, Pending, Since, Status, Time, Updated, Version } from "../parts/small.jsx";
import { api, notice, now, ticking, zone } from "../session.js";
import { useStore } from "../store.js";

/** Seconds that a call waits for the end of a request that runs. */
const WAIT = 10;

export function RequestView({ id }) {
  const wait = useRef(0);
  const load = async (signal) => {
    const text = await api.request(id, wait.current, signal);
    const request = JSON.parse(text);
    wait.current = request.status === "running" ? WAIT : 0;
    // A parser would round long numbers of the result.
    return { ...request, result: request.result === undefined ? null : textOf(text, request.result) };
  };
  const live = useLive(load, intervalOf, [id], { about: id, isGone: ({ status }) => status === 404 });
  const [act, setAct] = useState(null);
  const request = live.data;
  if (request === null) {
    return (
      <>
        <Heading title="Request">Request</Heading>
        <p class="id">{id}</p>
        <Pending live={live} />
        <p>
          <a href={filtersLink({})}>All requests</a>
        </p>
      </>
    );
  }
  const actions = actionsOf(request);
  return (
    <>
      <div class="view-head">
        <Heading title={`Request of ${request.useCase}`} state={request.status}>
          Request of {request.useCase}
        </Heading>
        <Status status={request.status} isErased={Boolean(request.erasedAt)} />
        <Updated at={live.at} />
        <div class="actions">
          {ACTIONS.filter(([name]) => actions[name]).map(([name, text, kind]) => (
            <button key={name} type="button" class={kind} onClick={() => setAct(name)}>
              {text}
            </button>
          ))}
        </div>
      </div>
      <p class="id">
        <code>{request.correlationId}</code>
      </p>
      {live.error && <Fault error={live.error} />}
      <div class="columns">
        <div>
          <Facts request={request} />
          {request.failure && (
            <Card title={request.status === "scheduled" ? "Last failure" : "Failure"}>
              <p class="failure">{request.failure}</p>
            </Card>
          )}
          <Body request={request} />
          {request.result !== null && (
            <Card title="Result">
              <Code label="Result" text={pretty(request.result)} />
            </Card>
          )}
        </div>
        <div>
          <Attempts request={request} />
          <History history={request.history} />
        </div>
      </div>
      {act && <Action name={act} request={request} onDone={live.refresh} onClose={() => setAct(null)} />}
    </>
  );
}

const ACTIONS = [
  ["retry", "Retry …", "primary"],
  ["move", "Move …", undefined],
  ["cancel", "Cancel …", undefined],
  ["erase", "Erase …", "danger-quiet"],
];

/** Returns the text of a result: as the document has it, or what its string contains. */
function textOf(document, result) {
  return typeof result === "string" ? result : (member(document, "result") ?? JSON.stringify(result));
}

/** Returns after how many milliseconds a request is loaded again: soon when it may change. */
function intervalOf(request) {
  if (request === null) {
    return 5_000;
  }
  if (isEnd(request.status)) {
    return 30_000;
  }
  return request.status === "running" || dueAt(request) - now() < 10_000 ? 1_000 : 5_000;
}

function Facts({ request }) {
  const { useCase, target, version, triggerAt, nextAttemptAt, expiresAt, receivedAt, finishedAt, owner, noticeOf, attempts, erasedAt } =
    request;
  const labels = Object.entries(request.labels ?? {});
  return (
    <Card title="State">
      {request.waitsFor && (
        <p class="waits">
          Waits for {request.waitsFor}
          {request.waitsSince && (
            <>
              {" "}
              (for <Since at={request.waitsSince} /> so far)
            </>
          )}
        </p>
      )}
      <dl class="facts">
        {[
          ["Planned for", triggerAt],
          ["Next attempt", nextAttemptAt],
          ["Expires", expiresAt],
          ["Ended", finishedAt],
          ["Received", receivedAt],
          ["Erased", erasedAt],
        ].map(
          ([name, at]) =>
            at && (
              <Fact key={name} name={name}>
                <Time at={at} />
              </Fact>
            ),
        )}
        <Fact name="Use case">
          <a href={filtersLink({ useCase })}>{useCase}</a>
        </Fact>
        <Fact name="Target">
          <code>{target}</code>
        </Fact>
        <Fact name="Version">
          <a href={useCaseLink(useCase)}>
            <Version version={version} />
            <span class="hidden"> of {useCase}</span>
          </a>
        </Fact>
        <Fact name="Attempts">{attempts}</Fact>
        {owner && <Fact name="Owner">{owner}</Fact>}
        {noticeOf && (
          <Fact name="Reports the end of">
            <a href={requestLink(noticeOf)}>{noticeOf}</a>
          </Fact>
        )}
        {labels.length > 0 && (
          <Fact name="Labels">
            {labels.map(([name, value]) => (
              <a key={name} class="label" href={filtersLink({ useCase, labels: [[name, String(value)]] })}>
                {name}={String(value)}
              </a>
            ))}
          </Fact>
        )}
      </dl>
    </Card>
  );
}

/** The body, which is loaded only when somebody asks for it: it may have what not everybody beside the screen should read. */
function Body({ request: { correlationId, erasedAt } }) {
  const [state, setState] = useState({ text: null, error: null });
  if (erasedAt) {
    return (
      <Card title="Body">
        <p class="muted">The body was erased.</p>
      </Card>
    );
  }
  const show = () =>
    api.body(correlationId).then(
      (text) => setState({ text, error: null }),
      (error) => setState({ text: null, error }),
    );
  const toggle = (
    <button
      type="button"
      class="quiet"
      aria-expanded={state.text !== null}
      onClick={state.text === null ? show : () => setState({ text: null, error: null })}
    >
      {state.text === null ? "Show" : "Hide"}
      <span class="hidden"> the body</span>
    </button>
  );
  return (
    <Card title="Body" actions={toggle}>
      {state.error && <Fault error={state.error} />}
      {state.text !== null ? (
        <Code label="Body" text={pretty(state.text)} />
      ) : (
        !state.error && <p class="muted">Hidden until you ask for it.</p>
      )}
    </Card>
  );
}

function Attempts({ request }) {
  const now = useStore(ticking);
  const attempts = attemptsOf(request.history);
  if (attempts.length === 0) {
    return null;
  }
  return (
    <Card title="Attempts">
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">No.</th>
            <th scope="col">Started</th>
            <th scope="col">Took</th>
            <th scope="col">Outcome</th>
          </tr>
        </thead>
        <tbody>
          {attempts.map(({ number, startedAt, endedAt, outcome }) => (
            <tr key={startedAt}>
              <td>{number}</td>
              <td>
                <Time at={startedAt} only="stamp" />
              </td>
              <td>{duration((endedAt ?? Math.max(now, startedAt)) - startedAt)}</td>
              <td>
                <span class={`badge ${outcome === "interrupted" ? "warn" : outcome}`}>{outcome}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

function History({ history }) {
  return (
    <Card title="History">
      <ol class="history">
        {history.map(({ at, event, attempt, detail, by }, index) => {
          const [text, kind] = EVENTS[event] ?? [event, "plain"];
          const gap = index === 0 ? null : Date.parse(at) - Date.parse(history[index - 1].at);
          return (
            <li key={`${at}-${index}`} class={kind}>
              <p class="event">
                <strong>{text}</strong>
                {attempt > 0 && event !== "accepted" && <span class="muted"> attempt {attempt}</span>}
                {by && <span class="muted"> by {by}</span>}
              </p>
              {detail && <p class="detail">{detail}</p>}
              <p class="muted">
                <Time at={at} only="stamp" />
                {gap !== null && gap > 0 && <span> · {duration(gap)} later</span>}
              </p>
            </li>
          );
        })}
      </ol>
    </Card>
  );
}

function Action({ name, request, onDone, onClose }) {
  const id = request.correlationId;
  const act = (call, text) => async (form) => {
    const answer = await call(form);
    notice.set(answer.note ? `${text} Note: ${answer.note}.` : text);
    onDone();
  };
  switch (name) {
    case "retry":
      return (
        <Dialog
          title="Retry this request"
          confirm="Retry now"
          onConfirm={act(() => api.retry(id), "The request runs again.")}
          onClose={onClose}
        >
          <p>It runs again at once, with the same id and the same body, and does not expire any more.</p>
          {request.attempts > 0 && (
            <p>Its {request.attempts === 1 ? "attempt" : `${request.attempts} attempts`} may have had an effect already.</p>
          )}
        </Dialog>
      );
    case "cancel":
      return (
        <Dialog
          title="Cancel this request"
          confirm="Cancel the request"
          isDangerous
          onConfirm={act(() => api.cancel(id), "The request is cancelled.")}
          onClose={onClose}
        >
          <p>It does not run any more. This cannot be undone.</p>
        </Dialog>
      );
    case "erase":
      return (
        <Dialog
          title="Erase this request"
          confirm="Erase for ever"
          isDangerous
          onConfirm={act(() => api.erase(id), "The request is erased.")}
          onClose={onClose}
        >
          <p>Body, result, failure, labels and the details of the history are deleted for ever. The id stays, and that it existed.</p>
          {request.status === "scheduled" && <p>The request is scheduled: it is cancelled by this.</p>}
          <label class="check">
            <input type="checkbox" required /> I know that this cannot be undone
          </label>
        </Dialog>
      );
    default:
      return <Move request={request} act={act} onClose={onClose} />;
  }
}

const UNITS = ["minutes", "hours", "days"];

function Move({ request, act, onClose }) {
  const [kind, setKind] = useState("at");
  const shownZone = useStore(zone);
  const move = (form) => {
    const to =
      kind === "at"
        ? { triggerAt: new Date(fromInput(form.get("at"), shownZone)).toISOString() }
        : { delay: isoDuration(Number(form.get("number")), form.get("unit")) };
    return api.move(request.correlationId, to);
  };
  return (
    <Dialog title="Move this request" confirm="Move" onConfirm={act(move, "The request is moved.")} onClose={onClose}>
      <p>
        Planned for <Time at={request.triggerAt} />. The validator of the use case may refuse the new time.
      </p>
      <Choice
        label="Kind of time"
        value={kind}
        onChoose={setKind}
        options={[
          ["at", "To a time"],
          ["delay", "By a delay from now"],
        ]}
      />
      {kind === "at" ? (
        <>
          <label for="move-at">New time ({shownZone === "utc" ? "UTC" : "local"})</label>
          <input
            id="move-at"
            key={shownZone}
            name="at"
            type="datetime-local"
            step="1"
            required
            defaultValue={inputValue(Date.parse(request.triggerAt), shownZone)}
          />
        </>
      ) : (
        <>
          <label for="move-number">Delay</label>
          <span class="joined">
            <input id="move-number" name="number" type="number" min="1" max="100000" step="1" defaultValue="15" required />
            <select name="unit" aria-label="Unit of the delay">
              {UNITS.map((unit) => (
                <option key={unit}>{unit}</option>
              ))}
            </select>
          </span>
        </>
      )}
    </Dialog>
  );
}
