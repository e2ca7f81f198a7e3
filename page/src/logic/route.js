/**
 * Reads the part of the address behind `#`. Routes live there, so that the page works below any base path.
 * Returns the view, the id of the request for the view `request`, the name for the view `use-case`, and the query.
 */
export function parseRoute(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?", 2);
  const params = new URLSearchParams(query);
  const segments = path.split("/").filter(Boolean);
  if (segments.length === 0) {
    return { view: "overview", params };
  }
  if (segments[0] === "requests" && segments.length === 1) {
    return { view: "requests", params };
  }
  if (segments[0] === "requests" && segments.length === 2) {
    return { view: "request", id: decode(segments[1]), params };
  }
  if (segments[0] === "use-cases" && segments.length === 1) {
    return { view: "use-cases", params };
  }
  if (segments[0] === "use-cases" && segments.length === 2) {
    return { view: "use-case", name: decode(segments[1]), params };
  }
  if (segments[0] === "dead-letters" && segments.length === 1) {
    return { view: "dead-letters", params };
  }
  return { view: "unknown", params };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Returns the link to one request. */
export function requestLink(id) {
  return `#/requests/${encodeURIComponent(id)}`;
}

/** Returns the link to one use case. */
export function useCaseLink(name) {
  return `#/use-cases/${encodeURIComponent(name)}`;
}
