// The workbench: what is chosen (patient, time, order, what is assumed), the service's answer to it, and the page of both.

import { ask, feedback, get, newestOnly, request, timeline } from "./ask.js";
import { editor, other, turned } from "./assume.js";
import { cardsOf, explained, picture } from "./cards.js";
import { draftsOf, encounterOf, moment, momentsOf, patientsOf, signed } from "./chart.js";
import { $, h, options, segments } from "./dom.js";
import { accepted, blank, fieldsOf, orderOf, routesOf, spoken, written } from "./drafts.js";
import { prefetch } from "./prefetch.js";
import { HOUR, clockOf, neighbour, spanOf } from "./time.js";
import { flipped, listOf, ruleOf } from "./why.js";

const WIDTHS = [240, 390, 700];
const HOOKS = [
  ["order-select", "Select", "The order is being written (order-select)"],
  ["order-sign", "Sign", "The order is about to be signed (order-sign)"],
  ["patient-view", "Open chart", "Nothing is ordered (patient-view)"],
];

const state = {
  config: null,
  opened: [], // patients of files that were opened here
  patient: null,
  sent: new Map(), // hook -> prefetch
  moments: [],
  span: { start: 0, end: 1 },
  redraw: 0, // the timer of the next picture
  drafts: [],
  selected: "",
  hook: "order-select",
  at: 0,
  assumed: new Map(), // name -> {fact, value}
  before: null, // the answer without what is assumed
  answer: null,
  body: null,
  said: new Map(), // uuid of a card -> {kind, words}
  settled: "", // the last outcome, told above the cards
  width: Number(localStorage.getItem("width")) || 390,
  rule: null, // {key, id, card}, as chosen; null: that of the first card
  result: "fires",
  words: "",
};

const service = () => state.config.services.find((each) => each.hook === state.hook);
const nothing = { lines: new Map(), rules: [] };

// ---------------------------------------------------------------- asking

function bodyOf(assumed, at = state.at) {
  const { patient, hook } = state;
  const context = { userId: "Practitioner/workbench", patientId: patient.id };
  const encounter = encounterOf(patient);
  if (encounter) context.encounterId = encounter;
  const tokens = Object.fromEntries(Object.entries(context).map(([name, value]) => [`context.${name}`, value]));
  if (hook !== "patient-view") {
    context.draftOrders = { resourceType: "Bundle", type: "collection", entry: state.drafts.map((resource) => ({ resource })) };
    const draft = state.drafts.find((each) => each.id === state.selected);
    if (hook === "order-select") context.selections = draft ? [`${draft.resourceType}/${draft.id}`] : [];
  }
  if (!state.sent.has(hook)) {
    state.sent.set(hook, prefetch(service().prefetch, signed(patient), tokens, patient.withhold));
  }
  return request({ hook, context, prefetch: state.sent.get(hook), at, assumed });
}

const asking = newestOnly(async () => {
  const began = performance.now();
  try {
    const assumed = Object.fromEntries([...state.assumed].map(([name, { value }]) => [name, value]));
    state.before = state.assumed.size ? await ask(service().id, bodyOf({})) : null;
    state.body = bodyOf(assumed);
    state.answer = await ask(service().id, state.body);
    showAnswer();
    const took = Math.round(performance.now() - began);
    $("took").textContent = `answered and shown in ${took} ms`;
    performance.measure("step", { start: began });
  } catch (error) {
    showFailure(error);
  }
});

/** Ask again: something that is asked of has changed, or the time. */
function again() {
  showTime();
  if (state.patient) asking();
}

const drawing = newestOnly(async () => {
  const { start, end } = state.span;
  try {
    const drawn = await timeline(service().id, bodyOf({}, end), start);
    $("picture").replaceChildren(drawn ? picture(drawn) : h("p", { class: "muted" }, "No course: the order is none of this service's."));
    fit();
  } catch (error) {
    $("picture").replaceChildren(h("p", { class: "muted" }, `No picture: ${error.message}`));
  }
});

/** Words that their block has no room for say less than none: the block's title has them whole. */
function fit() {
  for (const block of $("picture").querySelectorAll("svg svg")) {
    const text = block.querySelector("text");
    if (text) text.style.visibility = text.getComputedTextLength() + 9 > block.getBoundingClientRect().width ? "hidden" : "";
  }
}

