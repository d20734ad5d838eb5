"""The HTTP surface: who calls, what they may ask, and how answers and refusals look on the wire.

HTTP's own words (status, header, route) are spoken here and nowhere below.
"""
