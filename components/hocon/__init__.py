"""The one HOCON reader: texts of EMQX 5.x as plain values, exactly as EMQX's own parser takes them."""
