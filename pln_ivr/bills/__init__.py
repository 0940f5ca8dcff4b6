"""Customers' bills, looked up where they are kept."""
