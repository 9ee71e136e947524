"""What the rules would have done for the patients of a whole Bulk Data export: tables and a report."""
