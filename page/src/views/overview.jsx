import { useMemo, useState } from "preact/hooks";
import { useLive } from "../live.js";
import { atLeast, countDue, totalOf } from "../logic/due.js";
import { filtersLink } from "../logic/filters.js";
import { quantile, ratesOf, since } from "../logic/metrics.js";
import { groupBy, reasonOf, recentFailures } from "../logic/reasons.js";
import { requestLink, useCaseLink } from "../logic/route.js";
import { HOUR, duration, hourMinute, stamp } from "../logic/time.js";
import { Chart } from "../parts/chart.jsx";
import { PauseText } from "../parts/pauses.jsx";
import { Card, Choice, Fault, Heading, Pending, Since, Time } from "../parts/small.jsx";
import { api, now, zone } from "../session.js";
import { useStore } from "../store.js";

const DUE_LIST = filtersLink({ by: "due", status: "scheduled" });
const FAILED_LIST = (status) => filtersLink({ by: "ended", status, from: "-24h", to: "now" });

export function Overview({ metrics }) {
  const useCases = useLive((signal) => api.useCases(signal), 15_000, []);
  const health = useLive((signal) => api.health(signal), 30_000, [], { byEvents: false });
  const waiting = useLive(loadWaiting, 15_000, []);
  const running = useLive(loadRunning, 10_000, []);
  const failures = useLive(loadFailures, 60_000, []);
  return (
    <>
      <Heading>Overview</Heading>
      <Alerts health={health} useCases={useCases.data ?? []} />
      <Tiles waiting={waiting} running={running} failures={failures} metrics={metrics} />
      <div class="grid">
        <Due />
        <Failures live={failures} />
        <HeldUp waiting={waiting} useCases={useCases} />
        <Flow metrics={metrics} />
      </div>
    </>
  );
}

/** Requests that are due and have not started, the oldest first. */
async function loadWaiting(signal) {
  const to = new Date(now()).toISOString();
  return api.requests(
    [
      ["status", "scheduled"],
      ["dueTo", to],
      ["limit", "500"],
    ],
    signal,
  );
}

async function loadRunning(signal) {
  return api.requests(
    [
      ["status", "running"],
      ["limit", "100"],
    ],
    signal,
  );
}

async function loadFailures(signal) {
  const recent = await recentFailures((query) => api.requests(query, signal), now());
  return { ...recent, groups: groupBy(recent.requests, ({ failure }) => reasonOf(failure)) };
}

function Alerts({ health, useCases }) {
  const { ledger } = health.data ?? {};
  const unhealthy =
    health.error?.code === "unhealthy" ? (health.error.members.ledger?.refuses ?? "its ledger takes no new requests") : null;
  const broken = useCases.filter(({ error }) => error);
  if (!unhealthy && !ledger?.warning && broken.length === 0) {
    return null;
  }
  return (
    <ul class="alerts" aria-label="Alerts">
      {unhealthy && <li class="bad">No new request is taken: {unhealthy}.</li>}
      {ledger?.warning && <li class="warn">{ledger.warning}</li>}
      {broken.length > 0 && (
        <li class="bad">
          The newest version does not serve: <a href="#/use-cases">{broken.map(({ name }) => name).join(", ")}</a>
        </li>
      )}
    </ul>
  );
}

function Tiles({ waiting, running, failures, metrics }) {
  const count = (live) => (live.data ? atLeast(live.data.requests.length, Boolean(live.data.nextCursor)) : "–");
  const oldest = waiting.data?.requests[0];
  const recent = recentOf(metrics.data);
  return (
    <ul class="tiles" aria-label="Numbers">
      <Tile name="Due, not started" value={count(waiting)} link={DUE_LIST} kind={waiting.data?.requests.length > 0 ? "warn" : undefined}>
        {oldest ? (
          <>
            oldest due <Time at={oldest.nextAttemptAt ?? oldest.triggerAt} only="relative" />
          </>
        ) : (
          waiting.data && "nothing is late"
        )}
      </Tile>
      <Tile name="Running" value={count(running)} link={filtersLink({ status: "running" })} />
      <Tile
        name="Failed or expired"
        value={failures.data ? atLeast(failures.data.requests.length, failures.data.isCut) : "–"}
        link={FAILED_LIST("failed")}
        kind={failures.data?.requests.length > 0 ? "bad" : undefined}
      >
        {failures.data && `in the last ${failures.data.span}`}
      </Tile>
      {recent && (
        <>
          <Tile name="Accepted" value={`${number(recent.accepted)}/s`}>
            last {duration(recent.length)}
          </Tile>
          <Tile name="Lateness, 95 %" value={recent.p95 === null ? "–" : lateness(recent.p95)}>
            {recent.p95 === null ? "nothing ended" : `median ${lateness(recent.median)}`}
          </Tile>
        </>
      )}
    </ul>
  );
}

function Tile({ name, value, link, kind, children }) {
  return (
    <li class={kind ? `tile ${kind}` : "tile"}>
      <span class="tile-name">{link ? <a href={link}>{name}</a> : name}</span>
      <span class="tile-value">{value}</span>
      <span class="muted">{children}</span>
    </li>
  );
}

