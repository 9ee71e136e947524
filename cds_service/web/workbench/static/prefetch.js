// Answers a service's prefetch templates from a chart, as the FHIR server of an EHR would: reads, and searches by patient
// and token with _sort and _count. A test compares it with the replay's.

import { moment, patientOf } from "./chart.js";

const BASE = "https://fhir.example.org/r4";
const TOKENS = {
  category: "category", "clinical-status": "clinicalStatus", code: "code", status: "status", type: "type",
  "vaccine-code": "vaccineCode", "verification-status": "verificationStatus",
};
const DATES = {
  "abatement-date": ["abatementDateTime", "abatementPeriod"],
  authored: ["authoredOn"],
  authoredon: ["authoredOn"],
  date: [
    "effectiveDateTime", "effectiveInstant", "effectivePeriod", "performedDateTime", "performedPeriod",
    "occurrenceDateTime", "occurrencePeriod", "period", "recordedDate", "date",
  ],
  effective: ["effectiveDateTime", "effectivePeriod"],
  "effective-time": ["effectiveDateTime", "effectivePeriod"],
  issued: ["issued"],
  "onset-date": ["onsetDateTime", "onsetPeriod"],
  "recorded-date": ["recordedDate"],
};
const MEDICATIONS = new Set(["MedicationRequest", "MedicationAdministration", "MedicationStatement"]);

/** The prefetch of a call: key -> resource or searchset. Keys whose resource type is in `withhold` are left out. */
export function prefetch(templates, resources, context, withhold = []) {
  const found = {};
  for (const [key, template] of Object.entries(templates)) {
    const tokens = [...template.matchAll(/\{\{\s*([A-Za-z.]+)\s*\}\}/g)];
    if (!tokens.every(([, name]) => name in context)) continue;
    const query = template.replace(/\{\{\s*([A-Za-z.]+)\s*\}\}/g, (_, name) => context[name]);
    const kind = query.split(/[?/]/, 1)[0];
    if (withhold.includes(kind) || withhold.includes(key)) continue;
    const result = query.includes("?") ? search(query, resources) : read(query, resources);
    if (result) found[key] = result;
  }
  return found;
}

function read(query, resources) {
  const [kind, id] = query.split("/");
  return resources.find((r) => r.resourceType === kind && r.id === id) ?? null;
}

function search(query, resources) {
  const kind = query.slice(0, query.indexOf("?"));
  const tests = [];
  let sort = "";
  let count = Infinity;
  for (const [name, value] of new URLSearchParams(query.slice(query.indexOf("?") + 1))) {
    if (name === "_sort") sort = value;
    else if (name === "_count") count = Number(value);
    else tests.push(test(kind, name, value));
  }
  const matches = resources.filter((r) => r.resourceType === kind && tests.every((each) => each(r)));
  for (const rule of sort ? sort.split(",").reverse() : []) ordered(matches, rule);
  return searchset(query, matches, count);
}

function test(kind, name, value) {
  if (name === "patient" || name === "subject") {
    const patient = value.replace(/^Patient\//, "");
    return (resource) => patientOf(resource) === patient;
  }
  if (!(name in TOKENS)) throw new Error(`a prefetch template searches by ${name}, which the workbench cannot`);
  const element = name === "code" && MEDICATIONS.has(kind) ? "medicationCodeableConcept" : TOKENS[name];
  const wanted = (value.match(/(?:[^\\,]|\\.)+/g) ?? []).map(token);
  return (resource) =>
    codings(resource[element]).some(([system, code]) =>
      wanted.some(([s, c]) => (s === null || s === system) && (c === "" || c === code)),
    );
}

/** `system|code` -> both; `code` -> any system; `|code` -> no system. */
function token(text) {
  const plain = (part) => part.replace(/\\(.)/g, "$1");
  const [, system, bar, code] = /^(?:((?:[^\\|]|\\.)*)(\|))?((?:[^\\]|\\.)*)$/.exec(text) ?? [null, "", "", text];
  return [bar ? plain(system ?? "") : null, plain(code)];
}

function codings(value) {
  if (typeof value === "string") return [["", value]];
  if (Array.isArray(value)) return value.flatMap(codings);
  if (value === null || typeof value !== "object") return [];
  if ("coding" in value) return codings(value.coding);
  return "code" in value ? [[String(value.system ?? ""), String(value.code)]] : [];
}

function ordered(matches, rule) {
  const name = rule.replace(/^-/, "");
  const elements = DATES[name];
  const key =
    name === "_id" ? (r) => String(r.id ?? "")
    : name === "_lastUpdated" ? (r) => moment(r.meta?.lastUpdated) ?? -Infinity
    : (r) => moment(r[elements.find((element) => element in r)]) ?? -Infinity;
  const turn = rule.startsWith("-") ? -1 : 1;
  matches.sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    return left === right ? 0 : left < right ? -turn : turn;
  });
}

function searchset(query, matches, count) {
  const page = matches.slice(0, count);
  const link = [{ relation: "self", url: `${BASE}/${query}` }];
  if (page.length < matches.length) link.push({ relation: "next", url: `${BASE}/${query}&_offset=${page.length}` });
  const bundle = { resourceType: "Bundle", type: "searchset", total: matches.length, link };
  if (page.length) bundle.entry = page.map(entry);
  return bundle;
}

function entry(resource) {
  const told = { resource, search: { mode: "match" } };
  if ("id" in resource) told.fullUrl = `${BASE}/${resource.resourceType}/${resource.id}`;
  return told;
}
