"""A patient's course as data and as a picture: what the rules read of a chart, hour by hour."""
