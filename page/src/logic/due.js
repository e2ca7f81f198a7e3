import { dueAt } from "./request.js";

/** Requests of a page that counts everything, and of one that looks at a single bucket. The API's largest page has 500. */
const WHOLE = 500;
const PROBE = 100;
/** Calls at the same time. */
const SIDE_BY_SIDE = 4;

/**
 * Counts what falls due in `count` buckets of `width` milliseconds, of which the first begins at `from`. One page is enough as a rule.
 * Where it is not, each bucket is looked at by itself and counted up to a limit, since the API has no call that counts.
 * `list` takes parameters of `GET /requests`, and returns its answer. `isMore` of a bucket says that it has more than `count`.
 */
export async function countDue(list, now, from, width, count) {
  const query = (start, end, limit) =>
    list([
      ["dueFrom", iso(start)],
      ["dueTo", iso(end)],
      ["limit", String(limit)],
    ]);
  const buckets = Array.from({ length: count }, (_, index) => ({ from: from + index * width, to: from + (index + 1) * width }));
  const first = await query(Math.max(now, from), from + count * width, WHOLE);
  if (!first.nextCursor) {
    const times = first.requests.map(dueAt);
    return buckets.map((bucket) => ({ ...bucket, count: times.filter((at) => at >= bucket.from && at < bucket.to).length, isMore: false }));
  }
  const counted = [];
  for (let at = 0; at < count; at += SIDE_BY_SIDE) {
    const some = buckets.slice(at, at + SIDE_BY_SIDE).map(async (bucket) => {
      const page = await query(Math.max(now, bucket.from), bucket.to, PROBE);
      return { ...bucket, count: page.requests.length, isMore: Boolean(page.nextCursor) };
    });
    counted.push(...(await Promise.all(some)));
  }
  return counted;
}

/** Returns the total of buckets as text, with a plus sign if it is more. */
export function totalOf(buckets) {
  const total = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  return atLeast(
    total,
    buckets.some((bucket) => bucket.isMore),
  );
}

/** Returns a number with separators, and a plus sign if there may be more. */
export function atLeast(number, isMore) {
  return `${number.toLocaleString("en")}${isMore ? "+" : ""}`;
}

function iso(at) {
  return new Date(at).toISOString();
}
