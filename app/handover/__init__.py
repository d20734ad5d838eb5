"""Hand-over (bàn giao dữ liệu): everything of one school as one archive that verifies offline."""
