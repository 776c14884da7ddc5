"""The dialect of EMQX 5.x and later: all that knows a path or a shape below ``/api/v5``; only the registry imports it."""
