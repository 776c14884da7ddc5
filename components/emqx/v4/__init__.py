"""The dialect of EMQX 4.2, 4.3 and 4.4."""
