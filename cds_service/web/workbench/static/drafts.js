// Draft orders: as FHIR resources, and as the fields in which people write them.

const UCUM = "http://unitsofmeasure.org";

/** A draft of one of the service's orders without instructions, as when the order screen opens. */
export function blank(order, patientId, id = "draft-1") {
  return {
    resourceType: "MedicationRequest",
    id,
    status: "draft",
    intent: "order",
    medicationCodeableConcept: { coding: [order.coding], text: order.coding.display },
    subject: { reference: `Patient/${patientId}` },
  };
}

/** What a draft says, in the fields of the composer; "" where it says nothing. */
export function fieldsOf(draft, orders) {
  const dosage = draft.dosageInstruction?.[0] ?? {};
  const repeat = dosage.timing?.repeat ?? {};
  const amount = dosage.doseAndRate?.[0]?.doseQuantity;
  return {
    drug: orderOf(draft, orders)?.id ?? "",
    dose: amount?.unit === "mg" || amount?.code === "mg" ? amount.value : "",
    route: routeOf(dosage, orders),
    every: repeat.periodUnit === "h" ? repeat.period / (repeat.frequency ?? 1) : repeat.periodUnit === "d" ? (24 * repeat.period) / (repeat.frequency ?? 1) : "",
    days: repeat.boundsDuration?.code === "d" || repeat.boundsDuration?.unit === "d" ? repeat.boundsDuration.value : "",
  };
}

/** The draft with what the fields say. */
export function written(draft, fields, orders) {
  const { dosageInstruction: _, ...rest } = draft;
  const order = orders.find((each) => each.id === fields.drug);
  const drug = order && order !== orderOf(draft, orders) ? blank(order, "").medicationCodeableConcept : null;
  const dosage = {};
  const route = routesOf(orders).find((each) => each.short === fields.route);
  if (fields.dose !== "") dosage.doseAndRate = [{ doseQuantity: { value: Number(fields.dose), unit: "mg", system: UCUM, code: "mg" } }];
  if (route) dosage.route = { coding: [route.coding], text: route.short };
  if (fields.every !== "") {
    dosage.timing = { repeat: { frequency: 1, period: Number(fields.every), periodUnit: "h" } };
    if (fields.days !== "") dosage.timing.repeat.boundsDuration = { value: Number(fields.days), unit: "d", system: UCUM, code: "d" };
  }
  const changed = drug ? { ...rest, medicationCodeableConcept: drug } : rest;
  if (drug) delete changed.medicationReference;
  return Object.keys(dosage).length ? { ...changed, dosageInstruction: [dosage] } : changed;
}

/** The drafts after a suggestion: its creates, updates and deletes; and the id of the one that is in hand then. */
export function accepted(drafts, suggestion, selected) {
  let next = [...drafts];
  let hand = selected;
  for (const action of suggestion.actions ?? []) {
    const { resource } = action;
    if (action.type === "delete") {
      const gone = action.resourceId ?? `${resource?.resourceType}/${resource?.id}`;
      next = next.filter((draft) => `${draft.resourceType}/${draft.id}` !== gone);
    } else if (action.type === "update") {
      next = next.map((draft) => (draft.id === resource.id && draft.resourceType === resource.resourceType ? resource : draft));
      hand = resource.id;
    } else if (action.type === "create") {
      const id = resource.id ?? `created-${next.length + 1}`;
      next.push({ ...resource, id });
      if (resource.resourceType === "MedicationRequest") hand = id;
    }
  }
  return { drafts: next, selected: next.some((draft) => draft.id === hand) ? hand : (next[0]?.id ?? "") };
}

/** One line on a draft. */
export function spoken(draft, orders) {
  const name =
    draft.medicationCodeableConcept?.text ?? draft.medicationCodeableConcept?.coding?.[0]?.display ??
    draft.medicationReference?.display ?? draft.code?.text ?? draft.code?.coding?.[0]?.display ?? draft.resourceType;
  const { dose, route, every } = fieldsOf(draft, orders);
  return [name, dose === "" ? "" : `${dose} mg`, route, every === "" ? "" : `q${every}h`].filter(Boolean).join(" ");
}

export const routesOf = (orders) => orders.flatMap((order) => order.routes);

/** Which of the service's orders a draft is, by its code; undefined where it is none of them. */
export function orderOf(draft, orders) {
  const codes = draft.medicationCodeableConcept?.coding ?? [];
  return orders.find((order) => codes.some((c) => c.code === order.coding.code && c.system === order.coding.system));
}

function routeOf(dosage, orders) {
  const codes = (dosage.route?.coding ?? []).map((coding) => coding.code);
  const text = (dosage.route?.text ?? "").toLowerCase();
  const named = routesOf(orders).find(
    (route) => codes.includes(route.coding.code) || (text && route.coding.display.toLowerCase().startsWith(text)) || text === route.short.toLowerCase(),
  );
  return named?.short ?? "";
}
