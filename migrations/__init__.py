"""The schema's history: plain SQL, run in order, each step reversible."""
