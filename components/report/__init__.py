"""The report of a cutover, computed from its journal (and the fleet's log, where there is one); pure."""
