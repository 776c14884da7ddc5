"""Dynamic resources, one thin Resource and ResourceProvider pair per file; the acting is in components.links."""
