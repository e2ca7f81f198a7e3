import { useEffect, useRef, useState } from "preact/hooks";
import { useLive } from "../live.js";
import {
  EMPTY,
  MAX_LABELS,
  RANGES,
  STATUSES,
  apiQuery,
  filtersLink,
  parseFilters,
  parseLabel,
  rangeOf,
  resolveTime,
  settled,
} from "../logic/filters.js";
import { dueAt, isEnd } from "../logic/request.js";
import { requestLink } from "../logic/route.js";
import { fromInput, inputValue } from "../logic/time.js";
import { Heading, Pending, Status, Time, Updated } from "../parts/small.jsx";
import { api, now, zone } from "../session.js";
import { useStore } from "../store.js";

const PAGE = 50;

/** Lists that are looked at often. */
const SHORTCUTS = [
  ["Due", { by: "due", status: "scheduled" }],
  ["Running", { status: "running" }],
  ["Failed, last day", { by: "ended", status: "failed", from: "-24h", to: "now" }],
  ["Ended, last hour", { by: "ended", from: "-1h", to: "now" }],
  ["All", {}],
];

export function Requests({ params }) {
  const filters = parseFilters(params);
  const link = filtersLink(filters);
  const [isLive, setLive] = useState(true);
  const load = (signal) => api.requests(apiQuery(filters, now(), PAGE), signal);
  const live = useLive(load, isLive ? 5_000 : 0, [link, isLive], { byEvents: isLive });
  const go = (next) => {
    location.hash = filtersLink(next);
  };
  return (
    <>
      <div class="view-head">
        <Heading>Requests</Heading>
        <Updated at={live.at} />
        <label class="check">
          <input type="checkbox" checked={isLive} onChange={(event) => setLive(event.currentTarget.checked)} /> Live
        </label>
        <OpenById />
      </div>
      <nav class="shortcuts" aria-label="Lists">
        {SHORTCUTS.map(([text, some]) => {
          const target = filtersLink(some);
          return (
            <a key={text} href={target} aria-current={target === filtersLink({ ...filters, cursor: "" }) ? "true" : undefined}>
              {text}
            </a>
          );
        })}
      </nav>
      <Filters filters={filters} onChange={go} />
      <Pending live={live}>
        {(answer) => (
          <>
            <Table answer={answer} by={filters.by} />
            <Pages filters={filters} answer={answer} />
          </>
        )}
      </Pending>
    </>
  );
}

function OpenById() {
  const submit = (event) => {
    event.preventDefault();
    const id = new FormData(event.currentTarget).get("id").trim();
    if (id !== "") {
      location.hash = requestLink(id);
    }
  };
  return (
    <form class="by-id" role="search" onSubmit={submit}>
      <input name="id" aria-label="Correlation id" placeholder="Open by correlation id" spellcheck={false} autocomplete="off" />
      <button type="submit">Open</button>
    </form>
  );
}

const BY = [
  ["trigger", "Planned for"],
  ["due", "Due"],
  ["ended", "Ended"],
];