/** Draw the course again a little later: what is ordered has changed, and so have the answers of every hour. */
function redraw(after) {
  clearTimeout(state.redraw);
  state.redraw = setTimeout(drawing, after);
}

// ---------------------------------------------------------------- patient

async function choose(id) {
  const opened = state.opened.find((each) => each.key === id);
  if (opened) return begin(opened);
  const told = state.config.patients.find((each) => each.id === id);
  if (!told) return undefined;
  const bundle = await get(`patients/${encodeURIComponent(id)}`);
  const [patient] = patientsOf([{ name: "example", text: JSON.stringify(bundle) }]);
  return begin({ ...patient, ...told, key: id, withhold: told.withhold ?? [] });
}

function begin(patient) {
  state.patient = patient;
  state.sent.clear();
  state.said.clear();
  state.settled = "";
  state.assumed.clear();
  state.rule = null;
  state.moments = momentsOf(patient.resources);
  state.at = moment(patient.at) ?? state.moments.at(-1) ?? Date.now();
  state.hook = patient.hook ?? "order-select";
  state.drafts = draftsOf(patient);
  if (!state.drafts.length) state.drafts = [blank(state.config.orders[0], patient.id)];
  state.selected = state.drafts[0].id;
  state.span = spanOf(state.moments, state.at);
  Object.assign($("scrubber"), { min: String(state.span.start / HOUR), max: String(state.span.end / HOUR), step: "any" });
  $("picture").replaceChildren(h("p", { class: "muted" }, "Drawing the course …"));
  history.replaceState(null, "", `#${encodeURIComponent(patient.key)}`);
  showPatient();
  showOrder();
  showAssumed();
  again();
  redraw(0);
}

function showPatient() {
  const { patient } = state;
  const person = patient.resources.find((each) => each.resourceType === "Patient") ?? {};
  const born = moment(person.birthDate);
  const years = born === null ? null : Math.floor((state.at - born) / (365.25 * 24 * HOUR));
  $("story").textContent = patient.story;
  $("who").textContent = [patient.id, person.gender, years === null ? "" : `${years} years`, `${patient.resources.length} resources`]
    .filter(Boolean)
    .join(" · ");
  showPatients();
}

function showPatients() {
  const words = $("search").value.toLowerCase();
  const fits = (each) => `${each.story} ${each.id} ${each.decision ?? ""}`.toLowerCase().includes(words);
  const groups = [
    ["Opened here", state.opened],
    ["Whole courses", state.config.patients.filter((each) => each.group === "patients")],
    ["One for each further card", state.config.patients.filter((each) => each.group !== "patients")],
  ];
  const current = state.patient?.key;
  const row = (each) =>
    h(
      "li",
      {},
      h(
        "button",
        { type: "button", "aria-current": (each.key ?? each.id) === current ? "true" : null, onclick: () => choose(each.key ?? each.id) },
        h("span", {}, each.story),
        each.decision ? h("span", { class: "decision" }, each.decision) : null,
      ),
    );
  $("patients").replaceChildren(
    ...groups
      .map(([title, rows], number) => [title, rows.filter(fits), number])
      .filter(([, rows]) => rows.length)
      .map(([title, rows, number]) =>
        h("details", { open: number < 2 || words !== "" || rows.some((each) => each.id === current) }, h("summary", {}, `${title} (${rows.length})`), h("ul", {}, rows.map(row))),
      ),
  );
  const every = groups.flatMap(([, rows]) => rows);
  options($("patient-select"), every.map((each) => [each.key ?? each.id, each.story]), current);
}

async function open(files) {
  try {
    const texts = await Promise.all([...files].map(async (file) => ({ name: file.name, text: await file.text() })));
    const found = patientsOf(texts).map((each) => ({ ...each, key: `file:${each.id}`, withhold: [] }));
    state.opened = [...found, ...state.opened.filter((each) => !found.some((other) => other.key === each.key))];
    begin(found[0]);
  } catch (error) {
    showFailure(error);
  }
}

// ---------------------------------------------------------------- time

function showTime() {
  const clock = clockOf(state.at);
  $("clock").textContent = clock;
  $("scrubber").value = String(state.at / HOUR);
  $("scrubber").setAttribute("aria-valuetext", clock);
  const { start, end } = state.span;
  $("course").style.setProperty("--share", String((state.at - start) / (end - start)));
}

