// What is chosen and what was answered, and who is told when what is asked has changed.

import { request } from "./ask.js";
import { encounterOf, signed } from "./chart.js";
import { prefetch } from "./prefetch.js";

export const state = {
  config: null,
  opened: [], // patients of files that were opened here
  patient: null,
  sent: new Map(), // hook -> prefetch
  moments: [],
  span: { start: 0, end: 1 },
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
  refused: "", // why a file was not opened, until something else is asked
  width: Number(localStorage.getItem("width")) || 390,
  rule: null, // {key, id, card}, as chosen; null: that of the first card
  result: "fires",
  words: "",
};

export const service = () => state.config.services.find((each) => each.hook === state.hook);

/** The request as a CDS client would send it, with the time and what is assumed on top. */
export function bodyOf(assumed, at = state.at) {
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

const told = [];

/** `act` is called whenever what is asked has changed, with the ms after which the course is to be drawn again; null: only
 * the time has changed, and the course has not. */
export const onChange = (act) => told.push(act);
export const changed = (later) => told.forEach((act) => act(later));
