"""Revocation by the authorities themselves: lists (CRL, RFC 5280) and answers (OCSP, RFC 6960)."""
