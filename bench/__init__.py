"""How fast the engine judges transcripts, held against three others on the same bytes in the same run."""
