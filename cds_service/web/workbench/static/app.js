// The workbench: asks the service whenever what is asked has changed, and shows what it answers.

import { ask, get, newestOnly } from "./ask.js";
import { listenToTime, redraw, showTime } from "./course.js";
import { $ } from "./dom.js";
import { listenToOrder } from "./order.js";
import { showCards, showFailure, showWidths } from "./panel.js";
import { choose, listenToFiles, showPatients } from "./patients.js";
import { showWhy } from "./reasons.js";
import { bodyOf, onChange, service, state } from "./state.js";

const asking = newestOnly(async () => {
  const began = performance.now();
  try {
    const assumed = Object.fromEntries([...state.assumed].map(([name, { value }]) => [name, value]));
    const [{ patient }, { id }, body] = [state, service(), bodyOf(assumed)];
    const before = state.assumed.size ? await ask(id, bodyOf({})) : null;
    const answer = await ask(id, body);
    if (patient !== state.patient) return; // another one was picked meanwhile
    Object.assign(state, { before, body, answer });
    showAnswer();
    const took = Math.round(performance.now() - began);
    $("took").textContent = `answered and shown in ${took} ms`;
    performance.measure("step", { start: began });
  } catch (error) {
    showFailure(error);
  }
});

onChange((later) => {
  state.refused = "";
  if (!state.patient) return;
  showTime();
  asking();
  if (later !== null) redraw(later);
});

function showAnswer() {
  showCards();
  showWhy();
  showRaw();
}

function showRaw() {
  const response = { cards: state.answer.cards };
  for (const [id, content, told] of [["request", state.body, `POST /cds-services/${service().id}`], ["response", response, `${response.cards.length} ${response.cards.length === 1 ? "card" : "cards"}`]]) {
    const text = JSON.stringify(content);
    $(id).querySelector("summary .muted").textContent = `${told}, ${Math.ceil(text.length / 1024)} kB`;
    // Text of a hundred thousand characters takes longer to lay out than the whole answer: only where it is looked at.
    if ($(id).open) $(id).querySelector("pre").textContent = JSON.stringify(content, null, 2);
  }
}

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

async function start() {
  theme();
  showWidths();
  try {
    state.config = await get("config");
  } catch (error) {
    showFailure(error);
    return;
  }
  listenToTime();
  listenToOrder();
  listenToFiles();
  for (const id of ["request", "response"]) $(id).addEventListener("toggle", showRaw);
  const wanted = decodeURIComponent(location.hash.slice(1));
  const ids = state.config.patients.map((each) => each.id);
  if (ids.length) await choose(ids.includes(wanted) ? wanted : ids[0]);
  else {
    $("story").textContent = "Open a FHIR bundle";
    showPatients();
  }
}

start();
