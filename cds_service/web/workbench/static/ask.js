// Calls to the service: as its CDS client, and as the workbench that may choose the time.

// This file lies one folder below the workbench, in that of its edition.
const here = (path) => new URL(`../${path}`, import.meta.url);

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

const RETRY_MS = 1000;

/** The answer to a post; asked once more where the service has no room for it now. Throws an Error in its words. */
async function post(url, body) {
  const send = () =>
    fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  let response = await send();
  if (response.status === 503) {
    await new Promise((go) => setTimeout(go, RETRY_MS));
    response = await send();
  }
  if (response.ok) return response;
  const told = await response.json();
  throw new Error(told.issue?.[0]?.diagnostics ?? `the service answered ${response.status}`);
}

export const ask = async (serviceId, body) => (await post(here(`cds-services/${serviceId}`), body)).json();

/** The picture of a patient's course from `since` to the time of the body, as SVG; "" where none of the orders is ours. */
export async function timeline(serviceId, body, since) {
  const url = here(`timeline/${serviceId}`);
  url.searchParams.set("since", new Date(since).toISOString());
  return (await post(url, body)).text();
}

/** Feedback on a card, to the endpoint of the service itself; repeats of it change nothing there. */
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
