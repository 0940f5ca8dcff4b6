"""pln_ivr beside a pure dialplan that does the same: one run, one machine, one table."""
