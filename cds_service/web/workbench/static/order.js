// The order in hand: at which hook, of which drug and dose, and the other drafts beside it.

import { $, h, options, segments } from "./dom.js";
import { fieldsOf, orderOf, routesOf, spoken, written } from "./drafts.js";
import { changed, state } from "./state.js";

const HOOKS = [
  ["order-select", "Select", "The order is being written (order-select)"],
  ["order-sign", "Sign", "The order is about to be signed (order-sign)"],
  ["patient-view", "Open chart", "Nothing is ordered (patient-view)"],
];

export function showOrder() {
  const { orders } = state.config;
  segments($("hooks"), HOOKS, state.hook, (hook) => {
    state.hook = hook;
    showOrder();
      changed(0);
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
  changed(0);
}

function compose() {
  const fields = Object.fromEntries(["drug", "dose", "route", "every", "days"].map((name) => [name, $(name).value]));
  state.drafts = state.drafts.map((each) => (each.id === state.selected ? written(each, fields, state.config.orders) : each));
  state.settled = "";
  $("drafts").hidden = state.drafts.length < 2;
  changed(500);
}

export function listenToOrder() {
  $("composer").addEventListener("input", compose);
  $("drug").addEventListener("change", () => {
    compose();
    showOrder();
  });
  $("composer").addEventListener("submit", (event) => event.preventDefault());
}
