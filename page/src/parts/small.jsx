import { useEffect, useRef, useState } from "preact/hooks";
import { coarse, relative, stamp } from "../logic/time.js";
import { ticking, zone } from "../session.js";
import { useStore } from "../store.js";

/** A time, in the chosen zone, with its distance from now. */
export function Time({ at, only }) {
  const shownZone = useStore(zone);
  const now = useStore(ticking);
  const millis = typeof at === "number" ? at : Date.parse(at);
  const iso = new Date(millis).toISOString();
  return (
    <time dateTime={iso} title={iso} class="time">
      {only !== "relative" && <span class="stamp">{stamp(millis, shownZone)}</span>}
      {only !== "stamp" && <span class={only ? undefined : "muted"}>{relative(millis, now)}</span>}
    </time>
  );
}

/** The time that has passed since `at`. */
export function Since({ at }) {
  const now = useStore(ticking);
  return (
    <time dateTime={at} title={at}>
      {coarse(now - Date.parse(at))}
    </time>
  );
}

export function Status({ status, isErased = false }) {
  return (
    <span class="badges">
      <span class={`badge ${status}`}>{status}</span>
      {isErased && <span class="badge erased">erased</span>}
    </span>
  );
}

/** A part of a view with a heading. */
export function Card({ title, note, actions, children, wide = false }) {
  return (
    <section class={wide ? "card wide" : "card"} aria-label={title}>
      <header class="card-head">
        <h2>{title}</h2>
        {note && <span class="muted note">{note}</span>}
        {actions && <div class="card-actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}

/** False until the first view is there. Its heading leaves the focus at the page's beginning, before the links to the views. */
let hasOpened = false;

/**
 * The heading of a view. Takes the focus when another view opens, so that a screen reader reads it, and after a change of `state` that
 * has removed the element with the focus.
 */
export function Heading({ children, title, state }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title ?? children} · Postdate`;
    if (hasOpened && (document.activeElement === document.body || document.activeElement?.closest("nav"))) {
      heading.current?.focus({ preventScroll: true });
    }
    hasOpened = true;
  }, [title, children, state]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}

/** Shows data by `children(data)` once it is there, and the error of the last try to load it. */
export function Pending({ live: { data, error, isStale = false }, children }) {
  return (
    <>
      {error && <Fault error={error} />}
      {data === null ? (
        !error && <p class="empty">Loading …</p>
      ) : (
        <div aria-busy={isStale} class={isStale ? "stale" : undefined}>
          {children(data)}
        </div>
      )}
    </>
  );
}

export function Fault({ error }) {
  const { members = {}, code } = error;
  return (
    <div class="fault" role="alert">
      <p>{sentence(error.message)}</p>
      {members.problems?.length > 0 && (
        <ul>
          {members.problems.map(({ pointer, message }) => (
            <li key={pointer + message}>
              {pointer && <code>{pointer}</code>} {message}
            </li>
          ))}
        </ul>
      )}
      {members.candidates?.length > 0 && <p>Possible times: {members.candidates.join(", ")}</p>}
      {code && <p class="muted">Code: {code}</p>}
    </div>
  );
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

/** Text that scrolls by itself, with a button to copy it. */
export function Code({ label, text }) {
  const [copied, setCopied] = useState(false);
  // The clipboard is there on loopback and with TLS only.
  const canCopy = Boolean(navigator.clipboard);
  const copy = async () => {
    await navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => {},
    );
  };
  return (
    <div class="code">
      <pre tabIndex={0} role="group" aria-label={label}>
        {text}
      </pre>
      {canCopy && (
        <button type="button" class="quiet copy" onClick={copy} aria-label={`Copy ${label.toLowerCase()}`}>
          {copied ? "Copied" : "Copy"}
        </button>
      )}
    </div>
  );
}

/** Says when data was loaded. */
export function Updated({ at }) {
  const now = useStore(ticking);
  const seconds = at === null ? null : Math.max(0, Math.round((now - at) / 1_000));
  if (seconds === null) {
    return null;
  }
  return (
    <span class="muted updated">
      updated {seconds < 5 ? "just now" : seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`}
    </span>
  );
}

/** A short form of a version, which is a hash. */
export function Version({ version }) {
  return version ? <code title={version}>{version.slice(0, 12)}</code> : <span class="muted">none</span>;
}

/** A row of a list of facts. */
export function Fact({ name, children }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** Texts as code, or `none` where there are none. */
export function Codes({ texts, none = "none" }) {
  return texts.length === 0 ? <span class="muted">{none}</span> : texts.map((text) => <code key={text}>{text}</code>);
}

/** Buttons of which one is chosen. `options` are pairs of value and text. */
export function Choice({ label, options, value, onChoose }) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {options.map(([option, text]) => (
        <button type="button" key={option} aria-pressed={option === value} onClick={() => onChoose(option)}>
          {text}
        </button>
      ))}
    </div>
  );
}
