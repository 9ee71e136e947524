"""What is kept of calls: which cards were shown and what became of them. Only this package knows SQL.

Nothing here is imported before something is to be kept: SQLAlchemy would cost every start a fifth of a second.
"""
