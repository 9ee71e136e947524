// The patients: the examples, those of files that are opened here, and what becomes of the page where one is picked.

import { get } from "./ask.js";
import { draftsOf, moment, momentsOf, patientsOf } from "./chart.js";
import { $, h, options } from "./dom.js";
import { blank } from "./drafts.js";
import { showOrder } from "./order.js";
import { showNotice } from "./panel.js";
import { showAssumed } from "./reasons.js";
import { changed, state } from "./state.js";
import { HOUR, latest, spanOf } from "./time.js";

export async function choose(id) {
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
  state.at = moment(patient.at) ?? latest(state.moments, Date.now());
  state.hook = patient.hook ?? "order-select";
  state.drafts = draftsOf(patient);
  if (!state.drafts.length) state.drafts = [blank(state.config.orders[0], patient.id)];
  state.selected = state.drafts[0].id;
  state.span = spanOf(state.moments, state.at);
  state.moments = state.moments.filter((each) => each >= state.span.start && each <= state.span.end);
  Object.assign($("scrubber"), { min: String(state.span.start / HOUR), max: String(state.span.end / HOUR), step: "any" });
  $("picture").replaceChildren(h("p", { class: "muted" }, "Drawing the course …"));
  history.replaceState(null, "", `#${encodeURIComponent(patient.key)}`);
  showPatient();
  showOrder();
  showAssumed();
  changed(0);
}

function showPatient() {
  const { patient } = state;
  const person = patient.resources.find((each) => each.resourceType === "Patient") ?? {};
  const born = moment(person.birthDate);
  const years = born === null || born > state.at ? null : Math.floor((state.at - born) / (365.25 * 24 * HOUR));
  $("story").textContent = patient.story;
  $("who").textContent = [patient.id, person.gender, years === null ? "" : `${years} years`, `${patient.resources.length} resources`]
    .filter(Boolean)
    .join(" · ");
  showPatients();
}

export function showPatients() {
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
    state.refused = `Not opened: ${error.message} `;
    showNotice();
  }
}

export function listenToFiles() {
  $("search").addEventListener("input", showPatients);
  $("patient-select").addEventListener("change", (event) => choose(event.target.value));
  $("files").addEventListener("change", (event) => open(event.target.files));
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      if (kind === "drop" && event.dataTransfer.files.length) open(event.dataTransfer.files);
    });
  }
}
