// Calls to the service: as its CDS client, and as the workbench that may choose the time.

const here = (path) => new URL(path, import.meta.url);

export async function get(path) {
  const response = await fetch(here(path));
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

/** The request as a CDS client sends it, with the time and what is assumed on top. */
export function request({ hook, context, prefetch, at, assumed }) {
  const extension = { "org.anakinra-cds.evaluation-time": new Date(at).toISOString() };
  if (Object.keys(assumed).length) extension["org.anakinra-cds.assumed"] = assumed;
  return { hook, hookInstance: crypto.randomUUID(), context, prefetch, extension };
}

async function post(url, body) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const told = await response.json();
  if (!response.ok) throw new Error(told.issue?.[0]?.diagnostics ?? `the service answered ${response.status}`);
  return told;
}

/** The picture of a patient's course from `since` to the time of the body, as SVG; "" where none of the orders is ours. */
export async function timeline(serviceId, body, since) {
  const url = here(`timeline/${serviceId}`);
  url.searchParams.set("since", new Date(since).toISOString());
  const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error((await response.json()).issue?.[0]?.diagnostics ?? String(response.status));
  return response.status === 204 ? "" : response.text();
}

export const ask = (serviceId, body) => post(here(`cds-services/${serviceId}`), body);

/** Feedback on a card, to the endpoint of the service itself. */
export const feedback = (serviceId, item) =>
  post(here(`../cds-services/${serviceId}/feedback`), {
    feedback: [{ ...item, outcomeTimestamp: new Date().toISOString() }],
  });

/** `run` for the newest of the jobs that come while one is under way; those between are left out. */
export function newestOnly(run) {
  let busy = false;
  let next = null;
  return async function begin(job) {
    next = { job };
    if (busy) return;
    busy = true;
    try {
      while (next) {
        const { job: mine } = next;
        next = null;
        await run(mine);
      }
    } finally {
      busy = false;
    }
  };
}
