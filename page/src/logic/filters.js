// Filters of the list of requests: as the address holds them, as the API takes them, and as the form shows them.

export const STATUSES = ["scheduled", "running", "succeeded", "failed", "cancelled", "expired"];
const ENDS = ["succeeded", "failed", "cancelled", "expired"];

/** Labels in one query, at most: the API's limit. */
export const MAX_LABELS = 5;

/** Parameters of the API for each time by which a list is ordered. */
const BOUNDS = { trigger: ["from", "to"], due: ["dueFrom", "dueTo"], ended: ["endedFrom", "endedTo"] };

export const EMPTY = { useCase: "", status: "", by: "trigger", from: "", to: "", labels: [], cursor: "" };

/** Ranges that the form offers: name, and bounds relative to now. */
export const RANGES = [
  ["any", "any time", "", ""],
  ["-1h", "the last hour", "-1h", "now"],
  ["-24h", "the last day", "-24h", "now"],
  ["-7d", "the last 7 days", "-7d", "now"],
  ["+1h", "the next hour", "now", "+1h"],
  ["+24h", "the next day", "now", "+24h"],
  ["+7d", "the next 7 days", "now", "+7d"],
];

/** Reads filters from the query of a route. Drops what is not known, so that an old link still opens. */
export function parseFilters(params) {
  const by = params.get("by") ?? "trigger";
  const status = params.get("status") ?? "";
  return settled({
    useCase: params.get("useCase") ?? "",
    status: STATUSES.includes(status) ? status : "",
    by: by in BOUNDS ? by : "trigger",
    from: bound(params.get("from")),
    to: bound(params.get("to")),
    labels: [...params]
      .filter(([name, value]) => name.startsWith("label.") && name.length > "label.".length && value !== "")
      .map(([name, value]) => [name.slice("label.".length), value])
      .slice(0, MAX_LABELS),
    cursor: params.get("cursor") ?? "",
  });
}

function bound(text) {
  return text !== null && resolveTime(text, 0) !== null ? text : "";
}

/** Returns filters that the API takes together: only scheduled requests are due, and only ended ones have ended. */
export function settled(filters) {
  const { status, by } = filters;
  const isRefused =
    (by === "due" && status !== "" && status !== "scheduled") || (by === "ended" && status !== "" && !ENDS.includes(status));
  return isRefused ? { ...filters, by: "trigger" } : filters;
}

/** Returns the link of a list with these filters. */
export function filtersLink(filters) {
  const params = new URLSearchParams();
  const { useCase, status, by, from, to, labels, cursor } = { ...EMPTY, ...filters };
  const given = { useCase, status, by: by === "trigger" ? "" : by, from, to };
  for (const [name, value] of Object.entries(given)) {
    if (value !== "") {
      params.append(name, value);
    }
  }
  for (const [name, value] of labels) {
    params.append(`label.${name}`, value);
  }
  if (cursor !== "") {
    params.append("cursor", cursor);
  }
  const query = params.toString();
  return `#/requests${query === "" ? "" : `?${query}`}`;
}

/** Returns the API's query for these filters, as names and values. `now` is in milliseconds. */
export function apiQuery(filters, now, limit) {
  const { useCase, status, by, from, to, labels, cursor } = filters;
  const [fromName, toName] = BOUNDS[by];
  const query = [];
  const add = (name, value) => value !== "" && value !== null && query.push([name, value]);
  add("useCase", useCase);
  add("status", status);
  // A bound is what chooses the order of the list.
  const start = from === "" && to === "" && by !== "trigger" ? new Date(0).toISOString() : resolveTime(from, now);
  add(fromName, start);
  add(toName, resolveTime(to, now));
  for (const [name, value] of labels) {
    add(`label.${name}`, value);
  }
  add("cursor", cursor);
  add("limit", String(limit));
  return query;
}

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Returns a bound as RFC 3339: itself, or relative to now, as `now`, `-24h` or `+7d`. Returns null for any other text. */
export function resolveTime(text, now) {
  if (text === "") {
    return null;
  }
  if (text === "now") {
    return new Date(now).toISOString();
  }
  const relative = /^([+-])(\d{1,6})([smhd])$/.exec(text);
  if (relative) {
    const [, sign, number, unit] = relative;
    return new Date(now + (sign === "-" ? -1 : 1) * Number(number) * UNITS[unit]).toISOString();
  }
  const at = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : new Date(at).toISOString();
}

/** Returns the name of the range in [RANGES]; `custom` for any other. */
export function rangeOf({ from, to }) {
  return RANGES.find(([, , first, last]) => from === first && to === last)?.[0] ?? "custom";
}

/** Reads a label from the form: `name=value`. Returns null for any other text. */
export function parseLabel(text) {
  const at = text.indexOf("=");
  const [name, value] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  return at > 0 && name !== "" && value !== "" ? [name, value] : null;
}
