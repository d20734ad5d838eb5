"""Certificates (chứng thư số): registration, decisions, and their standing at any moment."""
