"""What decides a migration: routes, rules, inventories and conversions; pure functions of what they are given."""
