const SECOND = 1_000;
const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Returns a length of time in milliseconds as text with at most two units, such as `3 h 20 min`. */
export function duration(millis) {
  const length = Math.abs(millis);
  if (length < SECOND) {
    return `${Math.round(length)} ms`;
  }
  if (length < 10 * SECOND) {
    return `${trimmed(length / SECOND)} s`;
  }
  const units = [
    [DAY, "d"],
    [HOUR, "h"],
    [MINUTE, "min"],
    [SECOND, "s"],
  ];
  const first = units.findIndex(([unit]) => length >= unit);
  const [unit, name] = units[first];
  const whole = Math.floor(length / unit);
  const next = units[first + 1];
  const rest = next && whole < 10 ? Math.floor((length % unit) / next[0]) : 0;
  return rest > 0 ? `${whole} ${name} ${rest} ${next[1]}` : `${whole} ${name}`;
}

function trimmed(number) {
  return number.toFixed(1).replace(/\.0$/, "");
}

/** Returns the distance of a time from now: `in 5 min`, `3 h ago`, `now`. Both are in milliseconds. */
export function relative(at, now) {
  const distance = at - now;
  if (Math.abs(distance) < SECOND) {
    return "now";
  }
  const text = coarse(distance);
  return distance > 0 ? `in ${text}` : `${text} ago`;
}

/** Returns a length of time as people tell it: in seconds below a minute, in minutes below a day, else in hours. */
export function coarse(millis) {
  const length = Math.abs(millis);
  const unit = length < MINUTE ? SECOND : length < DAY ? MINUTE : HOUR;
  return duration(Math.max(SECOND, Math.floor(length / unit) * unit));
}

/** Returns date and time of day in the zone `local` or `utc`, such as `2026-11-28 14:03:05`. */
export function stamp(at, zone) {
  const { date, time } = parts(at, zone);
  return `${date} ${time}`;
}

/** Returns the time of day, such as `14:03`. */
export function hourMinute(at, zone) {
  return parts(at, zone).time.slice(0, 5);
}

/** Returns the value of an input of the type `datetime-local`. */
export function inputValue(at, zone) {
  const { date, time } = parts(at, zone);
  return `${date}T${time}`;
}

/** Returns the time that an input of the type `datetime-local` names, in milliseconds; null if it names none. */
export function fromInput(value, zone) {
  const at = value === "" ? Number.NaN : Date.parse(zone === "utc" ? `${value}Z` : value);
  return Number.isNaN(at) ? null : at;
}

function parts(at, zone) {
  const moment = new Date(at);
  // UTC's own text of a moment that is moved by the offset is the local time.
  const shown = zone === "utc" ? moment : new Date(moment.getTime() - moment.getTimezoneOffset() * MINUTE);
  const [date, time] = shown.toISOString().split("T");
  return { date, time: time.slice(0, 8) };
}

const ISO_UNITS = { minutes: ["PT", "M"], hours: ["PT", "H"], days: ["P", "D"] };

/** Returns an ISO 8601 duration for the API's `delay`, such as `PT15M`; null if the number is no whole number above 0. */
export function isoDuration(number, unit) {
  if (!Number.isSafeInteger(number) || number < 1 || number > 10_000_000) {
    return null;
  }
  const [before, after] = ISO_UNITS[unit];
  return `${before}${number}${after}`;
}
