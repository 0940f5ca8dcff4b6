"""What callers are asked and told by keys, before an agent and without one."""
