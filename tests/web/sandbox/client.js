// A CDS client in a browser that asks as the public CDS Hooks sandbox does (github.com/cds-hooks/sandbox, 3b7e255, read
// and written anew): its requests, its tokens, which part of a suggestion it applies, and its feedback. It knows its
// services by their URL, sends its orders as they are there (a `category` that is no list, pills of whatever drug), and
// lets HTML in a card's detail through.

const parameters = new URLSearchParams(location.search);
const base = parameters.get("service");
const fhir = `${location.origin}/fhir`;
const user = "Practitioner/COREPRACTITIONER1";
const keys = `${location.origin}/.well-known/jwks.json`;
const kid = crypto.randomUUID();
const drugs = {
  anakinra: { name: "anakinra", id: "72435" },
  tocilizumab: { name: "tocilizumab", id: "612865" },
};
const severity = { info: 0, warning: 1, critical: 2 };

// What a test looks at: every request with its answer since a chart was opened, how far the `iat` of their tokens were
// ahead of the clock, and the last request with a token.
const walk = { asked: [], ahead: [], again: null };
window.walk = walk;

const services = {};
let patient;
let drug;
let pair;

// ---------------------------------------------------------------- tokens

const encoded = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const part = (value) => encoded(new TextEncoder().encode(JSON.stringify(value)));

async function publishKey() {
  pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-384" }, false, ["sign", "verify"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const set = { keys: [{ kty, crv, x, y, kid, use: "sig", alg: "ES384" }] };
  await fetch(keys, { method: "PUT", body: JSON.stringify(set) });
}

async function token(audience) {
  // Rounded times are ahead of the clock in the second half of each second: that is what a service must bear.
  while (Date.now() % 1000 < 500) await new Promise((done) => setTimeout(done, 10));
  const now = Date.now() / 1000;
  const claims = {
    iss: "https://sandbox.cds-hooks.org",
    aud: audience,
    exp: Math.round(now + 300),
    iat: Math.round(now),
    jti: crypto.randomUUID(),
  };
  walk.ahead.push(claims.iat - now);
  const message = `${part({ alg: "ES384", typ: "JWT", kid, jku: keys })}.${part(claims)}`;
  const signed = { name: "ECDSA", hash: "SHA-384" };
  const signature = await crypto.subtle.sign(signed, pair.privateKey, new TextEncoder().encode(message));
  return `${message}.${encoded(signature)}`;
}

// ---------------------------------------------------------------- requests

async function send(url, options) {
  const response = await fetch(url, options);
  const text = await response.text();
  walk.asked.push({ url, method: options.method || "GET", body: options.body, status: response.status, answer: text });
  return text ? JSON.parse(text) : null;
}

async function post(url, body) {
  const headers = {
    Accept: "application/json",
    "Content-Type": "application/json",
    Authorization: `Bearer ${await token(url)}`,
  };
  walk.again = { url, options: { method: "POST", headers, body: JSON.stringify(body) } };
  return send(url, walk.again.options);
}

async function discover() {
  const url = `${base}/cds-services`;
  const headers = { Accept: "application/json", Authorization: `Bearer ${await token(url)}` };
  for (const each of (await send(url, { headers })).services) services[`${url}/${each.id}`] = each;
  document.querySelector("#services").textContent = Object.keys(services).length;
}

// One search: repeated parameters become one list, in the order of their names.
function searched(query) {
  const found = {};
  for (const [name, value] of new URLSearchParams(query)) {
    found[name] = name in found ? `${found[name]},${value}` : value;
  }
  return new URLSearchParams(Object.entries(found).sort()).toString();
}

