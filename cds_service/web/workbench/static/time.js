// The time scrubber: hours along a chart, with the moments at which it says something new.

const HOUR = 3600e3;
const MOST_DAYS = 45; // of a chart, before its last moment

/** The span that can be scrubbed, in ms: from the day before the first moment to a day after the last, by hours. */
export function spanOf(moments, at) {
  const last = Math.max(moments.at(-1) ?? at, at);
  const first = moments.find((moment) => moment >= last - MOST_DAYS * 24 * HOUR) ?? last;
  const start = Math.floor((Math.min(first, at) - 6 * HOUR) / HOUR) * HOUR;
  return { start, end: Math.ceil((last + 24 * HOUR) / HOUR) * HOUR };
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
