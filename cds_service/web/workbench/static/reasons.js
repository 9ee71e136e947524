// Why and why not: the rule that is shown, the list of all, and what is assumed in place of the chart.

import { editor, other, turned } from "./assume.js";
import { explained } from "./cards.js";
import { $, h, segments } from "./dom.js";
import { changed, state } from "./state.js";
import { flipped, listOf, ruleOf } from "./why.js";

const nothing = { lines: new Map(), rules: [] };
const on = { rule: showRuleOf, resource: showResource, brief, assume };

/** A reference without what its id shares with that of every other resource of the patient. */
function brief(reference) {
  const [kind, id] = reference.split("/");
  const shared = `${state.patient.id}-`;
  return id?.startsWith(shared) ? `${kind}/${id.slice(shared.length)}` : reference;
}

function showRuleOf(order, id) {
  state.rule = { key: order.key, id };
  showWhy();
  $("rule").focus();
}

/** The rule that is shown: the chosen one, else that of the first card, else the first that fires; `rule` is missing
 *  where none does: no rule has anything to say. */
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
  return order ? { order, rule: order.rules.find((each) => each.result === "fires") } : null;
}

export function showWhy() {
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
    ...(rule ? ruleOf(order, rule, flips, on) : [h("p", { class: "muted" }, "No rule fires: there is nothing to say.")]),
  );
  showRules(order, rule);
  if (before) $("whatif").querySelector(".turned")?.replaceChildren(...turned(before, answer, flips, on));
}

function showRules(order, rule) {
  const count = (result) => order.rules.filter((each) => each.result === result).length;
  const tabs = h("div", { class: "segments", role: "group", "aria-label": "Rules by what became of them" });
  const list = h("ul", { class: "list" }, listOf(order, state.result, state.words, rule?.id, on));
  const search = h("input", {
    type: "search", "aria-label": "Search the rules", placeholder: "Search the rules", value: state.words,
    oninput: () => {
      state.words = search.value;
      list.replaceChildren(...listOf(order, state.result, state.words, rule?.id, on));
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
  changed(null);
}

export function showAssumed() {
  const change = (name, value) => {
    state.assumed.get(name).value = value;
    changed(null);
  };
  const drop = (name) => {
    state.assumed.delete(name);
    showAssumed();
    changed(null);
  };
  const reset = () => {
    state.assumed.clear();
    showAssumed();
    changed(null);
  };
  $("whatif").hidden = !state.assumed.size;
  $("whatif").replaceChildren(...(state.assumed.size ? editor(state.assumed, change, drop, reset) : []));
}
