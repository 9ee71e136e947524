"""What people run: the commands and what they need. Nothing that serves a call imports anything below here."""
