"""The fault test: the real service under load, killed and hindered at random, held to its own word."""
