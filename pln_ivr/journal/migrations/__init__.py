"""The journal's migrations, one module a revision; ``schema.upgrade`` runs them."""
