"""The decision as CDS Hooks cards: wording from `cards/`, whole FHIR resources, and the explanation extension."""