function Filters({ filters, onChange }) {
  const shownZone = useStore(zone);
  const useCases = useLive((signal) => api.useCases(signal), 60_000, [], { byEvents: false });
  const [isCustom, setCustom] = useState(rangeOf(filters) === "custom");
  const [wrong, setWrong] = useState(null);
  const label = useRef(null);
  const link = filtersLink(filters);
  useEffect(() => setCustom((old) => (rangeOf(filters) === "any" ? old : rangeOf(filters) === "custom")), [link]);

  const set = (change) => onChange(settled({ ...filters, ...change, cursor: "" }));
  const setStatus = (status) => {
    const by = filters.by === "due" && status === "scheduled" ? "due" : filters.by;
    set({ status, by });
  };
  // The chosen time wins over a status that does not go with it.
  const setBy = (by) => {
    const next = { ...filters, by, cursor: "" };
    onChange(settled(next).by === by ? next : { ...next, status: "" });
  };
  const setRange = (name) => {
    const range = RANGES.find(([known]) => known === name);
    setCustom(range === undefined);
    if (range) {
      set({ from: range[2], to: range[3] });
    }
  };
  const setBound = (bound, value) => {
    const at = fromInput(value, shownZone);
    set({ [bound]: at === null ? "" : new Date(at).toISOString() });
  };
  const addLabel = (event) => {
    event.preventDefault();
    const parsed = parseLabel(label.current.value);
    if (parsed === null) {
      setWrong("Write a label as name=value.");
      return;
    }
    setWrong(null);
    label.current.value = "";
    set({ labels: [...filters.labels.filter(([name]) => name !== parsed[0]), parsed] });
  };
  const shownBound = (text) => (text === "" ? "" : inputValue(Date.parse(resolveTime(text, now())), shownZone));
  const names = (useCases.data ?? []).map(({ name }) => name);
  const known = filters.useCase === "" || names.includes(filters.useCase) ? names : [filters.useCase, ...names];

  return (
    <section class="filters" aria-label="Filters">
      <Field label="Use case" id="f-use-case">
        <select id="f-use-case" value={filters.useCase} onChange={(event) => set({ useCase: event.currentTarget.value })}>
          <option value="">any</option>
          {known.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </Field>
      <Field label="Status" id="f-status">
        <select id="f-status" value={filters.status} onChange={(event) => setStatus(event.currentTarget.value)}>
          <option value="">any</option>
          {STATUSES.map((status) => (
            <option key={status}>{status}</option>
          ))}
        </select>
      </Field>
      <Field label="Time and order" id="f-by">
        <select id="f-by" value={filters.by} onChange={(event) => setBy(event.currentTarget.value)}>
          {BY.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </Field>
      <Field label="Range" id="f-range">
        <select id="f-range" value={isCustom ? "custom" : rangeOf(filters)} onChange={(event) => setRange(event.currentTarget.value)}>
          {RANGES.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
          <option value="custom">from … to …</option>
        </select>
      </Field>
      {isCustom &&
        [
          ["from", "From"],
          ["to", "Before"],
        ].map(([bound, text]) => (
          <Field key={bound} label={`${text} (${shownZone === "utc" ? "UTC" : "local"})`} id={`f-${bound}`}>
            <input
              id={`f-${bound}`}
              type="datetime-local"
              step="1"
              value={shownBound(filters[bound])}
              onChange={(event) => setBound(bound, event.currentTarget.value)}
            />
          </Field>
        ))}
      {filters.labels.length < MAX_LABELS && (
        <form class="field" onSubmit={addLabel}>
          <label for="f-label">Label</label>
          <span class="joined">
            <input id="f-label" ref={label} placeholder="name=value" spellcheck={false} autocomplete="off" aria-describedby="f-wrong" />
            <button type="submit" aria-label="Add label">
              Add
            </button>
          </span>
        </form>
      )}
      <p id="f-wrong" class="problem" role="alert">
        {wrong}
      </p>
      {filters.labels.length > 0 && (
        <ul class="chips" aria-label="Labels">
          {filters.labels.map(([name, value]) => (
            <li key={name}>
              {name}={value}
              <button
                type="button"
                class="quiet"
                aria-label={`Remove label ${name}=${value}`}
                onClick={() => set({ labels: filters.labels.filter(([other]) => other !== name) })}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      {link !== filtersLink(EMPTY) && (
        <a class="clear" href={filtersLink(EMPTY)}>
          Clear
        </a>
      )}
    </section>
  );
}

function Field({ label, id, children }) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children}
    </div>
  );
}

/** The columns' headings; the one of the time says by which time the list is ordered. */
function headings(by) {
  return [by === "ended" ? "Ended" : by === "due" ? "Due" : "Planned for", "Use case", "Target", "Status", "Attempts", "Notes"];
}

function Table({ answer: { requests, nextCursor, onlyOwner }, by }) {
  const before = useRef(new Map());
  const changed = requests.filter(({ correlationId: id, status }) => before.current.has(id) && before.current.get(id) !== status);
  const flashing = new Set(changed.map(({ correlationId }) => correlationId));
  useEffect(() => {
    before.current = new Map(requests.map(({ correlationId, status }) => [correlationId, status]));
  }, [requests]);
  if (requests.length === 0) {
    return <p class="empty">{nextCursor ? "Nothing matches in this part of the list. The next page goes on." : "No request matches."}</p>;
  }
  const [time, ...others] = headings(by);
  return (
    <>
      {onlyOwner && <p class="muted">Only requests of {onlyOwner}: this key sees its own.</p>}
      {/* The roles survive the styles of a narrow window, where the table is no table any more. */}
      <table class="requests" role="table" aria-label="Requests">
        <thead role="rowgroup">
          <tr role="row">
            {[time, ...others].map((text) => (
              <th key={text} role="columnheader" scope="col">
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {requests.map((request) => (
            <Row key={request.correlationId} request={request} by={by} isFlashing={flashing.has(request.correlationId)} />
          ))}
        </tbody>
      </table>
    </>
  );
}

function Row({ request, by, isFlashing }) {
  const { correlationId, useCase, target, status, attempts, failure, waitsFor, labels = {}, erasedAt } = request;
  const at =
    by === "ended" && request.finishedAt ? Date.parse(request.finishedAt) : by === "due" ? dueAt(request) : Date.parse(request.triggerAt);
  return (
    <tr role="row" class={isFlashing ? "flash" : undefined}>
      <td role="cell" class="when">
        <a href={requestLink(correlationId)}>
          <Time at={at} />
          <span class="hidden">, request {correlationId}</span>
        </a>
      </td>
      <td role="cell">{useCase}</td>
      <td role="cell">
        <code>{target}</code>
      </td>
      <td role="cell">
        <Status status={status} isErased={Boolean(erasedAt)} />
      </td>
      <td role="cell" class="number" data-label="attempts">
        {attempts}
      </td>
      <td role="cell" class="notes">
        {waitsFor && <span class="warn-text">waits for {waitsFor}</span>}
        {failure && !waitsFor && <span class={isEnd(status) ? "bad-text" : "warn-text"}>{failure}</span>}
        {Object.entries(labels).map(([name, value]) => (
          <span key={name} class="label">
            {name}={String(value)}
          </span>
        ))}
      </td>
    </tr>
  );
}

/** The cursor of the page before each page that was opened by "Next page". The API only goes forward. */
const before = new Map();

function Pages({ filters, answer }) {
  const page = (cursor) => filtersLink({ ...filters, cursor });
  const next = answer.nextCursor;
  return (
    <nav class="pages" aria-label="Pages">
      {filters.cursor !== "" && <a href={page("")}>First page</a>}
      {before.has(filters.cursor) && <a href={page(before.get(filters.cursor))}>Previous page</a>}
      {next && (
        <a href={page(next)} onClick={() => before.set(next, filters.cursor)}>
          Next page
        </a>
      )}
      {!answer.nextCursor && answer.requests.length > 0 && <span class="muted">End of the list</span>}
    </nav>
  );
}
