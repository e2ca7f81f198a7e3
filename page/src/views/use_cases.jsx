import { useState } from "preact/hooks";
import { useLive } from "../live.js";
import { filtersLink } from "../logic/filters.js";
import { fromInput } from "../logic/time.js";
import { Dialog } from "../parts/dialog.jsx";
import { Heading, Pending, Since, Time, Updated, Version } from "../parts/small.jsx";
import { api, notice, now, zone } from "../session.js";
import { useStore } from "../store.js";

export function UseCases() {
  const live = useLive((signal) => api.useCases(signal), 10_000, []);
  const [act, setAct] = useState(null);
  return (
    <>
      <div class="view-head">
        <Heading>Use cases</Heading>
        <Updated at={live.at} />
      </div>
      <Pending live={live}>
        {(useCases) =>
          useCases.length === 0 ? (
            <p class="empty">
              No use case is served, or your key sees none. <code>postdate use-case push</code> brings one.
            </p>
          ) : (
            <ul class="use-cases">
              {useCases.map((useCase) => (
                <UseCase key={useCase.name} useCase={useCase} onAct={setAct} />
              ))}
            </ul>
          )
        }
      </Pending>
      {act?.kind === "pause" && <Pause useCase={act.useCase} onDone={live.refresh} onClose={() => setAct(null)} />}
      {act?.kind === "resume" && <Resume {...act} onDone={live.refresh} onClose={() => setAct(null)} />}
    </>
  );
}

const LISTS = [
  ["scheduled", { status: "scheduled", by: "due" }],
  ["running", { status: "running" }],
  ["failed in the last day", { status: "failed", by: "ended", from: "-24h", to: "now" }],
];

function UseCase({ useCase, onAct }) {
  const { name, description, version, targets, error, update, paused = [] } = useCase;
  return (
    <li class="card">
      <header class="card-head">
        <h2>{name}</h2>
        <State useCase={useCase} />
        <div class="card-actions">
          <button type="button" onClick={() => onAct({ kind: "pause", useCase })} aria-label={`Pause ${name}`}>
            Pause …
          </button>
        </div>
      </header>
      {description && <p>{description}</p>}
      {error && (
        <p class="fault">
          <strong>The newest version does not serve:</strong> {error}
        </p>
      )}
      <dl class="facts">
        <dt>Version</dt>
        <dd>
          <Version version={version} />
        </dd>
        {update && (
          <>
            <dt>Next version</dt>
            <dd>
              {update.state} for <Since at={update.since} />
            </dd>
          </>
        )}
        <dt>Targets</dt>
        <dd>{targets.length === 0 ? <span class="muted">none</span> : targets.map((target) => <code key={target}>{target}</code>)}</dd>
        <dt>Requests</dt>
        <dd class="links">
          {LISTS.map(([text, filters]) => (
            <a key={text} href={filtersLink({ ...filters, useCase: name })}>
              {text}
              <span class="hidden"> of {name}</span>
            </a>
          ))}
        </dd>
      </dl>
      {paused.length > 0 && (
        <ul class="pauses" aria-label={`Pauses of ${name}`}>
          {paused.map((pause) => (
            <li key={pause.target ?? ""}>
              <PauseText pause={pause} />
              <button
                type="button"
                onClick={() => onAct({ kind: "resume", name, pause })}
                aria-label={`Resume ${pause.target ? `target ${pause.target} of ${name}` : name}`}
              >
                Resume
              </button>
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}

function State({ useCase: { version, error, update, paused = [] } }) {
  const states = [];
  if (error) {
    states.push(version ? ["warn", "newest version broken"] : ["failed", "broken"]);
  } else if (!version) {
    states.push(["warn", "loading"]);
  }
  if (update && version) {
    states.push(["warn", "updating"]);
  }
  if (paused.length > 0) {
    states.push(["paused", paused.some(({ target }) => !target) ? "paused" : "target paused"]);
  }
  if (states.length === 0) {
    states.push(["succeeded", "serving"]);
  }
  return (
    <span class="badges">
      {states.map(([kind, text]) => (
        <span key={text} class={`badge ${kind}`}>
          {text}
        </span>
      ))}
    </span>
  );
}

/** Says what is paused, since when, until when, and by whom. */
export function PauseText({ pause: { target, since, until, by } }) {
  return (
    <span>
      {target ? (
        <>
          Target <code>{target}</code>
        </>
      ) : (
        "All targets"
      )}{" "}
      paused <Time at={since} only="relative" />
      {by && <> by {by}</>},{" "}
      {until ? (
        <>
          until <Time at={until} />
        </>
      ) : (
        "until somebody resumes"
      )}
    </span>
  );
}

const LENGTHS = [
  ["", "somebody resumes"],
  ["900", "15 minutes from now"],
  ["3600", "1 hour from now"],
  ["86400", "1 day from now"],
  ["at", "a time …"],
];

function Pause({ useCase: { name, targets }, onDone, onClose }) {
  const [length, setLength] = useState("");
  const shownZone = useStore(zone);
  const pause = async (form) => {
    const what = {};
    if (form.get("target") !== "") {
      what.target = form.get("target");
    }
    const until = length === "at" ? fromInput(form.get("until"), shownZone) : now() + Number(length) * 1_000;
    if (length !== "") {
      what.until = new Date(until).toISOString();
    }
    await api.pause(name, what);
    notice.set(`Paused ${what.target ? `target ${what.target} of ${name}` : name}.`);
    onDone();
  };
  return (
    <Dialog title={`Pause ${name}`} confirm="Pause" onConfirm={pause} onClose={onClose}>
      <p>Requests are accepted meanwhile, and wait. After the pause the oldest run first.</p>
      <label for="pause-target">Paused</label>
      <select id="pause-target" name="target">
        <option value="">all targets</option>
        {targets.map((target) => (
          <option key={target} value={target}>
            target {target}
          </option>
        ))}
      </select>
      <label for="pause-length">Until</label>
      <select id="pause-length" value={length} onChange={(event) => setLength(event.currentTarget.value)}>
        {LENGTHS.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      {length === "at" && (
        <>
          <label for="pause-until">Time ({shownZone === "utc" ? "UTC" : "local"})</label>
          <input id="pause-until" name="until" type="datetime-local" step="1" required />
        </>
      )}
    </Dialog>
  );
}

function Resume({ name, pause: { target }, onDone, onClose }) {
  const resume = async () => {
    await api.resume(name, target ? { target } : {});
    notice.set(`Resumed ${target ? `target ${target} of ${name}` : name}.`);
    onDone();
  };
  return (
    <Dialog title={`Resume ${target ? `target ${target} of ${name}` : name}`} confirm="Resume" onConfirm={resume} onClose={onClose}>
      <p>{target ? "Requests for this target" : "This ends every pause of the use case. Its requests"} run again, the oldest first.</p>
    </Dialog>
  );
}
