// Patients' charts from FHIR bundles and NDJSON, as the replay of this project reads them.

const OWNERS = ["subject", "patient", "beneficiary", "for"];
const TIMES = [
  "effectiveDateTime", "effectiveInstant", "effectivePeriod", "performedDateTime", "performedPeriod",
  "occurrenceDateTime", "onsetDateTime", "onsetPeriod", "abatementDateTime", "recordedDate", "authoredOn", "issued",
  "dateAsserted", "recorded",
];

/** The patients of some texts ({name, text}): [{id, story, resources, source}]. Throws an Error that names the file. */
export function patientsOf(files) {
  const found = [];
  const lines = [];
  for (const { name, text } of files) {
    const clean = text.replace(/^\uFEFF/, "");
    const whole = parsed(clean);
    if (whole?.resourceType === "Bundle") found.push(...ofBundle(whole, name));
    else lines.push(...(whole?.resourceType ? [whole] : ndjson(clean, name)));
  }
  if (!lines.length && !found.length) throw new Error(`${files.map((file) => file.name).join(", ")}: holds no FHIR resource`);
  return lines.length ? [...found, ...byPatient(lines, "", files.map((file) => file.name).join(", "))] : found;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function ndjson(text, name) {
  return text.split("\n").flatMap((line, number) => {
    if (!line.trim()) return [];
    const resource = parsed(line);
    if (typeof resource?.resourceType !== "string") throw new Error(`${name}: line ${number + 1} is no FHIR resource`);
    return [resource];
  });
}

function ofBundle(bundle, name) {
  const rows = [...entries(bundle)];
  const links = new Map(rows.filter(([url, r]) => url && r.id).map(([url, r]) => [url, `${r.resourceType}/${r.id}`]));
  const story = (bundle.meta?.tag ?? []).find((tag) => typeof tag?.display === "string")?.display ?? "";
  return byPatient(rows.map(([, resource]) => resolved(resource, links)), story, name);
}

function* entries(bundle) {
  for (const entry of Array.isArray(bundle.entry) ? bundle.entry : []) {
    const resource = entry?.resource;
    if (typeof resource?.resourceType !== "string") continue;
    if (resource.resourceType === "Bundle") {
      yield* entries(resource);
      continue;
    }
    const url = typeof entry.fullUrl === "string" ? entry.fullUrl : "";
    const unnamed = !("id" in resource) && url.startsWith("urn:uuid:");
    yield [url, unnamed ? { ...resource, id: url.slice("urn:uuid:".length) } : resource];
  }
}

/** A copy in which every reference that is a fullUrl reads `Type/id`. */
function resolved(value, links) {
  if (Array.isArray(value)) return value.map((item) => resolved(item, links));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === "reference" && typeof item === "string" ? (links.get(item) ?? item) : resolved(item, links),
    ]),
  );
}

/** The id of the patient whom a resource is about; null where it names none. */
export function patientOf(resource) {
  if (resource.resourceType === "Patient") return "id" in resource ? String(resource.id) : null;
  for (const element of OWNERS) {
    const target = resource[element]?.reference;
    if (typeof target !== "string") continue;
    const parts = target.split("/_history/")[0].split("/");
    if (parts.length >= 2 && parts.at(-2) === "Patient") return parts.at(-1);
  }
  return null;
}

function byPatient(resources, story, source) {
  const ids = new Set(resources.filter((r) => r.resourceType === "Patient" && "id" in r).map((r) => String(r.id)));
  if (!ids.size) throw new Error(`${source}: holds no Patient with an id`);
  const shared = resources.filter((resource) => patientOf(resource) === null);
  return [...ids].map((id) => ({
    id,
    story: story || `Patient ${id}`,
    source,
    resources: [...resources.filter((resource) => patientOf(resource) === id), ...shared],
  }));
}

/** Milliseconds of a FHIR date, dateTime, instant or the begin of a Period; null where there is none. UTC where no zone. */
export function moment(value) {
  if (value && typeof value === "object") return moment(value.start || value.end);
  if (typeof value !== "string") return null;
  const zoned = /T/.test(value) && !/(Z|[+-]\d\d:\d\d)$/i.test(value) ? `${value}Z` : value;
  const time = Date.parse(zoned);
  return Number.isNaN(time) ? null : time;
}

/** Every moment at which a chart says something new, in order. */
export function momentsOf(resources) {
  const found = new Set();
  for (const resource of resources) {
    for (const element of TIMES) {
      const value = resource[element];
      if (value === undefined) continue;
      for (const each of typeof value === "object" ? [value.start, value.end] : [value]) {
        const time = moment(each);
        if (time !== null) found.add(time);
      }
    }
  }
  return [...found].sort((a, b) => a - b);
}

const isDraft = (r) => r.resourceType === "MedicationRequest" && r.status === "draft";

/** What the FHIR server of an EHR has: unsigned orders live in the session only. */
export const signed = (patient) => patient.resources.filter((resource) => !isDraft(resource));
export const draftsOf = (patient) => patient.resources.filter((resource) => isDraft(resource) && "id" in resource);

/** The id of the newest encounter in progress, or null. */
export function encounterOf(patient) {
  const running = patient.resources.filter((r) => r.resourceType === "Encounter" && r.status === "in-progress" && r.id);
  running.sort((a, b) => (moment(b.period) ?? -Infinity) - (moment(a.period) ?? -Infinity));
  return running[0]?.id ?? null;
}