function goTo(at) {
  state.at = at;
  again();
}

// ---------------------------------------------------------------- order

function showOrder() {
  const { orders } = state.config;
  segments($("hooks"), HOOKS, state.hook, (hook) => {
    state.hook = hook;
    showOrder();
    again();
    redraw(0);
  });
  const ordering = state.hook !== "patient-view";
  $("composer").hidden = !ordering;
  $("no-order").hidden = ordering;
  $("drafts").hidden = !ordering || state.drafts.length < 2;
  const draft = state.drafts.find((each) => each.id === state.selected);
  if (!draft) return;
  const fields = fieldsOf(draft, orders);
  const known = orders.map((each) => [each.id, each.title]);
  options($("drug"), fields.drug ? known : [["", spoken(draft, orders)], ...known], fields.drug);
  const routes = orderOf(draft, orders)?.routes ?? routesOf(orders).filter((route, n, all) => all.findIndex((r) => r.short === route.short) === n);
  options($("route"), [["", "–"], ...routes.map((route) => [route.short, route.short])], fields.route);
  for (const name of ["dose", "every", "days"]) $(name).value = String(fields[name]);
  $("drafts").replaceChildren(
    h("span", { class: "muted" }, "Drafts:"),
    ...state.drafts.map((each) =>
      h("button", { type: "button", "aria-pressed": String(each.id === state.selected), onclick: () => select(each.id) }, spoken(each, orders)),
    ),
  );
}

function select(id) {
  state.selected = id;
  showOrder();
  again();
  redraw(0);
}

function compose() {
  const fields = Object.fromEntries(["drug", "dose", "route", "every", "days"].map((name) => [name, $(name).value]));
  state.drafts = state.drafts.map((each) => (each.id === state.selected ? written(each, fields, state.config.orders) : each));
  state.settled = "";
  $("drafts").hidden = state.drafts.length < 2;
  again();
  redraw(500);
}

// ---------------------------------------------------------------- cards

async function tell(card, item, words) {
  if (!state.config.feedback) return `${words} No feedback is taken here.`;
  try {
    await feedback(service().id, { card: card.uuid, ...item });
    return `${words} Feedback sent.`;
  } catch (error) {
    return `${words} Feedback could not be sent: ${error.message}`;
  }
}

async function accept(card, suggestion) {
  const next = accepted(state.drafts, suggestion, state.selected);
  const told = await tell(card, { outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] }, `Accepted: ${suggestion.label}.`);
  Object.assign(state, next);
  state.settled = `${told} The draft is changed, and the service was asked about it again.`;
  showOrder();
  again();
  redraw(0);
}

async function override(card, reason, comment) {
  const { code, system, display } = reason;
  const overrideReason = { reason: { code, system, display }, ...(comment ? { userComment: comment } : {}) };
  const told = await tell(card, { outcome: "overridden", overrideReason }, `Overridden: ${display}.`);
  state.said.set(card.uuid, { kind: "overridden", words: told });
  showCards();
}

function showCards() {
  const { answer } = state;
  const shown = answer.cards.length ? answer.cards : (answer.heldBack ?? []);
  const lead = shown.find((card) => card.uuid === state.rule?.card) ?? shown[0];
  $("cards").replaceChildren(...cardsOf(shown, { accept, override, why: whyCard }, state.said, lead?.uuid));
  $("panel").style.setProperty("--width", `${state.width}px`);
  const silent = answer.silent ? "Silent here: a CDS client gets no card of these. " : "";
  const none = shown.length ? "" : "No card: the service has nothing to say, and an EHR shows nothing. ";
  $("notice").textContent = `${silent}${none}${state.settled}`;
  $("notice").classList.toggle("good", Boolean(state.settled) && !silent);
  const decision = lead ? `${explained(lead).decision}: ${lead.summary}` : "no card";
  if ($("live").textContent !== decision) $("live").textContent = decision;
}

// ---------------------------------------------------------------- why

const on = { rule: showRuleOf, resource: showResource, brief, assume };

/** A reference without what its id shares with that of every other resource of the patient. */
function brief(reference) {
  const [kind, id] = reference.split("/");
  const shared = `${state.patient.id}-`;
  return id?.startsWith(shared) ? `${kind}/${id.slice(shared.length)}` : reference;
}

