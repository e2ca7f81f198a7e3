/** Pages of [walk], at most. */
export const MAX_PAGES = 4;

/** Reads a list page by page, at most [MAX_PAGES]. `isCut` says that there are more. */
export async function walk(list, query) {
  const requests = [];
  let cursor = null;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await list([...query, ["limit", "500"], ...(cursor ? [["cursor", cursor]] : [])]);
    requests.push(...answer.requests);
    cursor = answer.nextCursor;
    if (!cursor) {
      return { requests, isCut: false };
    }
  }
  return { requests, isCut: true };
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
