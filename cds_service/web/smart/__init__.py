"""The SMART app: a page that a card launches in the EHR, with the patient's course and the whole basis of an answer."""