function whyCard(card) {
  const { rule } = explained(card);
  const order = state.answer.orders.find((each) => each.rules.some((other) => other.id === rule));
  state.rule = { key: order?.key, id: rule, card: card.uuid };
  showCards();
  showWhy();
  $("rule").focus();
}

function showRuleOf(order, id) {
  state.rule = { key: order.key, id };
  showWhy();
  $("rule").focus();
}

/** The rule that is shown: the chosen one, else that of the first card, else the first that fires. */
function shownRule() {
  const { orders, cards, heldBack } = state.answer;
  const wanted = [state.rule, { id: explained((cards[0] ?? heldBack?.[0]) ?? {}).rule }].filter((each) => each?.id);
  for (const { key, id } of wanted) {
    for (const order of orders) {
      const rule = order.rules.find((each) => each.id === id);
      if (rule && (key === undefined || key === order.key)) return { order, rule };
    }
  }
  const order = orders[0];
  const rule = order?.rules.find((each) => each.result === "fires") ?? order?.rules[0];
  return rule ? { order, rule } : null;
}

function showWhy() {
  const { answer, before } = state;
  const flips = before ? flipped(before, answer) : nothing;
  const shown = shownRule();
  $("rule").tabIndex = -1;
  if (!shown) {
    $("rule").replaceChildren(h("p", { class: "muted" }, "The order is none of this service's: no rule is asked."));
    $("rules").replaceChildren();
    return;
  }
  const { order, rule } = shown;
  const trouble = [order.failure, ...order.disagreements].filter(Boolean).join(", ");
  $("rule").replaceChildren(
    ...(trouble ? [h("p", { class: "notice" }, `Could not be evaluated: ${trouble}`)] : []),
    ...ruleOf(order, rule, flips, on),
  );
  showRules(order, rule);
  if (before) $("whatif").querySelector(".turned")?.replaceChildren(...turned(before, answer, flips, on));
}

function showRules(order, rule) {
  const count = (result) => order.rules.filter((each) => each.result === result).length;
  const tabs = h("div", { class: "segments", role: "group", "aria-label": "Rules by what became of them" });
  const list = h("ul", { class: "list" }, listOf(order, state.result, state.words, rule.id, on));
  const search = h("input", {
    type: "search", "aria-label": "Search the rules", placeholder: "Search the rules", value: state.words,
    oninput: () => {
      state.words = search.value;
      list.replaceChildren(...listOf(order, state.result, state.words, rule.id, on));
    },
  });
  const rows = [["fires", `Fire ${count("fires")}`], ["unknown", `Unknown ${count("unknown")}`], ["silent", `Silent ${count("silent")}`], ["all", "All"]];
  segments(tabs, rows, state.result, (result) => {
    state.result = result;
    showWhy();
  });
  const several = state.answer.orders.length > 1
    ? h("div", { class: "segments", role: "group", "aria-label": "Order" }, state.answer.orders.map((each) =>
        h("button", { type: "button", "aria-pressed": String(each === order), onclick: () => { state.rule = { key: each.key, id: each.rules[0]?.id }; showWhy(); } }, each.key)))
    : null;
  const focused = document.activeElement?.type === "search" && $("rules").contains(document.activeElement);
  $("rules").replaceChildren(h("h3", {}, "Every rule"), h("div", { class: "head" }, tabs, several, search), list);
  if (focused) search.focus();
}

function showResource(reference) {
  const [kind, id] = reference.split("/").slice(-2);
  const every = [...state.patient.resources, ...state.drafts];
  const found = every.find((each) => each.resourceType === kind && each.id === id);
  $("resource-title").textContent = reference;
  $("resource").querySelector("pre").textContent = found ? JSON.stringify(found, null, 2) : "It is not in the chart that was sent.";
  $("resource").showModal();
}

// ---------------------------------------------------------------- what if

function assume(name, fact) {
  const chart = state.assumed.get(name)?.fact ?? fact;
  state.assumed.set(name, { fact: chart, value: other(chart) });
  showAssumed();
  $(`assume-${name}`).focus();
  again();
}

function showAssumed() {
  const change = (name, value) => {
    state.assumed.get(name).value = value;
    again();
  };
  const drop = (name) => {
    state.assumed.delete(name);
    showAssumed();
    again();
  };
  const reset = () => {
    state.assumed.clear();
    showAssumed();
    again();
  };
  $("whatif").hidden = !state.assumed.size;
  $("whatif").replaceChildren(...(state.assumed.size ? editor(state.assumed, change, drop, reset) : []));
}

