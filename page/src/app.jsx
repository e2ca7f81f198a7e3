import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "./api.js";
import { parseRoute } from "./logic/route.js";
import { filtersLink } from "./logic/filters.js";
import { sampleOf, parseMetrics } from "./logic/metrics.js";
import { follow, isStreaming, useLive } from "./live.js";
import { Banner } from "./parts/banner.jsx";
import { KeyForm } from "./parts/key.jsx";
import { Heading } from "./parts/small.jsx";
import { api, away, entry, forgetKey, key, notice, now, theme, zone } from "./session.js";
import { useStore } from "./store.js";
import { Overview } from "./views/overview.jsx";
import { RequestView } from "./views/request.jsx";
import { Requests } from "./views/requests.jsx";
import { DeadLetters } from "./views/dead_letters.jsx";
import { UseCase } from "./views/use_case.jsx";
import { UseCases } from "./views/use_cases.jsx";

const NAVIGATION = [
  ["overview", "#/", "Overview"],
  ["requests", filtersLink({ by: "due", status: "scheduled" }), "Requests"],
  ["use-cases", "#/use-cases", "Use cases"],
];
const LETTERS = ["dead-letters", "#/dead-letters", "Dead letters"];
/** The entry of the navigation that a view of one thing belongs to. */
const PARENTS = { request: "requests", "use-case": "use-cases" };

export function App() {
  const [route, setRoute] = useState(parseRoute(location.hash));
  const { state, reason } = useStore(entry);
  const usedKey = useStore(key);
  useEffect(() => {
    const update = () => setRoute(parseRoute(location.hash));
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  useEffect(() => {
    const life = new AbortController();
    if (state === "open") {
      follow(life.signal);
    }
    return () => life.abort();
  }, [state, usedKey]);
  const metrics = useMetrics();
  const hasLetters = useDeadLetters();
  const main = useRef(null);
  const skip = (event) => {
    event.preventDefault();
    main.current.focus();
  };

  return (
    <>
      <Top current={PARENTS[route.view] ?? route.view} hasLetters={hasLetters} onSkip={skip} />
      <Banner />
      <main ref={main} tabIndex={-1}>
        {state === "open" && <View route={route} metrics={metrics} />}
        {state === "asking" && <KeyForm reason={reason} />}
        {state === "checking" && <p class="empty">Loading …</p>}
      </main>
      <Notice />
    </>
  );
}

function View({ route, metrics }) {
  switch (route.view) {
    case "overview":
      return <Overview metrics={metrics} />;
    case "requests":
      return <Requests params={route.params} />;
    case "request":
      return <RequestView key={route.id} id={route.id} />;
    case "use-cases":
      return <UseCases />;
    case "use-case":
      return <UseCase key={route.name} name={route.name} />;
    case "dead-letters":
      return <DeadLetters />;
    default:
      return (
        <>
          <Heading>There is no such page</Heading>
          <p>
            <a href="#/">Go to the overview</a>
          </p>
        </>
      );
  }
}

/** Samples that are kept: one hour. */
const SAMPLES = 720;
const SAMPLE_EVERY = 5_000;

/** Follows the server's metrics, also while no view shows them. A server without them is asked once. */
function useMetrics() {
  const samples = useRef([]);
  const usedKey = useStore(key);
  useEffect(() => {
    samples.current = [];
  }, [usedKey]);
  const load = async (signal) => {
    const sample = sampleOf(parseMetrics(await api.metrics(signal)), now());
    samples.current = [...samples.current, sample].slice(-SAMPLES);
    return samples.current;
  };
  return useLive(load, SAMPLE_EVERY, [], { isGone: (error) => error.status >= 400 && error.status < 500, byEvents: false });
}

/** Returns whether there are dead letters to show: a deployment on AWS has them, and `postdate ui` that knows their queue. */
function useDeadLetters() {
  const load = async (signal) => (await api.findDeadLetters(signal)).ok;
  return useLive(load, 0, [], { isGone: (error) => error instanceof Problem, byEvents: false }).data === true;
}

function Top({ current, hasLetters, onSkip }) {
  const isAway = useStore(away) !== null;
  const isLive = useStore(isStreaming);
  const hasKey = useStore(key) !== null;
  const state = isAway ? ["bad", "not connected"] : isLive ? ["good", "live"] : ["good", "connected"];
  return (
    <header class="top">
      <a class="skip" href="#/" onClick={onSkip}>
        Skip to the content
      </a>
      <a class="brand" href="#/">
        <img src="icon.svg" alt="" width="22" height="22" />
        Postdate
      </a>
      <nav aria-label="Views">
        {[...NAVIGATION, ...(hasLetters ? [LETTERS] : [])].map(([view, link, text]) => (
          <a key={view} href={link} aria-current={current === view ? "page" : undefined}>
            {text}
          </a>
        ))}
      </nav>
      <div class="tools">
        <span class={`dot ${state[0]}`}>{state[1]}</span>
        <Setting store={zone} label="Times" texts={{ local: "Local", utc: "UTC" }} />
        <Setting store={theme} label="Theme" texts={{ system: "Automatic", light: "Light", dark: "Dark" }} icons={THEMES} />
        {hasKey && (
          <button type="button" class="quiet" onClick={forgetKey}>
            Forget key
          </button>
        )}
      </div>
    </header>
  );
}

/** Icons of the themes: a disc of which one half is filled, a sun, a moon. */
const THEMES = {
  system: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12zM8 2a6 6 0 0 1 0 12M9.5 3.5v9M11 4v8M12.5 5.5v5",
  light: "M8 5a3 3 0 1 0 0 6a3 3 0 1 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3.1 3.1l1 1M11.9 11.9l1 1M3.1 12.9l1-1M11.9 4.1l1-1",
  dark: "M13.5 9.7A6 6 0 0 1 6.3 2.5a6 6 0 1 0 7.2 7.2z",
};

function Icon({ path }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}

/** A button that goes to the next choice of a setting. */
function Setting({ store, label, texts, icons }) {
  const value = useStore(store);
  const next = store.choices[(store.choices.indexOf(value) + 1) % store.choices.length];
  return (
    <button
      type="button"
      class="quiet"
      onClick={() => store.set(next)}
      aria-label={`${label}: ${texts[value]}. Change to ${texts[next]}`}
      title={`${label}: ${texts[value]}`}
    >
      {icons ? <Icon path={icons[value]} /> : texts[value]}
    </button>
  );
}

/** Says what has been done, for some seconds. */
function Notice() {
  const text = useStore(notice);
  useEffect(() => {
    const timer = text === null ? null : setTimeout(() => notice.set(null), 5_000);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div class="notice" role="status">
      {text && <p>{text}</p>}
    </div>
  );
}
