// A small Postdate for the tests: the calls of the API that the page makes, over requests in memory, and the page itself at `/ui/`.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const TYPES = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};
const ENDS = ["succeeded", "failed", "cancelled", "expired"];
const PARAMETERS = ["useCase", "status", "from", "to", "dueFrom", "dueTo", "endedFrom", "endedTo", "cursor", "limit"];

/** Starts a server for the page in the directory `page`. The fields of what it returns are its state, and can be changed. */
export async function startFake({ page, base = "" }) {
  const fake = {
    requests: [],
    useCases: [],
    /** By name: members that `GET /use-cases/{name}` has beside those of the list, for the scope `deploy`. */
    grants: {},
    /** Answers of `GET /use-cases/{name}/versions` by name, without `useCase`. */
    versions: {},
    /** Dead letters; null for a server, which has none. */
    deadLetters: null,
    /** Whether the dead letters can be sent again. */
    canRedrive: true,
    /** The API key; null for a server without keys. */
    key: null,
    /** Scopes of the key. */
    scopes: ["submit", "read", "change", "deploy", "operate"],
    metrics: null,
    hasEvents: false,
    /** What `GET /health` says of the ledger. */
    ledger: {},
    /** The problem with which every call but `GET /health` fails; null for none. */
    fails: null,
    /** Calls that were made: method and path with query. */
    calls: [],
    streams: new Set(),
    add: (request) => add(fake, request),
    /** Changes a request, with a line of history. */
    change(request, event, status, more = {}) {
      const { detail, ...members } = more;
      Object.assign(request, { status, ...members });
      request.history.push({ at: iso(Date.now()), event, status, attempt: request.attempts, ...(detail ? { detail } : {}) });
      for (const stream of fake.streams) {
        stream.write(`event: request\ndata: ${JSON.stringify(summary(request))}\n\n`);
      }
    },
    async start() {
      server = createServer((request, response) => answer(fake, page, base, request, response));
      await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
      port = server.address().port;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  let server = null;
  let port = 0;
  await fake.start();
  fake.url = `http://127.0.0.1:${port}${base}/ui/`;
  return fake;
}

function iso(at) {
  return new Date(at).toISOString();
}

/** Adds a request with what it does not name. Times are in milliseconds from now. */
function add(fake, { at = 0, status = "scheduled", ended, events = [], body = '{"order":7}', ...more }) {
  const now = Date.now();
  const received = now + Math.min(at, 0) - 3_600_000;
  const request = {
    correlationId: uuid(received),
    useCase: "orders",
    target: "warehouse",
    status,
    triggerAt: iso(now + at),
    receivedAt: iso(received),
    version: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    attempts: 0,
    ...(ended === undefined ? {} : { finishedAt: iso(now + ended) }),
    ...more,
    history: [{ at: iso(received), event: "accepted", status: "scheduled", attempt: 0, by: "shop" }],
    body,
  };
  for (const [offset, event, status, attempt, detail] of events) {
    request.history.push({ at: iso(now + offset), event, status, attempt, ...(detail ? { detail } : {}) });
  }
  fake.requests.push(request);
  return request;
}

function uuid(at) {
  const hex =
    at.toString(16).padStart(12, "0") +
    "7" +
    randomBytes(8).toString("hex").slice(0, 3) +
    "a" +
    randomBytes(8).toString("hex").slice(0, 15);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

async function answer(fake, page, base, request, response) {
  const url = new URL(request.url, "http://fake");
  if (!url.pathname.startsWith(`${base}/`)) {
    return problem(response, 404, "not-found", "below another path");
  }
  const path = url.pathname.slice(base.length);
  if (path.startsWith("/ui/")) {
    return file(page, path.slice("/ui/".length) || "index.html", response);
  }
  fake.calls.push(`${request.method} ${path}${url.search}`);
  const segments = path.split("/").slice(1).map(decodeURIComponent);
  const given = request.headers.authorization;
  if (fake.key !== null && path !== "/health" && given !== `Bearer ${fake.key}`) {
    return problem(response, 401, "unauthorized", given ? "the API key is wrong" : "the call has no API key");
  }
  if (fake.fails !== null && path !== "/health") {
    return problem(response, fake.fails.status, fake.fails.code, fake.fails.detail);
  }
  let body = "";
  for await (const piece of request) {
    body += piece;
  }
  try {
    await route(fake, request.method, segments, url.searchParams, body, response);
  } catch (error) {
    if (!(error instanceof Refused)) {
      throw error;
    }
    problem(response, error.status, error.code, error.message, error.members);
  }
}

class Refused extends Error {
  constructor(status, code, detail, members = {}) {
    super(detail);
    Object.assign(this, { status, code, members });
  }
}

async function file(page, name, response) {
  try {
    const bytes = await readFile(join(page, name));
    response.writeHead(200, {
      "content-type": TYPES[name.split(".").pop()] ?? "text/plain; charset=utf-8",
      "content-security-policy": CSP,
    });
    response.end(bytes);
  } catch {
    problem(response, 404, "not-found", `there is no file ${name}`);
  }
}

function json(response, status, value) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(typeof value === "string" ? value : JSON.stringify(value));
}

function problem(response, status, code, detail, members = {}) {
  response.writeHead(status, { "content-type": "application/problem+json" });
  response.end(JSON.stringify({ title: "Error", status, code, detail, ...members }));
}

function need(fake, scope) {
  if (!fake.scopes.includes(scope)) {
    throw new Refused(403, "missing-scope", `the caller lacks the scope "${scope}", which this call needs`, { scope });
  }
}

async function route(fake, method, segments, params, body, response) {
  const call = `${method} ${segments.map((segment, index) => (index === 1 ? "*" : segment)).join("/")}`;
  switch (call) {
    case "GET health":
      if (fake.ledger.refuses) {
        throw new Refused(503, "unhealthy", "no new requests are taken", { ledger: fake.ledger });
      }
      return json(response, 200, { status: "ok", version: "0.1.0", brokenUseCases: [], loadingUseCases: [], ledger: fake.ledger });
    case "GET metrics":
      if (fake.metrics === null) {
        throw new Refused(404, "not-found", "the API has no path /metrics");
      }
      need(fake, "operate");
      response.writeHead(200, { "content-type": "application/openmetrics-text; version=1.0.0; charset=utf-8" });
      return response.end(fake.metrics());
    case "GET events":
      if (!fake.hasEvents) {
        throw new Refused(404, "not-found", "the API has no path /events");
      }
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(": hello\n\n");
      fake.streams.add(response);
      return response.on("close", () => fake.streams.delete(response));
    case "GET use-cases":
      need(fake, "read");
      return json(response, 200, { useCases: fake.useCases });
    case "GET use-cases/*": {
      need(fake, "read");
      const useCase = known(fake, segments[1]);
      const sees = fake.scopes.includes("deploy") || fake.scopes.includes("operate");
      return json(response, 200, { ...useCase, ...(sees ? fake.grants[useCase.name] : {}) });
    }
    case "GET use-cases/*/versions":
      need(fake, "read");
      return json(response, 200, { useCase: known(fake, segments[1]).name, ...(fake.versions[segments[1]] ?? { versions: [] }) });
    case "POST use-cases/*/rollback":
      need(fake, "deploy");
      return json(response, 200, rollBack(fake, segments[1], JSON.parse(body).version));
    case "HEAD dead-letters":
    case "GET dead-letters":
      lettersOf(fake);
      return json(response, 200, { deadLetters: fake.deadLetters, canRedrive: fake.canRedrive, isComplete: fake.deadLetters.length < 200 });
    case "DELETE dead-letters/*":
      return json(response, 200, { deleted: takeLetters(fake, segments[1]), isComplete: true });
    case "POST dead-letters/*/redrive":
      return json(response, 200, { sent: takeLetters(fake, segments[1]), left: 0 });
    case "GET requests":
      need(fake, "read");
      return json(response, 200, list(fake, params));
    case "GET requests/*":
      need(fake, "read");
      return json(response, 200, await waited(fake, find(fake, segments[1]), params.get("wait")));
    case "GET requests/*/body": {
      const request = find(fake, segments[1]);
      if (request.erasedAt) {
        throw new Refused(410, "erased", "the body of the request was erased");
      }
      return json(response, 200, request.body);
    }
    case "PATCH requests/*":
      return json(response, 200, move(fake, find(fake, segments[1]), JSON.parse(body)));
    case "DELETE requests/*": {
      need(fake, "change");
      const request = scheduled(find(fake, segments[1]));
      fake.change(request, "cancelled", "cancelled", { finishedAt: iso(Date.now()) });
      return json(response, 200, summary(request));
    }
    case "POST requests/*/retry": {
      need(fake, "change");
      const request = find(fake, segments[1]);
      if (!["failed", "expired"].includes(request.status)) {
        throw new Refused(
          409,
          "not-failed",
          `the request is ${request.status}: only a request that failed, expired or is held can be retried`,
        );
      }
      fake.change(request, "retried", "scheduled", { finishedAt: undefined, nextAttemptAt: iso(Date.now()) });
      return json(response, 202, summary(request));
    }
    case "POST requests/*/erase": {
      need(fake, "change");
      const request = find(fake, segments[1]);
      const status = request.status === "scheduled" ? "cancelled" : request.status;
      request.history.forEach((line) => delete line.detail);
      fake.change(request, "erased", status, { erasedAt: iso(Date.now()), result: undefined, failure: undefined, labels: undefined });
      return json(response, 200, summary(request));
    }
    case "POST use-cases/*/pause":
    case "POST use-cases/*/resume":
      need(fake, "deploy");
      return json(response, 200, pause(fake, segments[1], segments[2], body === "" ? {} : JSON.parse(body)));
    default:
      throw new Refused(404, "not-found", `the API has no path /${segments.join("/")}`);
  }
}

function find(fake, id) {
  const found = fake.requests.find(({ correlationId }) => correlationId === id);
  if (!found) {
    throw new Refused(404, "unknown-request", `there is no request ${id}`);
  }
  return found;
}

function scheduled(request) {
  if (request.status !== "scheduled") {
    throw new Refused(409, "not-scheduled", `the request is ${request.status}: it is no longer scheduled`, {
      requestStatus: request.status,
    });
  }
  return request;
}

function summary({ history, body, ...request }) {
  return { ...request, links: { self: `/requests/${request.correlationId}` } };
}

/** Returns the document as text: a result that is JSON is part of it byte for byte. */
function full({ body, result, ...request }) {
  const text = JSON.stringify({ ...request, links: { self: `/requests/${request.correlationId}` } });
  return result === undefined ? text : `${text.slice(0, -1)},"result":${/^[{[]/.test(result) ? result : JSON.stringify(result)}}`;
}

async function waited(fake, request, wait) {
  const end = Date.now() + Number.parseInt(wait ?? "0", 10) * 1_000;
  while (!ENDS.includes(request.status) && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return full(request);
}

function list(fake, params) {
  for (const name of params.keys()) {
    if (!PARAMETERS.includes(name) && !name.startsWith("label.")) {
      throw new Refused(400, "bad-query", `query parameter "${name}": is unknown`, { parameter: name });
    }
  }
  const get = (name) => params.get(name);
  const orders = [
    ["from", "to"],
    ["dueFrom", "dueTo"],
    ["endedFrom", "endedTo"],
  ].map(([from, to]) => Boolean(get(from) ?? get(to)));
  if (orders.filter(Boolean).length > 1) {
    throw new Refused(400, "bad-query", "ranges of two times cannot be combined");
  }
  const [, byDue, byEnd] = orders;
  if (byDue && (get("status") ?? "scheduled") !== "scheduled") {
    throw new Refused(400, "bad-query", "status must be scheduled beside dueFrom and dueTo");
  }
  if (byEnd && get("status") !== null && !ENDS.includes(get("status"))) {
    throw new Refused(400, "bad-query", "status must be that of an end beside endedFrom and endedTo");
  }
  const time = (request) =>
    Date.parse(byEnd ? request.finishedAt : byDue ? (request.nextAttemptAt ?? request.triggerAt) : request.triggerAt);
  const from = get("from") ?? get("dueFrom") ?? get("endedFrom");
  const to = get("to") ?? get("dueTo") ?? get("endedTo");
  const labels = [...params].filter(([name]) => name.startsWith("label.")).map(([name, value]) => [name.slice(6), value]);
  const matching = fake.requests
    .filter((request) => !byDue || request.status === "scheduled")
    .filter((request) => !byEnd || request.finishedAt)
    .filter((request) => get("useCase") === null || request.useCase === get("useCase"))
    .filter((request) => get("status") === null || request.status === get("status"))
    .filter((request) => from === null || time(request) >= Date.parse(from))
    .filter((request) => to === null || time(request) < Date.parse(to))
    .filter((request) => labels.every(([name, value]) => request.labels?.[name] === value))
    .sort((a, b) => time(a) - time(b));
  const limit = Number(get("limit") ?? 50);
  const start = Number(get("cursor") ?? 0);
  const page = matching.slice(start, start + limit).map(({ result, ...request }) => summary(request));
  return { requests: page, ...(start + limit < matching.length ? { nextCursor: String(start + limit) } : {}) };
}

function move(fake, request, { triggerAt, delay }) {
  need(fake, "change");
  scheduled(request);
  const at = delay ? Date.now() + Number(/^PT(\d+)M$/.exec(delay)[1]) * 60_000 : Date.parse(triggerAt);
  if (at < Date.now()) {
    throw new Refused(422, "trigger-in-past", `${iso(at)} has passed`);
  }
  if (at > Date.now() + 30 * 86_400_000) {
    throw new Refused(422, "rejected", "the validator rejected the request", {
      problems: [{ pointer: "/triggerAt", code: "too-far", message: "the shop closes before that" }],
    });
  }
  fake.change(request, "moved", "scheduled", { triggerAt: iso(at), detail: `to ${iso(at)}` });
  return summary(request);
}

function known(fake, name) {
  const useCase = fake.useCases.find((useCase) => useCase.name === name);
  if (!useCase) {
    throw new Refused(404, "unknown-use-case", `there is no use case "${name}"`);
  }
  return useCase;
}

function rollBack(fake, name, to) {
  const useCase = known(fake, name);
  const former = useCase.version;
  for (const version of fake.versions[name].versions) {
    const isIt = version.version === to;
    Object.assign(version, { serves: isIt, isCurrent: isIt });
  }
  useCase.version = to;
  return { useCase: name, version: to, former };
}

function lettersOf(fake) {
  if (fake.deadLetters === null) {
    throw new Refused(404, "not-found", "the API has no path /dead-letters");
  }
  return fake.deadLetters;
}

/** Removes the letters of a request, or the one with this message id. Returns how many there were. */
function takeLetters(fake, id) {
  const left = lettersOf(fake).filter(({ correlationId, messageId }) => correlationId !== id && messageId !== id);
  const taken = fake.deadLetters.length - left.length;
  if (taken === 0) {
    throw new Refused(404, "unknown-dead-letter", `none of the ${left.length} messages read is of request ${id}, or has this id`);
  }
  fake.deadLetters = left;
  return taken;
}

function pause(fake, name, act, { target, until }) {
  const useCase = known(fake, name);
  const others = (useCase.paused ?? []).filter((pause) => pause.target !== target);
  if (act === "pause") {
    useCase.paused = [...others, { since: iso(Date.now()), ...(target ? { target } : {}), ...(until ? { until } : {}), by: "ops" }];
  } else {
    useCase.paused = target ? others : [];
  }
  return { useCase: name, paused: useCase.paused };
}
