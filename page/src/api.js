/** Time for an answer, in milliseconds. */
const TIMEOUT = 20_000;
/** The same for what may compile plugins, and for what reads a queue from its beginning to its end. */
const LONG = 600_000;
const LETTERS = 120_000;

/** An error answer of the API: RFC 9457, or any other answer that is no success. */
export class Problem extends Error {
  constructor(status, { code = null, detail = null, ...members } = {}) {
    super(detail ?? `the server answered with status ${status}`);
    Object.assign(this, { name: "Problem", status, code, members });
  }
}

/** The server cannot be reached, or a proxy says so. */
export class Away extends Error {
  name = "Away";
}

/**
 * Makes a client of the public API. `base` is its URL, `key` a store with the API key or null. The client calls `hooks.onAnswer` with
 * the server's time at each answer, `onAway` with the reason where there is none, and `onRefused` where a key is missing or refused.
 */
export function makeApi(base, key, hooks, send = (...args) => fetch(...args)) {
  async function open(method, path, { query = [], body, signal, headers = {}, timeout = TIMEOUT } = {}) {
    const url = new URL(path, base);
    url.search = new URLSearchParams(query).toString();
    const used = key.get();
    const options = { method, headers: { ...headers }, cache: "no-store", credentials: "same-origin", redirect: "error" };
    if (used !== null) {
      options.headers.authorization = `Bearer ${used}`;
    }
    if (body !== undefined) {
      options.headers["content-type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    const signals = [signal, timeout === null ? null : AbortSignal.timeout(timeout)].filter(Boolean);
    options.signal = AbortSignal.any(signals);
    let response;
    try {
      response = await send(url, options);
    } catch (error) {
      throw away(signal, error);
    }
    const isProxy = response.status === 502 || response.status === 504 || (response.status === 503 && !isJson(response));
    if (isProxy) {
      throw away(signal, new Error(`a proxy answered with status ${response.status}`));
    }
    hooks.onAnswer(response.headers.get("date"));
    if (!response.ok) {
      const problem = new Problem(response.status, isJson(response) && method !== "HEAD" ? await text(response, signal).then(parsed) : {});
      // A call with a former key says nothing about the one that has been typed since.
      if (response.status === 401 && key.get() === used) {
        hooks.onRefused(used === null ? null : problem.message);
      }
      throw problem;
    }
    return response;
  }

  async function text(response, signal) {
    try {
      return await response.text();
    } catch (error) {
      throw away(signal, error);
    }
  }

  function away(signal, error) {
    if (signal?.aborted) {
      return error;
    }
    const reason = error.name === "TimeoutError" ? "it did not answer in time" : "it cannot be reached";
    hooks.onAway(reason);
    return new Away(reason, { cause: error });
  }

  const get = async (path, options) => text(await open("GET", path, options), options?.signal);
  const json = async (path, options) => parsed(await get(path, options));
  const change = async (method, path, body, timeout) => parsed(await text(await open(method, path, { body, timeout })));
  const request = (id) => `requests/${encodeURIComponent(id)}`;
  const useCase = (name) => `use-cases/${encodeURIComponent(name)}`;
  const letter = (id) => `dead-letters/${encodeURIComponent(id)}`;

  return {
    health: (signal) => json("health", { signal, timeout: 5_000 }),
    useCases: (signal) => json("use-cases", { signal }).then((answer) => answer.useCases),
    useCase: (name, signal) => json(useCase(name), { signal }),
    versions: (name, signal) => json(`${useCase(name)}/versions`, { signal }),
    metrics: (signal) => get("metrics", { signal }),
    requests: (query, signal) => json("requests", { query, signal }),
    /** Returns the document as text. `wait` lets the call wait for the request's end, for so many seconds. */
    request: (id, wait, signal) =>
      get(request(id), { signal, query: wait > 0 ? [["wait", `${wait}s`]] : [], timeout: TIMEOUT + wait * 1_000 }),
    body: (id, signal) => get(`${request(id)}/body`, { signal }),
    /** Opens the stream of server-sent events. */
    events: (signal) => open("GET", "events", { signal, headers: { accept: "text/event-stream" }, timeout: null }),
    move: (id, to) => change("PATCH", request(id), to),
    cancel: (id) => change("DELETE", request(id)),
    retry: (id) => change("POST", `${request(id)}/retry`),
    erase: (id) => change("POST", `${request(id)}/erase`),
    pause: (name, what) => change("POST", `${useCase(name)}/pause`, what),
    resume: (name, what) => change("POST", `${useCase(name)}/resume`, what),
    rollBack: (name, version) => change("POST", `${useCase(name)}/rollback`, { version }, LONG),
    /** Fails with a `Problem` where the API has no dead letters: only `postdate ui` has, if it knows their queue. */
    findDeadLetters: (signal) => open("HEAD", "dead-letters", { signal }),
    deadLetters: (signal) => json("dead-letters", { signal, timeout: LETTERS }),
    redrive: (id) => change("POST", `${letter(id)}/redrive`, undefined, LETTERS),
    deleteLetters: (id) => change("DELETE", letter(id), undefined, LETTERS),
  };
}

function isJson(response) {
  return /^application\/(?:[\w.-]+\+)?json\b/.test(response.headers.get("content-type") ?? "");
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem(200, { code: null, detail: "the server's answer is no JSON: is this a Postdate?" });
  }
}
