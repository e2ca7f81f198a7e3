import { filtersLink } from "../logic/filters.js";

/** The state of a use case, in a word or two. */
export function State({ useCase: { version, error, update, paused = [] } }) {
  const states = [];
  if (error) {
    states.push(version ? ["warn", "newest version broken"] : ["failed", "broken"]);
  } else if (!version) {
    states.push(["warn", "loading"]);
  }
  if (update && version) {
    states.push(["warn", "updating"]);
  }
  if (paused.length > 0) {
    states.push(["paused", paused.some(({ target }) => !target) ? "paused" : "target paused"]);
  }
  if (states.length === 0) {
    states.push(["succeeded", "serving"]);
  }
  return (
    <span class="badges">
      {states.map(([kind, text]) => (
        <span key={text} class={`badge ${kind}`}>
          {text}
        </span>
      ))}
    </span>
  );
}

const LISTS = [
  ["scheduled", { status: "scheduled", by: "due" }],
  ["running", { status: "running" }],
  ["failed in the last day", { status: "failed", by: "ended", from: "-24h", to: "now" }],
];

/** Links to the requests of a use case. */
export function RequestLinks({ name }) {
  return LISTS.map(([text, filters]) => (
    <a key={text} href={filtersLink({ ...filters, useCase: name })}>
      {text}
      <span class="hidden"> of {name}</span>
    </a>
  ));
}