async function prefetched(templates) {
  const found = {};
  const ask = async ([key, template]) => {
    const filled = template
      .replace(/\{\{\s*context\.patientId\s*}}/g, patient)
      .replace(/\{\{\s*context\.userId\s*}}/g, user)
      .replace(/\{\{\s*userPractitionerId\s*}}/g, user.split("/")[1]);
    const [path, query] = filled.split("?");
    if (/\{\{/.test(path)) return;
    const headers = { Accept: "application/json+fhir" };
    const response = query
      ? await fetch(`${fhir}/${path}/_search`, {
          method: "POST",
          headers: { ...headers, "Content-Type": "application/x-www-form-urlencoded" },
          body: searched(query),
        })
      : await fetch(`${fhir}/${path}`, { headers });
    if (response.ok) found[key] = await response.json();
  };
  await Promise.all(Object.entries(templates || {}).map(ask));
  return found;
}

// ---------------------------------------------------------------- the order

function order() {
  const today = new Date().toISOString().slice(0, 10);
  const draft = {
    resourceType: "MedicationRequest",
    id: "request-123",
    status: "draft",
    subject: { reference: `Patient/${patient}` },
    authoredOn: today,
  };
  if (!drug) return draft;
  return {
    ...draft,
    dosageInstruction: [
      {
        timing: { repeat: { frequency: 1, period: 1, periodUnit: "d", boundsPeriod: { start: today } } },
        doseAndRate: [{ doseQuantity: { value: 1, system: "http://unitsofmeasure.org", code: "{pill}" } }],
      },
    ],
    dispenseRequest: {
      expectedSupplyDuration: { value: 30, unit: "days", system: "http://unitsofmeasure.org", code: "d" },
    },
    intent: "order",
    category: {
      coding: [{ system: "http://terminology.hl7.org/CodeSystem/medicationrequest-category", code: "community" }],
    },
    medicationCodeableConcept: {
      text: drug.name,
      coding: [{ display: drug.name, system: "http://www.nlm.nih.gov/research/umls/rxnorm", code: drug.id }],
    },
  };
}

async function call(hook) {
  say("asking");
  document.querySelector("#order").textContent = drug ? drug.name : "none";
  const resource = order();
  const orders = { draftOrders: { resourceType: "Bundle", entry: [{ resource }] } };
  const more = {
    "patient-view": {},
    "order-select": { selections: [`${resource.resourceType}/${resource.id}`], ...orders },
    "order-sign": orders,
  }[hook];
  const [url, service] = Object.entries(services).find(([, each]) => each.hook === hook);
  const request = { hookInstance: crypto.randomUUID(), hook, fhirServer: fhir };
  request.context = { patientId: patient, userId: user, ...more };
  request.prefetch = await prefetched(service.prefetch);
  const answer = await post(url, request);
  show(answer.cards || [], url);
  say(`${hook} answered`);
}

// ---------------------------------------------------------------- cards

const say = (text) => (document.querySelector("#state").textContent = text);

function element(parent, name, className, text = "") {
  const made = parent.appendChild(document.createElement(name));
  made.className = className;
  made.textContent = text;
  return made;
}

function show(cards, url) {
  const main = document.querySelector("#cards");
  main.replaceChildren();
  if (!cards.length) element(main, "p", "none", "No recommendations to display");
  for (const card of [...cards].sort((a, b) => severity[b.indicator] - severity[a.indicator])) {
    const shown = element(main, "article", card.indicator);
    element(shown, "h2", "summary", card.summary);
    element(shown, "a", "source", card.source.label).href = card.source.url || "#";
    element(shown, "div", "detail").innerHTML = card.detail || "";
    for (const each of card.suggestions || []) {
      element(shown, "button", "suggestion", each.label).onclick = () => take(each, card, url);
    }
    if (!card.uuid) continue;
    element(shown, "button", "dismiss", "Dismiss").onclick = () => dismiss(shown, card, url);
    for (const reason of card.overrideReasons || []) {
      element(shown, "button", "override", reason.display).onclick = () => dismiss(shown, card, url, reason);
    }
  }
}

async function give(url, item) {
  say("giving feedback");
  await post(`${url}/feedback`, { feedback: [{ ...item, outcomeTimestamp: new Date().toISOString() }] });
  say("feedback given");
}

async function take(suggestion, card, url) {
  if (suggestion.uuid && card.uuid) {
    await give(url, { card: card.uuid, outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] });
  }
  const before = JSON.stringify(order());
  apply(suggestion.actions);
  if (JSON.stringify(order()) !== before) await call("order-select");
}

// Of all actions only the first that speaks of a drug by name and code, or deletes.
function apply(actions) {
  for (const { type, resource } of actions) {
    const concept = resource && resource.medicationCodeableConcept;
    if (type === "delete") {
      drug = null;
      return;
    }
    if (concept && concept.text && concept.coding && concept.coding[0] && concept.coding[0].code) {
      drug = { name: concept.text, id: concept.coding[0].code };
      return;
    }
  }
}

async function dismiss(shown, card, url, reason) {
  const item = { card: card.uuid, outcome: "overridden" };
  if (reason) item.overrideReason = { reason: { code: reason.code, system: reason.system } };
  shown.remove();
  await give(url, item);
}

// ---------------------------------------------------------------- the page

const choose = (name) => {
  drug = drugs[name] || null;
  return call("order-select");
};
function open() {
  patient = document.querySelector("#patient").value;
  drug = null;
  walk.asked = [];
  walk.ahead = [];
  return call("patient-view");
}
document.querySelector("#patient").onchange = open;
document.querySelector("#rx").onclick = () => choose("");
document.querySelector("#sign").onclick = () => call("order-sign");
for (const name of Object.keys(drugs)) document.querySelector(`#${name}`).onclick = () => choose(name);

await publishKey();
await discover();
for (const id of parameters.getAll("patient")) document.querySelector("#patient").add(new Option(id));
await open();
