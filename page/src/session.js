// The state that all views share: key, connection, clock and settings.
import { Away, makeApi } from "./api.js";
import { makeStore } from "./store.js";

const KEY = "postdate.key";

/** The API key, for this tab only; null without one. */
export const key = makeStore(sessionStorage.getItem(KEY));

/**
 * The state of the key: `checking` until one call has shown that the key will do, `open` if the views may load, or `asking` for a key.
 * `reason` says why the last key was refused; null before the first. A view makes many calls, and a server counts those with a wrong key.
 */
export const entry = makeStore({ state: "checking", reason: null });

/** Null while the server answers, else the reason, the time since when it does not, and that of the next try. */
export const away = makeStore(null);

/** Text of the last thing that was done, for the notice at the bottom. */
export const notice = makeStore(null);

/** Milliseconds that the server's clock is ahead of the browser's. */
let ahead = 0;

/** Returns the server's time, in milliseconds. */
export function now() {
  return Date.now() + ahead;
}

/** The server's time, each second. */
export const ticking = makeStore(now());
setInterval(() => ticking.set(now()), 1_000);

export const api = makeApi(new URL("../", document.baseURI), key, {
  onAnswer(date) {
    const difference = Date.parse(date ?? "") + 500 - Date.now();
    // The header has whole seconds, so a small difference says nothing.
    ahead = Math.abs(difference) > 3_000 ? difference : 0;
    away.set(null);
  },
  onAway(reason) {
    if (away.get() === null) {
      away.set({ reason, since: Date.now(), tries: 0, nextAt: null });
      probe(1_000);
    }
  },
  onRefused(reason) {
    entry.set({ state: "asking", reason });
  },
});

const LONGEST_PROBE = 30_000;
let timer = null;

function probe(delay) {
  clearTimeout(timer);
  away.set({ ...away.get(), nextAt: Date.now() + delay });
  timer = setTimeout(tryAgain, delay);
}

/** Asks whether the server is back; if not, again after a longer time. */
export async function tryAgain() {
  clearTimeout(timer);
  away.set({ ...away.get(), nextAt: null });
  // An answer of any kind clears `away`.
  await api.health().catch(() => {});
  const still = away.get();
  if (still !== null) {
    away.set({ ...still, tries: still.tries + 1 });
    probe(Math.min(LONGEST_PROBE, 1_000 * 2 ** (still.tries + 1)));
  }
}

/** Makes one call, which opens the views unless the key is refused. Without an answer, another follows when the server is back. */
export async function check() {
  entry.set({ state: "checking", reason: null });
  try {
    await api.useCases();
  } catch (error) {
    if (error instanceof Away) {
      const stop = away.watch(() => {
        if (away.get() === null) {
          stop();
          check();
        }
      });
      return;
    }
    // Another error is one for the views to show.
  }
  if (entry.get().state === "checking") {
    entry.set({ state: "open", reason: null });
  }
}

/** Keeps the key until the tab is closed. */
export function useKey(text) {
  sessionStorage.setItem(KEY, text);
  key.set(text);
  return check();
}

export function forgetKey() {
  sessionStorage.removeItem(KEY);
  key.set(null);
  entry.set({ state: "asking", reason: null });
}

/** A setting that outlives the tab, one of `choices`; the first is the default. */
function setting(name, choices) {
  const kept = localStorage.getItem(name);
  const store = makeStore(choices.includes(kept) ? kept : choices[0]);
  store.choices = choices;
  store.watch(() => localStorage.setItem(name, store.get()));
  return store;
}

export const theme = setting("postdate.theme", ["system", "light", "dark"]);
const showTheme = () => (document.documentElement.dataset.theme = theme.get());
theme.watch(showTheme);
showTheme();

export const zone = setting("postdate.zone", ["local", "utc"]);
