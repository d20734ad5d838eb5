"""Reconciliation (đối soát): what a vendor holds against what the ledger holds, in one call."""
