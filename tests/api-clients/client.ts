// Submits a request, reads it, finds it in a list, and cancels it: client.js URL KEY. Prints the id of the request.
import assert from "node:assert/strict";

import createClient from "openapi-fetch";

import type { components, paths } from "./postdate.js";

type Request = components["schemas"]["Request"];

const [baseUrl, key] = process.argv.slice(2);
assert(baseUrl !== undefined && key !== undefined, "usage: client.js URL KEY");
const api = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${key}` } });

const submitted = await api.POST("/requests/{use-case}", {
  params: { path: { "use-case": "orders" }, header: { "Idempotency-Key": "order-4711" } },
  body: { item: "book", quantity: 2, delay: "P7D" },
});
assert(submitted.data, submitted.error?.detail);
const id = submitted.data.correlationId;
assert.equal(submitted.response.headers.get("location"), submitted.data.links.self);

const found = await api.GET("/requests/{id}", { params: { path: { id } } });
assert(found.data, found.error?.detail);
assert.equal(found.data.status, "scheduled");
assert.deepEqual(
  found.data.history?.map((line) => line.event),
  ["accepted"],
);

const ids: string[] = [];
let cursor: string | undefined;
do {
  const query = { useCase: "orders", status: "scheduled" as const, limit: 1, ...(cursor === undefined ? {} : { cursor }) };
  const page = await api.GET("/requests", { params: { query } });
  assert(page.data, page.error?.detail);
  ids.push(...page.data.requests.map((request: Request) => request.correlationId));
  cursor = page.data.nextCursor;
} while (cursor !== undefined);
assert(ids.includes(id), `${id} is not in the list ${ids}`);

const cancelled = await api.DELETE("/requests/{id}", { params: { path: { id } } });
assert.equal(cancelled.data?.status, "cancelled");

const again = await api.DELETE("/requests/{id}", { params: { path: { id } } });
assert.equal(again.error?.code, "not-scheduled");
assert.equal(again.error?.requestStatus, "cancelled");
console.log(id);
