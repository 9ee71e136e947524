// The time scrubber: hours along a chart, with the moments at which it says something new.

const HOUR = 3600e3;
const MOST_DAYS = 45; // before and after the time at which a chart is looked at first

/** Where a chart is looked at first: the last moment at which it says something new, but none that is still to come. */
export const latest = (moments, now) => moments.findLast((moment) => moment <= now) ?? moments.at(-1) ?? now;

/** The span that can be scrubbed around a time, in ms: from before the first moment near it to a day after the last. */
export function spanOf(moments, at) {
  const near = moments.filter((moment) => Math.abs(moment - at) <= MOST_DAYS * 24 * HOUR);
  const [first, last] = [Math.min(at, ...near), Math.max(at, ...near)];
  return { start: Math.floor((first - 6 * HOUR) / HOUR) * HOUR, end: Math.ceil((last + 24 * HOUR) / HOUR) * HOUR };
}

/** "Thu 5 Mar 2026, 10:00 UTC". */
export function clockOf(at) {
  const told = new Date(at);
  const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }).format(told);
  const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" }).format(told);
  return `${day}, ${time} UTC`;
}

/** The moment before or after a time at which the chart says something new; the time itself where there is none. */
export function neighbour(moments, at, forward) {
  const found = forward ? moments.find((moment) => moment > at) : moments.findLast((moment) => moment < at);
  return found ?? at;
}

export { HOUR };
