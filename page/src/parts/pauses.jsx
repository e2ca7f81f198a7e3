import { useState } from "preact/hooks";
import { fromInput } from "../logic/time.js";
import { api, notice, now, zone } from "../session.js";
import { useStore } from "../store.js";
import { Dialog } from "./dialog.jsx";
import { Time } from "./small.jsx";

/** The pauses of a use case, each with a button that ends it. */
export function Pauses({ useCase: { name, paused = [] }, onAct }) {
  return (
    paused.length > 0 && (
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
    )
  );
}

/** The dialog of `act`: that of a pause or of its end. */
export function PauseDialog({ act, onDone, onClose }) {
  switch (act?.kind) {
    case "pause":
      return <Pause useCase={act.useCase} onDone={onDone} onClose={onClose} />;
    case "resume":
      return <Resume name={act.name} pause={act.pause} onDone={onDone} onClose={onClose} />;
    default:
      return null;
  }
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