// ---------------------------------------------------------------- answer

function showAnswer() {
  showCards();
  showWhy();
  showRaw();
}

function showRaw() {
  const response = { cards: state.answer.cards };
  for (const [id, content, told] of [["request", state.body, `POST /cds-services/${service().id}`], ["response", response, `${response.cards.length} cards`]]) {
    const text = JSON.stringify(content);
    $(id).querySelector("summary .muted").textContent = `${told}, ${Math.ceil(text.length / 1024)} kB`;
    // Text of a hundred thousand characters takes longer to lay out than the whole answer: only where it is looked at.
    if ($(id).open) $(id).querySelector("pre").textContent = JSON.stringify(content, null, 2);
  }
}

function showFailure(error) {
  $("notice").classList.remove("good");
  $("notice").textContent = `Not answered: ${error.message}`;
  $("live").textContent = $("notice").textContent;
}

function showWidths() {
  segments($("widths"), WIDTHS.map((width) => [width, `${width} px`]), state.width, (width) => {
    state.width = width;
    localStorage.setItem("width", String(width));
    showWidths();
    $("panel").style.setProperty("--width", `${width}px`);
  });
}

// ---------------------------------------------------------------- begin

function theme() {
  const kinds = ["auto", "light", "dark"];
  let chosen = localStorage.getItem("theme") ?? "auto";
  const show = () => {
    document.documentElement.dataset.theme = chosen;
    $("theme").textContent = `Theme: ${chosen}`;
  };
  $("theme").addEventListener("click", () => {
    chosen = kinds[(kinds.indexOf(chosen) + 1) % kinds.length];
    localStorage.setItem("theme", chosen);
    show();
  });
  show();
}

function listen() {
  $("search").addEventListener("input", showPatients);
  $("patient-select").addEventListener("change", (event) => choose(event.target.value));
  $("scrubber").addEventListener("input", (event) => goTo(Math.round(Number(event.target.value)) * HOUR));
  $("scrubber").addEventListener("keydown", (event) => {
    const hours = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -6, PageUp: 6 }[event.key];
    if (hours === undefined) return;
    event.preventDefault();
    const { min, max } = event.target;
    goTo(Math.min(Math.max(state.at + hours * HOUR, Number(min) * HOUR), Number(max) * HOUR));
  });
  $("before").addEventListener("click", () => goTo(neighbour(state.moments, state.at, false)));
  $("after").addEventListener("click", () => goTo(neighbour(state.moments, state.at, true)));
  for (const kind of ["pointerdown", "pointermove"]) {
    $("course").addEventListener(kind, (event) => {
      if (event.buttons !== 1 || event.target.closest("a, button")) return;
      const box = $("course").getBoundingClientRect();
      const share = Math.min(Math.max(((event.clientX - box.left) / box.width - 0.015) / 0.97, 0), 1);
      const { start, end } = state.span;
      goTo(Math.round((start + share * (end - start)) / HOUR) * HOUR);
    });
  }
  $("whole").addEventListener("click", () => {
    const open = $("course").classList.toggle("whole");
    $("whole").setAttribute("aria-expanded", String(open));
    $("whole").textContent = open ? "Less of the course" : "Whole course";
  });
  window.addEventListener("resize", fit);
  $("composer").addEventListener("input", compose);
  $("drug").addEventListener("change", () => {
    compose();
    showOrder();
  });
  $("composer").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["request", "response"]) $(id).addEventListener("toggle", showRaw);
  $("files").addEventListener("change", (event) => open(event.target.files));
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      if (kind === "drop" && event.dataTransfer.files.length) open(event.dataTransfer.files);
    });
  }
}

async function start() {
  theme();
  showWidths();
  try {
    state.config = await get("config");
  } catch (error) {
    showFailure(error);
    return;
  }
  listen();
  const wanted = decodeURIComponent(location.hash.slice(1));
  const ids = state.config.patients.map((each) => each.id);
  if (ids.length) await choose(ids.includes(wanted) ? wanted : ids[0]);
  else {
    $("story").textContent = "Open a FHIR bundle";
    showPatients();
  }
}

start();
