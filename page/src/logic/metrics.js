// Text of OpenMetrics, and what the page shows of it.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Returns the series of each name: labels and value. Skips lines that it cannot read. */
export function parseMetrics(text) {
  const all = new Map();
  for (const line of text.split("\n")) {
    const match = line.startsWith("#") ? null : LINE.exec(line);
    if (!match) {
      continue;
    }
    const [, name, labels = "", value] = match;
    const series = {
      labels: Object.fromEntries([...labels.matchAll(LABEL)].map(([, key, raw]) => [key, unescaped(raw)])),
      value: Number(value),
    };
    const known = all.get(name);
    if (known) {
      known.push(series);
    } else {
      all.set(name, [series]);
    }
  }
  return all;
}

function unescaped(raw) {
  return raw.replace(/\\(.)/g, (_, letter) => (letter === "n" ? "\n" : letter));
}

/** Returns the sum of all series of a name, or of those with a label's value; 0 if there are none. */
export function sum(metrics, name, label, value) {
  const series = metrics.get(name) ?? [];
  return series.filter(({ labels }) => label === undefined || labels[label] === value).reduce((total, { value }) => total + value, 0);
}

/** Returns the cumulative buckets of a histogram, summed over its labels: upper bound and count, by bound. */
export function histogram(metrics, name) {
  const counts = new Map();
  for (const { labels, value } of metrics.get(`${name}_bucket`) ?? []) {
    const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  return [...counts].map(([bound, count]) => ({ bound, count })).sort((a, b) => a.bound - b.bound);
}

/** Returns the difference of two histograms; the later one where the earlier has no such bucket. */
export function since(earlier, later) {
  return later.map(({ bound, count }) => ({ bound, count: count - (earlier.find((bucket) => bucket.bound === bound)?.count ?? 0) }));
}

/** Returns a quantile by linear interpolation within its bucket, as Prometheus does. Returns null for an empty histogram. */
export function quantile(buckets, q) {
  const total = buckets.at(-1)?.count ?? 0;
  if (total <= 0) {
    return null;
  }
  const rank = q * total;
  const at = buckets.findIndex(({ count }) => count >= rank);
  const { bound, count } = buckets[at];
  const lower = at === 0 ? 0 : buckets[at - 1].bound;
  if (bound === Infinity) {
    return lower;
  }
  const before = at === 0 ? 0 : buckets[at - 1].count;
  return lower + (bound - lower) * ((rank - before) / (count - before));
}

/** Returns the numbers of one scrape that the page follows. `at` is in milliseconds. */
export function sampleOf(metrics, at) {
  const ended = (outcome) => sum(metrics, "postdate_requests_ended_total", "outcome", outcome);
  return {
    at,
    start: sum(metrics, "postdate_start_time_seconds"),
    accepted: sum(metrics, "postdate_requests_accepted_total"),
    succeeded: ended("succeeded"),
    failed: ended("failed") + ended("expired"),
    running: sum(metrics, "postdate_running"),
    due: sum(metrics, "postdate_backlog_due"),
    lateness: histogram(metrics, "postdate_lateness_seconds"),
  };
}

/** Returns the rates a second and the lateness in seconds between each two samples. A restart of the server leaves a gap. */
export function ratesOf(samples) {
  const rates = { times: [], accepted: [], succeeded: [], failed: [], median: [], p95: [] };
  for (let index = 1; index < samples.length; index += 1) {
    const [before, after] = [samples[index - 1], samples[index]];
    const seconds = (after.at - before.at) / 1_000;
    const isGap = before.start !== after.start || seconds <= 0;
    const rate = (name) => (isGap ? null : Math.max(0, after[name] - before[name]) / seconds);
    const late = isGap ? [] : since(before.lateness, after.lateness);
    rates.times.push(after.at / 1_000);
    rates.accepted.push(rate("accepted"));
    rates.succeeded.push(rate("succeeded"));
    rates.failed.push(rate("failed"));
    rates.median.push(quantile(late, 0.5));
    rates.p95.push(quantile(late, 0.95));
  }
  return rates;
}
