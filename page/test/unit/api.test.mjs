import assert from "node:assert/strict";
import { test } from "node:test";
import { Away, Problem, makeApi } from "../../src/api.js";

/** Makes a client whose server answers with what `answers` returns, and records the calls and what the hooks are told. */
function clientOf(answer, key = null) {
  const told = [];
  const calls = [];
  const store = { value: key, get: () => store.value };
  const hooks = {
    onAnswer: () => told.push("answer"),
    onAway: (reason) => told.push(`away: ${reason}`),
    onRefused: (reason) => told.push(`refused: ${reason}`),
  };
  const send = async (url, options) => {
    calls.push({ url: String(url), ...options });
    return answer(store);
  };
  return { api: makeApi(new URL("http://host/prod/"), store, hooks, send), told, calls };
}

function problem(status, members) {
  return new Response(JSON.stringify(members), { status, headers: { "content-type": "application/problem+json" } });
}

test("calls stay below the base path and carry the key", async () => {
  const { api, calls, told } = clientOf(() => Response.json({ requests: [] }), "secret");
  await api.requests([["label.a b", "x&y"]]);
  await api.pause("or/ders", { target: "mail" });
  assert.equal(calls[0].url, "http://host/prod/requests?label.a+b=x%26y");
  assert.equal(calls[0].headers.authorization, "Bearer secret");
  assert.deepEqual(
    [calls[1].url, calls[1].method, calls[1].body],
    ["http://host/prod/use-cases/or%2Fders/pause", "POST", '{"target":"mail"}'],
  );
  assert.equal(calls[1].headers["content-type"], "application/json");
  assert.deepEqual(told, ["answer", "answer"]);
});

test("a call without a key has no authorization, and one without a body no content type", async () => {
  const { api, calls } = clientOf(() => Response.json({}));
  await api.retry("1");
  assert.deepEqual(calls[0].headers, {});
  assert.equal(calls[0].body, undefined);
});

test("an error without a body, as of HEAD, is a problem", async () => {
  const headers = { "content-type": "application/problem+json" };
  const { api, calls } = clientOf(() => new Response(null, { status: 404, headers }));
  await assert.rejects(api.findDeadLetters(), (error) => error instanceof Problem && error.status === 404);
  assert.deepEqual([calls[0].method, calls[0].url], ["HEAD", "http://host/prod/dead-letters"]);
});

test("a problem keeps its members", async () => {
  const { api } = clientOf(() => problem(422, { code: "rejected", detail: "no", problems: [{ pointer: "/a" }] }));
  await assert.rejects(api.move("1", { delay: "PT1M" }), (error) => {
    assert.ok(error instanceof Problem);
    assert.deepEqual([error.status, error.code, error.message, error.members.problems], [422, "rejected", "no", [{ pointer: "/a" }]]);
    return true;
  });
});

test("an answer that is no JSON is a problem", async () => {
  const { api } = clientOf(() => new Response("<html>", { status: 200 }));
  await assert.rejects(api.useCases(), Problem);
});

test("a call without an answer, and a proxy's error, mean that the server is away", async () => {
  for (const [answer, reason] of [
    [() => Promise.reject(new TypeError("fetch failed")), "away: it cannot be reached"],
    [() => Promise.reject(new DOMException("late", "TimeoutError")), "away: it did not answer in time"],
    [() => new Response("bad gateway", { status: 502 }), "away: it cannot be reached"],
    [() => new Response("unavailable", { status: 503, headers: { "content-type": "text/html" } }), "away: it cannot be reached"],
  ]) {
    const { api, told } = clientOf(answer);
    await assert.rejects(api.health(), Away);
    assert.deepEqual(told, [reason]);
  }
});

test("a 503 of the API itself is an answer", async () => {
  const { api, told } = clientOf(() => problem(503, { code: "unhealthy", detail: "no new requests are taken" }));
  await assert.rejects(api.health(), Problem);
  assert.deepEqual(told, ["answer"]);
});

test("a call that the page itself gave up tells nothing", async () => {
  const life = new AbortController();
  const { api, told } = clientOf(() => (life.abort(), Promise.reject(new DOMException("gone", "AbortError"))));
  await assert.rejects(api.useCases(life.signal), { name: "AbortError" });
  assert.deepEqual(told, []);
});

test("a refused key is asked for again, unless another one has been typed since", async () => {
  const answer = () => problem(401, { code: "unauthorized", detail: "the API key is wrong" });
  const { api, told } = clientOf(answer, "old");
  await assert.rejects(api.useCases(), Problem);
  assert.deepEqual(told, ["answer", "refused: the API key is wrong"]);
  const late = clientOf((store) => ((store.value = "new"), answer()), "old");
  await assert.rejects(late.api.useCases(), Problem);
  assert.deepEqual(late.told, ["answer"]);
});