const RECENT = 5 * 60_000;

/** Returns the rate and the lateness of the last minutes of samples; null without two samples of one process. */
function recentOf(samples) {
  const last = samples?.at(-1);
  const first = last && samples.find(({ at, start }) => start === last.start && last.at - at <= RECENT);
  if (!first || first === last) {
    return null;
  }
  const late = since(first.lateness, last.lateness);
  const length = last.at - first.at;
  return { length, accepted: ((last.accepted - first.accepted) * 1_000) / length, median: quantile(late, 0.5), p95: quantile(late, 0.95) };
}

const SPANS = { hour: { width: 2 * 60_000, count: 30, name: "hour" }, day: { width: HOUR, count: 24, name: "day" } };

function Due() {
  const [span, setSpan] = useState("hour");
  const { width, count, name } = SPANS[span];
  const shownZone = useStore(zone);
  const load = async (signal) => {
    const at = now();
    const buckets = await countDue((query) => api.requests(query, signal), at, Math.floor(at / width) * width, width, count);
    return { buckets, name };
  };
  // Buckets that were counted one by one cost many calls, so they are counted less often.
  const live = useLive(load, (due) => (due?.buckets.some(({ isMore }) => isMore) ? 60_000 : 15_000), [span]);
  const choice = (
    <Choice
      label="Span"
      value={span}
      onChoose={setSpan}
      options={[
        ["hour", "Next hour"],
        ["day", "Next day"],
      ]}
    />
  );
  return (
    <Card title="Due" wide note={live.data && `${totalOf(live.data.buckets)} in the next ${live.data.name}`} actions={choice}>
      <Pending live={live}>{({ buckets, name }) => <DueChart buckets={buckets} name={name} zone={shownZone} />}</Pending>
    </Card>
  );
}

function bucketLink({ from, to }) {
  return filtersLink({ by: "due", status: "scheduled", from: new Date(from).toISOString(), to: new Date(to).toISOString() });
}

