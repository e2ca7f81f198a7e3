// Keeps the views up to date: by server-sent events where the server has them, and by polling.
import { useEffect, useRef, useState } from "preact/hooks";
import { Away, Problem } from "./api.js";
import { eventParser } from "./logic/sse.js";
import { api, away, entry, key } from "./session.js";
import { makeStore } from "./store.js";

/** True while the server sends its events. */
export const isStreaming = makeStore(false);

const listeners = new Set();
/** Polls while events arrive, in milliseconds: only for what an event does not tell. */
const POLL_WITH_EVENTS = 60_000;
/** Share of a view's interval that lies between two loads, however many events come, and its least and greatest length. */
const PAUSE = { share: 0.25, least: 1_000, most: 15_000 };
const LONGEST_BACK_OFF = 60_000;

/** Follows the server's events until `signal`. Gives up for good where the server has none. */
export async function follow(signal) {
  for (let failures = 0; !signal.aborted;) {
    try {
      const response = await api.events(signal);
      if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
        await response.body?.cancel();
        return;
      }
      isStreaming.set(true);
      // Changes before the stream are not part of it.
      tell(null);
      failures = 0;
      await read(response);
    } catch (error) {
      if (error instanceof Problem && error.status < 500) {
        return;
      }
    } finally {
      isStreaming.set(false);
    }
    failures += 1;
    await pause(Math.min(LONGEST_BACK_OFF, 1_000 * 2 ** failures), signal);
  }
}

async function read(response) {
  const parse = eventParser(({ data }) => tell(idOf(data)));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    parse(value);
  }
}

/** Returns the request that an event is about; null if it names none. */
function idOf(data) {
  try {
    return JSON.parse(data).correlationId ?? null;
  } catch {
    return null;
  }
}

/** Lets every view load again that shows this request, or any where `id` is null. */
export function tell(id) {
  listeners.forEach((listener) => listener(id));
}

function pause(millis, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, millis);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/**
 * Loads by `load(signal)`, now and again: every so many milliseconds, after an event, when the page is shown again, and when the
 * server is back. After an error the old data stays, and the next try comes later each time. `every` may be a function of the data; 0
 * stops. It begins anew when `deps` change, and the old data is stale until the new is there. `isGone(error)` says that there is nothing
 * to load, so that no further try is made. `about` is the request whose events matter; null for all.
 */
export function useLive(load, every, deps, { isGone = () => false, about = null, byEvents = true } = {}) {
  const [state, setState] = useState({ data: null, error: null, at: null, isStale: false });
  const refresh = useRef(() => {});
  useEffect(() => {
    const life = new AbortController();
    let [timer, running, again, failures, last, gone] = [null, false, false, 0, 0, false];
    let data = null;
    setState((old) => ({ ...old, error: null, isStale: old.data !== null }));

    const run = async () => {
      clearTimeout(timer);
      if (running) {
        again = true;
        return;
      }
      if (document.hidden || away.get() !== null || entry.get().state !== "open" || gone) {
        return;
      }
      [running, again, last] = [true, false, Date.now()];
      try {
        data = await load(life.signal);
        failures = 0;
        if (!life.signal.aborted) {
          setState({ data, error: null, at: Date.now(), isStale: false });
        }
      } catch (error) {
        failures += 1;
        gone = isGone(error);
        // The banner tells that the server is away.
        if (!life.signal.aborted && !(error instanceof Away)) {
          setState((old) => ({ ...old, error }));
        }
      }
      running = false;
      if (!life.signal.aborted && !gone) {
        schedule();
      }
    };

    const interval = () => (typeof every === "function" ? every(data) : every);
    const pauseOf = (wanted) => Math.min(PAUSE.most, Math.max(PAUSE.least, wanted * PAUSE.share));

    const schedule = () => {
      const wanted = interval();
      if (again) {
        timer = setTimeout(run, pauseOf(wanted));
      } else if (wanted > 0) {
        const usual = isStreaming.get() && byEvents ? Math.max(wanted, POLL_WITH_EVENTS) : wanted;
        timer = setTimeout(run, Math.min(Math.max(usual, LONGEST_BACK_OFF), usual * 2 ** failures));
      }
    };

    const onEvent = (id) => {
      if (!byEvents || (about !== null && id !== null && id !== about)) {
        return;
      }
      if (running) {
        again = true;
      } else {
        clearTimeout(timer);
        timer = setTimeout(run, Math.max(0, last + pauseOf(interval()) - Date.now()));
      }
    };
    const onBack = () => away.get() === null && entry.get().state === "open" && run();
    const stops = [away.watch(onBack), entry.watch(onBack)];
    listeners.add(onEvent);
    document.addEventListener("visibilitychange", run);
    refresh.current = run;
    run();
    return () => {
      life.abort();
      clearTimeout(timer);
      stops.forEach((stop) => stop());
      listeners.delete(onEvent);
      document.removeEventListener("visibilitychange", run);
    };
  }, [...deps, key.get()]);
  return { ...state, refresh: () => refresh.current() };
}
