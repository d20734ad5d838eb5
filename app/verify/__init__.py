"""Verification (kiểm tra chữ ký số): what a signature proves, and whether its signer may be believed.

Pure judgement: ``signature`` says what the document alone says, ``signers`` holds it against registry, trust
list and policy. ``certificates`` keeps the registered certificates.
"""
