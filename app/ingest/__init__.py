"""From a package's bytes to an answer for every transcript in it (tiếp nhận gói học bạ).

``intake`` takes in charge, ``process`` tells the story of what follows, ``answers`` reads what was answered.
Everything between them is rules: bytes and facts in, findings and outcomes out.
"""