function DueChart({ buckets, name, zone: shownZone }) {
  const hasMore = buckets.some(({ isMore }) => isMore);
  const data = useMemo(() => {
    const times = buckets.map(({ from, to }) => (from + to) / 2_000);
    const exact = buckets.map(({ count, isMore }) => (isMore ? null : count));
    return [times, exact, buckets.map(({ count, isMore }) => (isMore ? count : null))];
  }, [buckets]);
  const span = ({ from, to }) => `${hourMinute(from, shownZone)} – ${hourMinute(to, shownZone)}`;
  const busy = buckets.filter(({ count }) => count > 0);
  return (
    <>
      <Chart
        data={data}
        range={[buckets[0].from / 1_000, buckets.at(-1).to / 1_000]}
        series={[
          { label: "due", colour: "accent", isBars: true },
          { label: "due, at least", colour: "accent-soft", isBars: true },
        ]}
        format={whole}
        titleOf={(index) => span(buckets[index])}
        summary={`Requests that fall due in the next ${name}: ${totalOf(buckets)}. The table below has the numbers.`}
        onChoose={(index) => (location.hash = bucketLink(buckets[index]))}
      />
      {hasMore && <p class="muted">Pale bars have more requests than are counted here.</p>}
      {busy.length > 0 ? (
        <details>
          <summary>Numbers</summary>
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">Due</th>
              </tr>
            </thead>
            <tbody>
              {busy.map((bucket) => (
                <tr key={bucket.from}>
                  <td>
                    <a href={bucketLink(bucket)}>{span(bucket)}</a>
                  </td>
                  <td>{atLeast(bucket.count, bucket.isMore)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      ) : (
        <p class="muted">Nothing falls due in the next {name}.</p>
      )}
    </>
  );
}

/** Groups that are shown. */
const SHOWN = 8;

function Failures({ live }) {
  return (
    <Card title={`Failures in the last ${live.data?.span ?? "day"}`} note={live.data?.isCut && "the first of them"}>
      <Pending live={live}>{({ groups, span }) => <Reasons groups={groups} span={span} />}</Pending>
    </Card>
  );
}

function Reasons({ groups, span }) {
  if (groups.length === 0) {
    return <p class="empty">Nothing has failed in the last {span}.</p>;
  }
  return (
    <>
      <ul class="reasons">
        {groups.slice(0, SHOWN).map(({ text, useCase, count, last }) => (
          <li key={useCase + text}>
            <span class="reason-count">{count.toLocaleString("en")}</span>
            <span class="reason">
              <a href={requestLink(last.correlationId)} aria-label={`${text}: the last request with this failure`}>
                {text}
              </a>
              <span class="muted">
                {useCase} · last <Time at={last.finishedAt} only="relative" />
              </span>
              <span class="bar" aria-hidden="true">
                <span style={{ width: `${(100 * count) / groups[0].count}%` }} />
              </span>
            </span>
          </li>
        ))}
      </ul>
      <p class="links">
        <a href={FAILED_LIST("failed")}>All failed</a>
        <a href={FAILED_LIST("expired")}>All expired</a>
        {groups.length > SHOWN && <span class="muted">{groups.length - SHOWN} further reasons</span>}
      </p>
    </>
  );
}

function HeldUp({ waiting, useCases }) {
  const [first, second] = [useCases, waiting];
  const live = { data: first.data && second.data ? [first.data, second.data] : null, error: first.error ?? second.error };
  return (
    <Card title="Paused and limited">
      <Pending live={live}>{([useCases, waiting]) => <Waits useCases={useCases} waiting={waiting} />}</Pending>
    </Card>
  );
}

function Waits({ useCases, waiting: { requests, nextCursor } }) {
  const pauses = useCases.flatMap(({ name, paused = [] }) => paused.map((pause) => ({ name, pause })));
  const groups = groupBy(
    requests.filter(({ waitsFor }) => waitsFor),
    ({ waitsFor }) => waitsFor,
  );
  if (pauses.length === 0 && groups.length === 0) {
    return <p class="empty">No target is paused, and none is over a limit.</p>;
  }
  return (
    <>
      {pauses.length > 0 && (
        <ul class="lines" aria-label="Pauses">
          {pauses.map(({ name, pause }) => (
            <li key={`${name}/${pause.target}`}>
              <a href={useCaseLink(name)}>{name}</a>
              <PauseText pause={pause} />
            </li>
          ))}
        </ul>
      )}
      {groups.length > 0 && (
        <ul class="lines" aria-label="Waiting requests">
          {groups.slice(0, SHOWN).map(({ text, useCase, count, first }) => (
            <li key={useCase + text}>
              <a href={filtersLink({ useCase, by: "due", status: "scheduled" })}>{useCase}</a>
              <span>
                {atLeast(count, Boolean(nextCursor))} {count === 1 ? `waits for ${text}` : `wait for ${text.replace(/^its /, "their ")}`}
                {first.waitsSince && (
                  <span class="muted">
                    , the oldest for <Since at={first.waitsSince} />
                  </span>
                )}
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Flow({ metrics }) {
  const rates = useMemo(() => ratesOf(metrics.data ?? []), [metrics.data]);
  const shownZone = useStore(zone);
  if (metrics.error?.status === 403) {
    return (
      <Card title="Throughput and lateness">
        <Fault error={metrics.error} />
      </Card>
    );
  }
  if (metrics.error) {
    return (
      <Card title="Throughput and lateness">
        <p class="empty">This server has no metrics. On AWS, CloudWatch has them.</p>
      </Card>
    );
  }
  const { times } = rates;
  if (times.length < 2) {
    return (
      <Card title="Throughput and lateness">
        <p class="empty">The charts begin in some seconds, and grow while this page is open.</p>
      </Card>
    );
  }
  const common = { range: [times[0], times.at(-1)], titleOf: (index) => stamp(times[index] * 1_000, shownZone) };
  const last = (values) => values.findLast((value) => value !== null) ?? null;
  const rate = (name) => number(last(rates[name]) ?? 0);
  return (
    <>
      <Card title="Throughput" note="requests a second">
        <Legend
          items={[
            ["accent", "accepted"],
            ["good", "succeeded"],
            ["bad", "failed"],
          ]}
        />
        <Chart
          {...common}
          data={[times, rates.accepted, rates.succeeded, rates.failed]}
          series={[
            { label: "accepted", colour: "accent" },
            { label: "succeeded", colour: "good" },
            { label: "failed", colour: "bad" },
          ]}
          format={number}
          summary={`Requests a second: now ${rate("accepted")} accepted, ${rate("succeeded")} succeeded, ${rate("failed")} failed.`}
        />
      </Card>
      <Card title="Lateness" note="from due to start">
        <Legend
          items={[
            ["accent", "median"],
            ["warn", "95 %"],
          ]}
        />
        <Chart
          {...common}
          data={[times, rates.median, rates.p95]}
          series={[
            { label: "median", colour: "accent", spanGaps: true },
            { label: "95 %", colour: "warn", spanGaps: true },
          ]}
          format={lateness}
          summary={
            last(rates.p95) === null
              ? "Lateness: nothing has ended yet."
              : `Lateness: at last median ${lateness(last(rates.median))}, 95 % within ${lateness(last(rates.p95))}.`
          }
        />
      </Card>
    </>
  );
}

function Legend({ items }) {
  return (
    <p class="legend" aria-hidden="true">
      {items.map(([colour, text]) => (
        <span key={text} class={`key-${colour}`}>
          {text}
        </span>
      ))}
    </p>
  );
}

function whole(value) {
  return Number.isInteger(value) ? value.toLocaleString("en") : "";
}

function number(value) {
  const digits = value < 1 ? 2 : value < 10 ? 1 : 0;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

function lateness(seconds) {
  const millis = seconds * 1_000;
  return millis === 0 ? "0" : millis < 10 ? `${millis.toFixed(1).replace(/\.0$/, "")} ms` : duration(millis);
}
