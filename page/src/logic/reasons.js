import { DAY, HOUR } from "./time.js";

/** Spans of time of which the widest is taken that fits on one page: name and length. */
const SPANS = [
  ["day", DAY],
  ["hour", HOUR],
  ["5 minutes", HOUR / 12],
];

/**
 * Returns the requests that have failed or expired of late. The API lists the oldest end first, so a day with too many for a page says
 * little about now: a shorter span follows. `span` names the one that was taken; `isCut` says that even the shortest has more.
 */
export async function recentFailures(list, now) {
  let taken = null;
  for (const [span, length] of SPANS) {
    const from = new Date(now - length).toISOString();
    const page = (status) =>
      list([
        ["status", status],
        ["endedFrom", from],
        ["limit", "500"],
      ]);
    const pages = await Promise.all([page("failed"), page("expired")]);
    const isCut = pages.some(({ nextCursor }) => nextCursor);
    taken = { span, isCut, requests: pages.flatMap(({ requests }) => requests) };
    if (!isCut) {
      break;
    }
  }
  return taken;
}

const VARYING = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, "…"],
  [/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?/g, "…"],
  [/\b\d{2}:\d{2}:\d{2}Z?/g, "…"],
  [/\b[0-9a-f]{16,}\b/gi, "…"],
  [/\d{5,}/g, "…"],
  [/[,;]? ?\b(attempt|retry) \d+ of \d+/g, ""],
];

/** Returns a failure without what differs from request to request: ids, times and long numbers. Cuts it after its first line. */
export function reasonOf(failure) {
  const line = (failure ?? "").split("\n", 1)[0].trim();
  const same = VARYING.reduce((text, [pattern, to]) => text.replace(pattern, to), line);
  const letters = [...(same || "no reason was recorded")];
  return letters.length > 160 ? `${letters.slice(0, 159).join("")}…` : letters.join("");
}

/** Groups requests by the text that `textOf` returns, and by use case. Most frequent first; `last` is the last of the list. */
export function groupBy(requests, textOf) {
  const groups = new Map();
  for (const request of requests) {
    const text = textOf(request);
    const key = `${request.useCase}\n${text}`;
    const group = groups.get(key) ?? { text, useCase: request.useCase, count: 0, first: request };
    groups.set(key, { ...group, count: group.count + 1, last: request });
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}
