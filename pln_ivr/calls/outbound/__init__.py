"""Calls that we place: to the customer of a conversation, and back to who asked for it."""
